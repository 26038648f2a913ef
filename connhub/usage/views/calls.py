from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_safe
from django.views.decorators.vary import vary_on_headers

from connhub.accounts.models import Environment
from connhub.connections.called import first_day, totals
from connhub.connections.models import Connection
from connhub.htmx import wants_fragment
from connhub.paging import page

from .. import registration
from ..calls import reading
from ..calls.filters import FilterForm
from ..models import Call, Integration
from .looking_up import visible

MOST_CHOICES = 200


@require_safe
@vary_on_headers("HX-Request")
def connection_calls(request, link_name):
    """All calls over a connection; of integrations that the person doesn't see, no names."""
    connection = _connection(request, link_name)
    seen = Integration.objects.visible_to(request.user)
    return _calls(request, "integration", seen, connection=connection)


@require_safe
def connection_latency(request, link_name):
    """How long calls over a connection took, as the summary fetches it."""
    context = {"latency": reading.latency(connection=_connection(request, link_name))}
    return render(request, "usage/_latency.html", context)


@require_safe
@vary_on_headers("HX-Request")
def calls(request, slug):
    """An integration's calls; over connections that it may not use any more, no names."""
    integration = visible(request, slug)
    own = Connection.objects.visible_to(request.user)
    seen = Connection.objects.filter(pk__in=registration.usable_in(integration).values("pk")) | own
    return _calls(request, "connection", seen, integration=integration)


def _connection(request, link_name):
    seen = Connection.objects.visible_to(request.user).select_related("service")
    return get_object_or_404(seen, link_name=link_name)


def _calls(request, place, seen, **of):
    """The calls of one thing, each with its place: what of the other kind it has to do with."""
    called = {pk for (pk,) in totals(f"{place}_id", day__gte=first_day(), **of)}
    named = seen.filter(pk__in=called).order_by("name").values_list("pk", "name")[:MOST_CHOICES]
    form = FilterForm(request.GET, place=place, choices=list(named))
    found = form.of(Call.objects.filter(**of))
    if form.names_a_flow:
        found = found.filter(**{f"{place}__in": seen.values("pk")})
    rows = page(found, reading.NEWEST, request.GET)
    places = seen.in_bulk({getattr(call, f"{place}_id") for call in rows.rows})
    environments = Environment.objects.in_bulk()
    context = {
        **of,
        "form": form,
        "page": rows,
        "rows": [
            (call, places.get(getattr(call, f"{place}_id")), environments.get(call.environment_id))
            for call in rows.rows
        ],
        "place": place,
    }
    if wants_fragment(request):
        return render(request, "usage/_calls.html", context)
    context["overview"] = reading.overview(**of)
    return render(
        request, f"usage/{'' if 'integration' in of else 'connection_'}calls.html", context
    )
