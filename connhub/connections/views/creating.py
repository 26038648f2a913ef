from functools import partial

from django.contrib import messages
from django.contrib.auth.decorators import login_not_required
from django.core.exceptions import PermissionDenied
from django.http import Http404
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_GET, require_http_methods, require_safe

from connhub.accounts.permissions import may
from connhub.htmx import HttpResponseSeeOther, sent_to, swap, wants_fragment
from connhub.services.models import Service
from connhub.services.views import show_gallery

from .. import authorize, creating, testing
from ..auth import is_interactive
from ..connect_links.validity import LinkDead
from ..connecting import ConnectFailed
from ..create_form import CreateForm
from ..inside import inside
from . import visiting
from .changing import authorize_url, proceed_dialog
from .other_account import connected


@require_safe
def gallery(request):
    place = inside(request)
    carried = place.query if place else {}
    return show_gallery(
        request, "connections/gallery.html", into="connections:new", carried=carried, inside=place
    )


@sensitive_post_parameters()
@require_http_methods(["GET", "POST"])
def new(request, slug):
    service = get_object_or_404(Service.objects.listed(), slug=slug)
    methods = list(service.auth_methods.offered())
    if not methods:
        raise Http404
    method = next((m for m in methods if str(m.pk) == request.GET.get("method")), methods[0])
    method.service = service

    place = inside(request)
    form = CreateForm(request.POST or None, method=method, by=request.user, inside=place)
    context = {
        "form": form, "service": service, "method": method, "methods": methods, "inside": place,
        "has_test": testing.has_test(service) and not is_interactive(method),
        "is_interactive": is_interactive(method),
        "redirect_uri": authorize.redirect_uri(service.slug),
    }  # fmt: skip
    if not form.is_valid():
        return _ask_again(request, context)
    if not may(request.user, "environment.connect_in", form.chosen_environment):
        raise PermissionDenied
    rehearsals = []
    if "test" in request.POST and form.wants_login_user:
        form.add_error("login_user", "Nobody has signed in yet, so there is nothing to test.")
        return _ask_again(request, context)
    if context["has_test"] and not form.wants_login_user:
        rehearsals = creating.rehearse(
            method, form.details, environment=form.chosen_environment, owns=form.given_owns
        )
    is_fine = all(each.report.ok for each in rehearsals)
    if "test" in request.POST or not (is_fine or "anyway" in request.POST):
        template = "connections/_report.html" if wants_fragment(request) else "connections/new.html"
        tested = {"rehearsals": rehearsals, "is_fine": is_fine}
        return render(request, template, context | tested)
    try:
        return _create(request, form, rehearsals)
    except ConnectFailed as failure:
        form.add_error(None, failure.text)
        return _ask_again(request, context)


def _ask_again(request, context):
    response = render(request, "connections/new.html", context)
    return swap(response, "#main", "outerHTML", select="#main") if request.htmx else response


def _create(request, form, rehearsals):
    environment = form.chosen_environment
    connection = creating.create(
        form.method,
        form.details,
        link_name=form.cleaned_data["link_name"],
        by=request.user,
        environment=environment,
        owns=form.given_owns,
        rehearsals=rehearsals,
        inside=form.inside,
        settle=partial(form.settle, by=request.user),
    )
    if is_interactive(form.method) and not connection.login_user:
        return _go_on(request, connection, environment, form.inside)
    more = " Each person signs in under Your sign-ins." if connection.login_user else ""
    then = form.inside.url if form.inside else connection
    return sent_to(request, then, message=f"{connection} is made.{more}")


def _go_on(request, connection, environment, place):
    """To the pop-up that asks to Proceed, or to its page where there is no JavaScript."""
    if wants_fragment(request):
        return swap(proceed_dialog(request, connection, environment), "#dialog", "innerHTML")
    return HttpResponseSeeOther(authorize_url(connection, environment, place))


@login_not_required
@require_GET
def callback(request, service):
    """The redirect URI: takes in the provider's answer and goes on to a clean URL."""
    by = request.user if request.user.is_authenticated else None
    if by or visiting.is_visitor(request):
        response = _finish(request, service, by)
    else:
        response = redirect("accounts:sign_in")
    response["Referrer-Policy"] = "no-referrer"
    return response


def _finish(request, service, by):
    session_key = request.session.session_key or ""
    try:
        attempt, credential = authorize.finish(
            service, dict(request.GET.lists()), by=by, session_key=session_key
        )
    except LinkDead as dead:
        return visiting.came_late(dead)
    except authorize.AuthorizationFailed as error:
        if error.link or by is None:
            return visiting.came_back(request, error)
        messages.error(request, str(error))
        elsewhere = error.connection or "connections:list"
        return redirect("sign_ins" if error.of_login_user else elsewhere)
    if attempt.link:
        account = credential.account if credential else attempt.account
        return visiting.arrived(request, attempt.link, account, waits=credential is None)
    if credential is None:
        return redirect("other_account", attempt.pk)
    return connected(request, credential, then=attempt.then)
