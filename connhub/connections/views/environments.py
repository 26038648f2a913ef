"""What a connection has of its own in one environment."""

from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods

from connhub.accounts.models import Environment
from connhub.accounts.permissions import require
from connhub.htmx import HttpResponseSeeOther, changed, wants_fragment

from .. import own_settings, rotation
from ..auth import is_interactive as signs_in
from ..connecting import ConnectFailed
from ..environment_form import OwnForm
from ..meanwhile import EditedMeanwhile
from .changing import administered, proceed_dialog, sign_change


@sensitive_post_parameters()
@require_http_methods(["GET", "POST"])
def environment(request, link_name, slug):
    """Own endpoint, parameters and credentials; an OAuth connection goes on to the provider."""
    connection, stage = _place(request, link_name, slug)
    form = OwnForm(request.POST or None, connection=connection, environment=stage)
    is_interactive = signs_in(connection.auth_method)
    context = {
        "connection": connection, "environment": stage, "form": form,
        "is_interactive": is_interactive,
        "has_own": connection.credentials.filter(environment=stage, user=None).exists(),
        "slot": rotation.going_on(connection, stage),
    }  # fmt: skip
    if not form.is_valid():
        return render(request, "connections/environment.html", context)
    try:
        pending = own_settings.give(connection, stage, **form.given, by=request.user)
    except EditedMeanwhile as refusal:
        form.lose(refusal)
        return render(request, "connections/environment.html", context, status=refusal.status)
    except ConnectFailed as failure:
        form.add_error(None, failure.text)
        return render(request, "connections/environment.html", context)
    if not pending:
        said = f"{stage} has credentials of its own."
        return changed(request, "connection", then=connection, message=said)
    change = sign_change(request, connection, pending)
    if wants_fragment(request):
        return proceed_dialog(request, connection, stage, change)
    url = reverse("connections:authorize", args=[connection.link_name])
    return HttpResponseSeeOther(f"{url}?environment={stage.slug}&change={change}")


@require_http_methods(["GET", "POST"])
def drop_environment(request, link_name, slug):
    """Back to what is for all environments."""
    connection, stage = _place(request, link_name, slug)
    if request.method == "POST":
        own_settings.drop(connection, stage, by=request.user)
        said = f"{stage} uses what is for all environments."
        return changed(request, "connection", then=connection, message=said)
    context = {"connection": connection, "environment": stage}
    return render(request, "connections/drop_environment.html", context)


def _place(request, link_name, slug):
    connection = administered(request, link_name, to="set_environment")
    connection.auth_method.service = connection.service
    stage = get_object_or_404(Environment, slug=slug)
    require(request.user, "environment.connect_in", stage)
    return connection, stage
