"""To the provider of single sign-on, and back."""

from django.contrib.auth import login
from django.contrib.auth.decorators import login_not_required
from django.http import Http404
from django.shortcuts import redirect, render, resolve_url
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_safe

from connhub.audit.log import record

from .. import half_way, oidc, proof, second_factor, sso
from .entering import PASSWORD_BACKEND


@login_not_required
@require_safe
def start(request):
    """To the provider; somebody signed in is asked again there, for what wants a recent proof."""
    if not sso.is_on():
        raise Http404
    then = request.GET.get("next", "")
    if not url_has_allowed_host_and_scheme(then, {request.get_host()}, request.is_secure()):
        then = resolve_url("connections:list")
    try:
        return redirect(oidc.start(request, then=then, again=request.user.is_authenticated))
    except oidc.SignInFailed as failure:
        return _failed(request, failure.reason)


@login_not_required
@require_safe
def callback(request):
    if not sso.is_on():
        raise Http404
    try:
        claims, kept = oidc.finish(request)
        person = sso.person_for(claims)
    except (oidc.SignInFailed, sso.NotLetIn) as failure:
        return _failed(request, failure.reason)
    if request.user.is_authenticated:
        if request.user != person:
            return _failed(request, "somebody else")
        proof.note(request, again=kept["again"])
    elif second_factor.is_required() and second_factor.is_on(person):
        half_way.enter(request, person, then=kept["then"])
        return redirect("accounts:sign_in_code")
    else:
        login(request, person, backend=PASSWORD_BACKEND)
    return redirect(kept["then"])


def _failed(request, reason):
    """Says the same whatever stood in the way; the record says what."""
    record("person.sso_failed", outcome="failed", detail={"said": reason}, change=False)
    return redirect("accounts:sso_failed")


@login_not_required
@require_safe
def failed(request):
    return render(request, "accounts/sso_failed.html")
