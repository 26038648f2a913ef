"""Find Usage: where one connection is used, as a picture and as a table."""

from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_safe
from django.views.decorators.vary import vary_on_headers

from connhub.accounts.permissions import may
from connhub.htmx import wants_fragment

from .. import policies
from ..finding.looking import usage_of
from ..finding.picture import picture_of
from ..finding.table import table_of
from ..reach.drawing import counted


@require_safe
@vary_on_headers("HX-Request")
def usage(request, link_name):
    """For its admins, and for those who use it in an integration that they belong to."""
    traceable = policies.traceable_by(request.user).select_related("service", "availability")
    connection = get_object_or_404(traceable, link_name=link_name)
    found = usage_of(connection, request.user)
    context = {
        "connection": connection,
        "usage": found,
        "counts": " · ".join(counted(n, noun) for noun, n in found.counts.items()),
        "sees_connection": may(request.user, "connection.see", connection),
    }
    if request.GET.get("view") == "table":
        context["table"] = table_of(found, request.GET)
    else:
        context["picture"] = picture_of(found, f"{request.path}?view=table")
    template = "usage/_usage.html" if wants_fragment(request) else "usage/usage.html"
    return render(request, template, context)
