from django.core import signing
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods
from django_htmx.http import HttpResponseClientRedirect

from connhub.accounts.models import Environment
from connhub.accounts.permissions import require
from connhub.htmx import HttpResponseSeeOther, changed, wants_fragment
from connhub.lookup import named_or_404

from .. import authorize as authorization
from .. import editing, lifecycle, rotation, testing
from ..access import main_settings
from ..auth import is_interactive
from ..connecting import ConnectFailed
from ..edit_form import EditForm
from ..forms import RenameForm
from ..inside import inside
from ..meanwhile import EditedMeanwhile, require_unchanged
from ..models import Connection
from .signing_in import reopen

CHANGE_SALT, CHANGE_MAX_AGE_S = "connections.change", 3600


def administered(request, link_name, *, to):
    """The connection: 404 for those who don't see it, 403 for those who see it but may not do that."""
    visible = Connection.objects.visible_to(request.user).select_related(
        "service", "auth_method", "oauth_app"
    )
    connection = get_object_or_404(visible, link_name=link_name)
    require(request.user, f"connection.{to}", connection)
    return connection


def environment_of(request, connection):
    """The one that the URL names, else the one that the connection was made for (None: all)."""
    if slug := request.GET.get("environment"):
        return named_or_404(Environment, slug=slug)
    return main_settings(connection).environment


@require_http_methods(["GET", "POST"])
def rename(request, link_name):
    connection = administered(request, link_name, to="rename")

    initial = {"name": connection.name, "version": connection.version}
    form = RenameForm(request.POST or None, initial=initial)
    context = {"connection": connection, "form": form}
    if not form.is_valid():
        return render(request, "connections/rename.html", context)
    name, version = form.cleaned_data["name"], form.cleaned_data["version"]
    try:
        lifecycle.rename(connection, to=name, by=request.user, seen=version)
    except EditedMeanwhile as refusal:
        form.lose(refusal)
        return render(request, "connections/rename.html", context, status=refusal.status)
    return changed(request, "connection", then=connection, message="Renamed.")


@sensitive_post_parameters()
@require_http_methods(["GET", "POST"])
def edit(request, link_name):
    connection = administered(request, link_name, to="edit")
    connection.auth_method.service = connection.service

    form = EditForm(request.POST or None, connection=connection)
    context = {
        "connection": connection, "form": form,
        "is_interactive": is_interactive(connection.auth_method),
        "redirect_uri": authorization.redirect_uri(connection.service.slug),
        "slot": rotation.going_on(connection, main_settings(connection).environment),
    }  # fmt: skip
    if not form.is_valid():
        return render(request, "connections/edit.html", context)
    try:
        pending = editing.edit(
            connection, form.details, by=request.user, seen=form.cleaned_data["version"]
        )
    except EditedMeanwhile as refusal:
        form.lose(refusal)
        return render(request, "connections/edit.html", context, status=refusal.status)
    except ConnectFailed as failure:
        form.add_error(None, failure.text)
        return render(request, "connections/edit.html", context)
    if not pending:
        return changed(request, "connection", then=connection, message="Updated.")
    change = sign_change(request, connection, pending)
    if wants_fragment(request):
        return proceed_dialog(request, connection, environment_of(request, connection), change)
    url = reverse("connections:authorize", args=[connection.link_name])
    return HttpResponseSeeOther(f"{url}?change={change}")


@require_http_methods(["GET", "POST"])
def authorize(request, link_name):
    connection = administered(request, link_name, to="reconnect")
    if connection.login_user:
        return reopen(request, connection)
    environment = environment_of(request, connection)
    require(request.user, "environment.connect_in", environment)
    change = request.GET.get("change", "")
    if request.method == "GET":
        return proceed_dialog(request, connection, environment, change)

    place = inside(request)
    url = authorization.start(
        connection,
        by=request.user,
        session_key=request.session.session_key,
        environment=environment,
        pending=_pending(request, connection, change),
        then=place.url if place else "",
    )
    if request.htmx:
        return HttpResponseClientRedirect(url)
    # Not a redirect: form-action 'self' would stop a form from leading to another site.
    return render(request, "connections/leave.html", {"connection": connection, "url": url})


def proceed_dialog(request, connection, environment, change=""):
    """What will happen and where, before the person goes to the provider."""
    pending = _pending(request, connection, change)
    place = inside(request)
    context = {
        "connection": connection,
        "host": authorization.host_of(connection, environment, pending),
        "scopes": pending.get("scopes", connection.scopes),
        "environment": environment,
        "account": _account_now(connection, environment),
        "url": authorize_url(connection, environment, place, change),
        "back": place.url if place else "",
        "is_change": bool(change),
        "redirect_uri": authorization.redirect_uri(connection.service.slug),
    }
    return render(request, "connections/authorize.html", context)


def authorize_url(connection, environment, place=None, change=""):
    """Of the page that leads to the provider, with all that it has to know."""
    query = {"environment": environment.slug if environment else "", "change": change}
    query |= place.query if place else {}
    said = {name: value for name, value in query.items() if value}
    return reverse("connections:authorize", args=[connection.link_name], query=said)


def sign_change(request, connection, pending):
    """What waits for a sign-in, for the URL that leads there; good while nobody changes more."""
    connection.refresh_from_db(fields=["version"])
    signed = [connection.pk, request.user.pk, connection.version, pending]
    return signing.dumps(signed, salt=CHANGE_SALT)


def _pending(request, connection, change):
    """What an edit of this connection by this person wants, as this server signed it."""
    if not change:
        return {}
    try:
        pk, by, version, pending = signing.loads(change, salt=CHANGE_SALT, max_age=CHANGE_MAX_AGE_S)
    except (signing.BadSignature, ValueError):
        raise editing.ChangeTooOld from None
    if (pk, by) != (connection.pk, request.user.pk):
        raise editing.ChangeTooOld
    require_unchanged(connection, version)
    return pending


@require_http_methods(["GET", "POST"])
def test(request, link_name):
    connection = administered(request, link_name, to="test")
    environment = environment_of(request, connection)
    credential = connection.credential_for(environment, request.user)
    context = {"connection": connection, "environment": environment, "last": credential}
    if request.method == "POST":
        context["report"] = testing.test(connection, by=request.user, environment=environment)
    response = render(request, "connections/test.html", context)
    if request.method == "POST" and request.htmx:
        response["HX-Trigger"] = "connection-changed"
    return response


def _account_now(connection, environment):
    """Whose account is connected in just that place, as far as ConnHub knows."""
    there = connection.credentials.own().filter(environment=environment)
    return there.values_list("account", flat=True).first() or ""
