from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_GET, require_http_methods, require_safe

from connhub.htmx import HttpResponseSeeOther, sent_to, swap, wants_fragment
from connhub.services.models import Service
from connhub.services.views import show_gallery

from .. import authorize, lifecycle, policies, testing
from ..auth import is_interactive
from ..connecting import ConnectFailed
from ..forms import CreateForm
from ..models import Authorization
from .changing import proceed_dialog
from .other_account import connected


@require_safe
def gallery(request):
    return show_gallery(request, "connections/gallery.html", into="connections:new")


@sensitive_post_parameters()
@require_http_methods(["GET", "POST"])
def new(request, slug):
    service = get_object_or_404(Service.objects.listed(), slug=slug)
    methods = list(service.auth_methods.offered())
    if not methods:
        raise Http404
    method = next((m for m in methods if str(m.pk) == request.GET.get("method")), methods[0])
    method.service = service

    form = CreateForm(request.POST or None, method=method, by=request.user)
    context = {
        "form": form, "service": service, "method": method, "methods": methods,
        "has_test": testing.has_test(service) and not is_interactive(method),
        "is_interactive": is_interactive(method),
        "redirect_uri": authorize.redirect_uri(service.slug),
    }  # fmt: skip
    if not form.is_valid():
        return _ask_again(request, context)
    if not policies.may_connect_in(request.user, form.chosen_environment):
        raise PermissionDenied
    report = granted = None
    if "test" in request.POST and form.wants_login_user:
        form.add_error("login_user", "Nobody has signed in yet, so there is nothing to test.")
        return _ask_again(request, context)
    if context["has_test"] and not form.wants_login_user:
        report, granted = testing.rehearse(method, form.details)
    if report and ("test" in request.POST or not (report.ok or "anyway" in request.POST)):
        template = "connections/_report.html" if wants_fragment(request) else "connections/new.html"
        return render(request, template, context | {"report": report})
    try:
        return _create(request, form, report, granted)
    except ConnectFailed as failure:
        form.add_error(None, failure.text)
        return _ask_again(request, context)


def _ask_again(request, context):
    response = render(request, "connections/new.html", context)
    return swap(response, "#main", "outerHTML", select="#main") if request.htmx else response


def _create(request, form, report, granted):
    environment = form.chosen_environment
    connection = lifecycle.create(
        form.method,
        form.details,
        link_name=form.cleaned_data["link_name"],
        by=request.user,
        environment=environment,
        granted=granted,
    )
    if report:
        tested = connection.credential_for(environment)
        testing.note(connection, report, by=request.user, credential=tested)
    if is_interactive(form.method) and not connection.login_user:
        return _go_on(request, connection, environment)
    more = " Each person signs in under Your sign-ins." if connection.login_user else ""
    return sent_to(request, connection, message=f"{connection} is made.{more}")


def _go_on(request, connection, environment):
    """To the pop-up that asks to Proceed, or to its page where there is no JavaScript."""
    if wants_fragment(request):
        return swap(proceed_dialog(request, connection, environment), "#dialog", "innerHTML")
    query = f"?environment={environment.slug}" if environment else ""
    return HttpResponseSeeOther(
        reverse("connections:authorize", args=[connection.link_name]) + query
    )


@require_GET
def callback(request, service):
    """The redirect URI: takes in the provider's answer and goes on to a clean URL."""
    try:
        outcome = authorize.finish(
            service,
            dict(request.GET.lists()),
            by=request.user,
            session_key=request.session.session_key or "",
        )
    except authorize.AuthorizationFailed as error:
        messages.error(request, str(error))
        elsewhere = error.connection or "connections:list"
        response = redirect("sign_ins" if error.of_login_user else elsewhere)
    else:
        if isinstance(outcome, Authorization):
            response = redirect("other_account", outcome.pk)
        else:
            response = connected(request, outcome)
    response["Referrer-Policy"] = "no-referrer"
    return response
