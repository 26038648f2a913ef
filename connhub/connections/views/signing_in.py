"""Your sign-ins, and an admin's look at everybody's: for connections that use login users'."""

from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_safe
from django.views.decorators.vary import vary_on_headers
from django_htmx.http import HttpResponseClientRedirect

from connhub.accounts.permissions import may, require
from connhub.htmx import changed, wants_fragment
from connhub.lookup import named_or_404
from connhub.paging import page

from .. import authorize as authorization
from .. import login_users, sign_ins
from ..access import main_settings
from ..auth import METHODS, is_interactive
from ..connecting import ConnectFailed
from ..models import Connection, Credential, Status
from ..sign_in_form import SignInForm


@require_safe
@vary_on_headers("HX-Request")
def own_sign_ins(request):
    """Your sign-ins: where the person has signed in for themself, and where they may."""
    found = sign_ins.rows(request.user, request.GET)
    fragment = wants_fragment(request)
    template = "connections/_own_sign_ins.html" if fragment else "connections/own_sign_ins.html"
    return render(request, template, {"page": found})


@sensitive_post_parameters()
@require_http_methods(["GET", "POST"])
def sign_in_to(request, link_name):
    """To the provider, or a form for what only the person knows."""
    open_ones = sign_ins.open_to(request.user).select_related("service", "auth_method", "oauth_app")
    connection = get_object_or_404(open_ones, link_name=link_name)
    environment = _place(request, connection)
    if is_interactive(connection.auth_method):
        return _authorize(request, connection, environment)

    form = SignInForm(request.POST or None, method=connection.auth_method)
    context = {"connection": connection, "environment": environment, "form": form}
    if not form.is_valid():
        return render(request, "connections/sign_in_to.html", context)
    try:
        login_users.sign_in(connection, form.values, by=request.user, environment=environment)
    except ConnectFailed as failure:
        form.add_error(None, failure.text)
        return render(request, "connections/sign_in_to.html", context)
    said = f"You are signed in to {connection}."
    return changed(request, "sign-in", then="sign_ins", message=said)


def _place(request, connection):
    """The environment that the URL names, if it has settings of its own, else the first (None: all)."""
    slug = request.GET.get("environment")
    if not slug:
        return main_settings(connection).environment
    places = connection.settings.select_related("environment")
    return named_or_404(places, environment__slug=slug).environment


def _authorize(request, connection, environment):
    if request.method == "GET":
        context = {
            "connection": connection,
            "host": authorization.host_of(connection, environment, {}),
            "scopes": connection.scopes,
            "environment": environment,
            "url": request.get_full_path(),
            "back": reverse("sign_ins"),
            "is_own": True,
        }
        return render(request, "connections/authorize.html", context)
    url = authorization.start(
        connection,
        by=request.user,
        session_key=request.session.session_key,
        environment=environment,
    )
    if request.htmx:
        return HttpResponseClientRedirect(url)
    # Not a redirect: form-action 'self' would stop a form from leading to another site.
    return render(request, "connections/leave.html", {"connection": connection, "url": url})


@require_http_methods(["GET", "POST"])
def remove_sign_in(request, link_name):
    """Ends the person's own sign-in, also where they may no longer use the connection."""
    mine = Credential.objects.filter(user=request.user).select_related(
        "connection__service", "connection__auth_method"
    )
    live = mine.filter(connection__link_name=link_name, connection__deleted_at=None)
    slug = request.GET.get("environment")
    if slug:
        credential = named_or_404(live, environment__slug=slug)
    else:
        credential = get_object_or_404(live, environment=None)
    return _remove(request, credential, reverse("sign_ins"))


def _remove(request, credential, here):
    if request.method == "POST":
        login_users.sign_out(credential, by=request.user)
        return changed(request, "sign-in", then=here, message="Removed.")
    connection = credential.connection
    revokes = METHODS[connection.auth_method.kind].revokes
    context = {
        "connection": connection, "credential": credential, "revokes": revokes, "back": here,
    }  # fmt: skip
    return render(request, "connections/remove_sign_in.html", context)


@require_safe
@vary_on_headers("HX-Request")
def everybodys_sign_ins(request, link_name):
    """Who signed in to one connection, for those who see it."""
    visible = Connection.objects.visible_to(request.user).select_related("service")
    connection = get_object_or_404(visible, link_name=link_name, login_user=True)
    people = sign_ins.people_of(connection)
    context = {
        "connection": connection,
        "page": page(people, sign_ins.PEOPLE_BY_NAME, request.GET),
        "total": people.count(),
        "may_administer": may(request.user, "connection.remove_sign_in", connection),
    }
    template = (
        "connections/_sign_ins.html" if wants_fragment(request) else "connections/sign_ins.html"
    )
    return render(request, template, context)


@require_http_methods(["GET", "POST"])
def remove_persons_sign_in(request, link_name, pk):
    visible = Connection.objects.visible_to(request.user)
    connection = get_object_or_404(visible, link_name=link_name)
    require(request.user, "connection.remove_sign_in", connection)
    theirs = connection.credentials.of_users().select_related(
        "connection__service", "connection__auth_method", "user"
    )
    credential = get_object_or_404(theirs, pk=pk)
    return _remove(request, credential, reverse("connections:sign_ins", args=[link_name]))


def reopen(request, connection):
    """What Connect and Reconnect do where each person signs in for themself."""
    if connection.status == Status.CONNECTED:
        return redirect("sign_in_to", connection.link_name)
    if request.method == "POST":
        login_users.reopen(connection, by=request.user)
        said = f"People can sign in to {connection} again."
        return changed(request, "connection", then=connection, message=said)
    return render(request, "connections/reopen.html", {"connection": connection})
