from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_http_methods

from connhub.accounts.permissions import require
from connhub.connections.models import Connection
from connhub.htmx import changed

from ..availability import narrow
from ..forms import AvailabilityForm


@require_http_methods(["GET", "POST"])
def availability(request, link_name):
    """Who in the account the connection is for."""
    seen = Connection.objects.visible_to(request.user)
    connection = get_object_or_404(seen, link_name=link_name)
    require(request.user, "connection.make_available", connection)

    typed = request.POST if request.method == "POST" else None
    form = AvailabilityForm(typed, connection=connection, by=request.user)
    if form.is_bound and form.is_valid():
        narrow(connection, form.audience, by=request.user)
        said = f"{connection} is available to: {form.audience}."
        return changed(request, "connection", then=connection, message=said)
    return render(request, "usage/availability.html", {"connection": connection, "form": form})
