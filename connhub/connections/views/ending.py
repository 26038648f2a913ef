"""Pages that end or interrupt a connection's life, and those that bring it back."""

from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from connhub.accounts.models import Environment
from connhub.htmx import changed, sent_to

from .. import duplicating, editing, lifecycle, policies, restoring
from ..auth import is_interactive
from ..connecting import ConnectFailed
from ..impact import impact_of
from ..lifecycle_forms import ConfirmForm, DuplicateForm, ReconnectForm
from .changing import administered, authorize, environment_of


@require_http_methods(["GET", "POST"])
def revoke(request, link_name):
    """Revoke all credentials, or the own one of the environment that the URL names."""
    connection = administered(request, link_name)
    slug = request.GET.get("environment")
    environment = get_object_or_404(Environment, slug=slug) if slug else None
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
    connection = administered(request, link_name)
    context = _confirmation(request, connection)
    if not context["is_confirmed"]:
        return render(request, "connections/disable.html", context)
    lifecycle.set_disabled(connection, True, by=request.user)
    return changed(request, "connection", then=connection, message=f"{connection} is disabled.")


@require_POST
def enable(request, link_name):
    connection = administered(request, link_name)
    lifecycle.set_disabled(connection, False, by=request.user)
    return changed(request, "connection", then=connection, message=f"{connection} is enabled.")


@require_http_methods(["GET", "POST"])
def delete(request, link_name):
    connection = administered(request, link_name)
    context = _confirmation(request, connection)
    if not context["is_confirmed"]:
        context["refusal"] = lifecycle.still_in_use(connection, request.user)
        return render(request, "connections/delete.html", context)
    lifecycle.delete(connection, by=request.user)
    listing = reverse("connections:list")
    return changed(request, "connection", then=listing, message=f"{connection} is deleted.")


def _confirmation(request, connection):
    """What would break, and whether the person has said yes to it."""
    impact = impact_of(connection, request.user)
    typed = request.POST if request.method == "POST" else None
    form = ConfirmForm(typed, connection=connection, must_type=impact.must_type)
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
    connection = administered(request, link_name)
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
    connection = administered(request, link_name)
    if connection.login_user or is_interactive(connection.auth_method):
        return authorize(request, link_name)
    environment = environment_of(request, connection)
    policies.require_connect_in(request.user, environment)
    form = ReconnectForm(
        request.POST if request.method == "POST" else None, method=connection.auth_method
    )
    if form.is_bound and form.is_valid():
        try:
            editing.reconnect(
                connection, form.cleaned_data, by=request.user, environment=environment
            )
        except ConnectFailed as failure:
            form.add_error(None, failure.text)
        else:
            return changed(
                request, "connection", then=connection, message=f"{connection} is reconnected."
            )
    context = {"connection": connection, "form": form, "environment": environment}
    return render(request, "connections/reconnect.html", context)
