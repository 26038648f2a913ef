"""What people see and change of themselves."""

from django.contrib.auth import update_session_auth_hash
from django.http import Http404
from django.shortcuts import render
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST, require_safe
from django.views.decorators.vary import vary_on_headers

from connhub.htmx import changed, wants_fragment

from .. import people, proof, second_factor
from .. import sessions as operations
from ..forms import LettersForm, PasswordForm, ProfileForm
from ..notifications import KINDS

MOST_SHOWN = 50


@require_http_methods(["GET", "POST"])
def profile(request):
    form = ProfileForm(request.POST or None, instance=request.user)
    if form.is_valid():
        people.rename(request.user, to=form.cleaned_data["name"], by=request.user)
        return changed(request, "profile", then="accounts:profile", message="Saved.")
    context = {
        "form": form,
        "sessions": own_sessions(request),
        "has_password": proof.has_password(request.user),
        "has_second_factor": second_factor.is_on(request.user),
    }
    return render(request, "accounts/profile.html", context)


@require_http_methods(["GET", "POST"])
def letters(request):
    kinds = [kind for kind, _ in KINDS]
    wanted = [kind for kind in kinds if kind not in request.user.unwanted_letters]
    form = LettersForm(request.POST or None, initial={"letters": wanted})
    if form.is_valid():
        unwanted = set(kinds) - set(form.cleaned_data["letters"])
        people.prefer_letters(request.user, unwanted=unwanted, by=request.user)
        return changed(request, "profile", then="accounts:profile", message="Saved.")
    return render(request, "accounts/letters.html", {"form": form})


@sensitive_post_parameters()
@require_http_methods(["GET", "POST"])
def password(request):
    form = PasswordForm(request, request.POST or None)
    if form.is_valid():
        people.change_password(
            request.user,
            to=form.cleaned_data["new_password1"],
            by=request.user,
            here=request.session.session_key,
        )
        update_session_auth_hash(request, request.user)
        return changed(
            request,
            "profile",
            then="accounts:profile",
            message="Password changed. Other sessions and admin tokens have ended.",
        )
    return render(request, "accounts/password.html", {"form": form})


@require_safe
@vary_on_headers("HX-Request")
def sessions(request):
    template = "_sessions.html" if wants_fragment(request) else "sessions.html"
    return render(request, f"accounts/{template}", {"sessions": own_sessions(request)})


@require_POST
def end_session(request, ref):
    here = request.session.session_key
    others = operations.of(request.user).exclude(session_key=here)
    session = next((session for session in others if session.ref == ref), None)
    if session is None:
        raise Http404
    operations.end(session, by=request.user)
    return _sessions_changed(request, f"{session.device} is signed out.")


@require_POST
def end_other_sessions(request):
    operations.end_others(request.user, but=request.session.session_key, by=request.user)
    return _sessions_changed(request, "Your other sessions have ended.")


def _sessions_changed(request, message):
    return changed(request, "session", then="accounts:profile", message=message)


def own_sessions(request):
    """This one first."""
    here = request.session.session_key
    found = list(operations.of(request.user)[:MOST_SHOWN])
    for session in found:
        session.is_this_one = session.session_key == here
    return sorted(found, key=lambda session: not session.is_this_one)
