"""Pages that end or interrupt a connection's life, and those that bring it back."""

from functools import partial
from http import HTTPStatus

from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils.functional import SimpleLazyObject
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from connhub.accounts.models import Environment
from connhub.accounts.permissions import require
from connhub.htmx import changed, sent_to
from connhub.lookup import named_or_404

from .. import duplicating, editing, lifecycle, restoring, rotation
from ..auth import is_interactive
from ..connecting import ConnectFailed
from ..impact import impact_of, used_lately
from ..lifecycle_forms import ConfirmForm, DuplicateForm, ReconnectForm
from ..meanwhile import EditedMeanwhile
from .changing import administered, authorize, environment_of


@require_http_methods(["GET", "POST"])
def revoke(request, link_name):
    """Revoke all credentials, or the own one of the environment that the URL names."""
    connection = administered(request, link_name, to="revoke")
    slug = request.GET.get("environment")
    environment = named_or_404(Environment, slug=slug) if slug else None
    context = _confirmation(request, connection) | {"environment": environment}
    if not context["is_confirmed"]:
        return render(request, "connections/revoke.html", context)
    lifecycle.revoke(connection, by=request.user, environment=environment)
    where = f" in {environment}" if environment else ""
    return changed(
        request, "connection", then=connection, message=f"{connection} is revoked{where}."
    )


@require_http_methods(["GET", "POST"])
def disable(request, link_name):
    connection = administered(request, link_name, to="disable")
    context = _confirmation(request, connection)
    if not context["is_confirmed"]:
        return render(request, "connections/disable.html", context)
    lifecycle.set_disabled(connection, True, by=request.user)
    return changed(request, "connection", then=connection, message=f"{connection} is disabled.")


@require_POST
def enable(request, link_name):
    connection = administered(request, link_name, to="enable")
    lifecycle.set_disabled(connection, False, by=request.user)
    return changed(request, "connection", then=connection, message=f"{connection} is enabled.")


@require_http_methods(["GET", "POST"])
def delete(request, link_name):
    connection = administered(request, link_name, to="delete")
    context = _confirmation(request, connection)
    if not context["is_confirmed"]:
        context["refusal"] = lifecycle.still_in_use(connection, request.user)
        return render(request, "connections/delete.html", context)
    lifecycle.delete(connection, by=request.user)
    listing = reverse("connections:list")
    return changed(request, "connection", then=listing, message=f"{connection} is deleted.")


def _confirmation(request, connection):
    """Whether the person has said yes, and for the page that asks, what would break."""
    impact = SimpleLazyObject(partial(impact_of, connection, request.user))
    typed = request.POST if request.method == "POST" else None
    must_type = connection.pk in used_lately([connection])
    form = ConfirmForm(typed, connection=connection, must_type=must_type)
    is_confirmed = form.is_bound and form.is_valid()
    return {"connection": connection, "impact": impact, "form": form, "is_confirmed": is_confirmed}


@require_safe
def deleted(request):
    """Deleted connections that the person may still restore."""
    connections = restoring.restorable(request.user)[:200]
    return render(request, "connections/deleted.html", {"connections": connections})


@require_POST
def restore(request, link_name):
    connection = get_object_or_404(restoring.restorable(request.user), link_name=link_name)
    restoring.restore(connection, by=request.user)
    return changed(
        request, "connection", then=connection, message=f"{connection} is back. Connect it anew."
    )


@require_http_methods(["GET", "POST"])
def duplicate(request, link_name):
    connection = administered(request, link_name, to="duplicate")
    initial = {"name": f"{connection.name} copy"[:80]}
    form = DuplicateForm(request.POST or None, initial=initial)
    if not form.is_valid():
        context = {"connection": connection, "form": form}
        return render(request, "connections/duplicate.html", context)
    made = duplicating.duplicate(connection, **form.cleaned_data, by=request.user)
    return sent_to(request, made, message=f"{made} is made, without the secret.")


@sensitive_post_parameters()
@require_http_methods(["GET", "POST"])
def reconnect(request, link_name):
    """New credentials alone: at the provider, or typed."""
    connection = administered(request, link_name, to="reconnect")
    if connection.login_user or is_interactive(connection.auth_method):
        return authorize(request, link_name)
    environment = environment_of(request, connection)
    require(request.user, "environment.connect_in", environment)
    slot = rotation.going_on(connection, environment)
    form = ReconnectForm(
        request.POST if request.method == "POST" else None,
        connection=connection,
        environment=environment,
    )
    status: int = HTTPStatus.OK
    if form.is_bound and form.is_valid():
        try:
            editing.reconnect(
                connection,
                form.secrets,
                by=request.user,
                environment=environment,
                seen=form.cleaned_data["version"],
                ends_at=form.ends_at,
            )
        except EditedMeanwhile as refusal:
            form.lose(refusal)
            status = refusal.status
        except ConnectFailed as failure:
            form.add_error(None, failure.text)
        else:
            ended = " The rotation that was under way is over." if slot else ""
            said = f"{connection} is reconnected.{ended}"
            return changed(request, "connection", then=connection, message=said)
    context = {"connection": connection, "form": form, "environment": environment, "slot": slot}
    return render(request, "connections/reconnect.html", context, status=status)
