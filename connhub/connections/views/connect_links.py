"""An admin's side of connect links: making one, shown once, and taking it back."""

from django.core.exceptions import PermissionDenied
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_http_methods, require_POST
from django_htmx.http import trigger_client_event

from connhub.accounts.models import Environment
from connhub.accounts.permissions import require
from connhub.accounts.reauthentication import recently_authenticated
from connhub.htmx import changed
from connhub.lookup import named_or_404

from ..connect_link_forms import ConnectLinkForm
from ..connect_links import making
from .changing import administered


@require_http_methods(["GET", "POST"])
@recently_authenticated
def send_connect_link(request, link_name):
    """Makes a link for whoever owns the outside account, and shows it this once."""
    connection = administered(request, link_name, to="send_connect_link")
    named = None
    if slug := request.GET.get("environment"):
        named = named_or_404(Environment, slug=slug)
        require(request.user, "environment.connect_in", named)

    form = ConnectLinkForm(
        request.POST if request.method == "POST" else None,
        connection=connection,
        by=request.user,
        named=named,
    )
    if not form.found:
        raise PermissionDenied
    making.require_offered(connection)
    context = {"connection": connection, "form": form}
    if not (form.is_bound and form.is_valid()):
        return render(request, "connections/send_connect_link.html", context)
    link, token = making.make(connection, by=request.user, **form.details)
    context |= {"link": link, "address": making.address_of(token)}
    response = render(request, "connections/made_connect_link.html", context)
    return trigger_client_event(response, "connection-changed") if request.htmx else response


@require_POST
def withdraw_connect_link(request, link_name, pk):
    connection = administered(request, link_name, to="send_connect_link")
    link = get_object_or_404(connection.connect_links.select_related("connection"), pk=pk)
    making.withdraw(link, by=request.user)
    return changed(request, "connection", then=connection, message="The link is withdrawn.")
