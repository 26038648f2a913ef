from django.conf import settings
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_safe
from django.views.decorators.vary import vary_on_headers

from connhub.accounts.models import Environment
from connhub.audit.models import Event
from connhub.htmx import wants_fragment
from connhub.services.models import Service
from connhub.sharing import roles

from .. import listing as rows
from .. import policies, testing
from ..access import main_settings
from ..auth import METHODS, is_interactive
from ..fields import parameters_of
from ..forms import SHOW, FilterForm
from ..models import Connection, Status


@require_safe
@vary_on_headers("HX-Request")
def listing(request):
    return _listing(request, "connections/list.html")


@require_safe
@vary_on_headers("HX-Request")
def profile_connections(request):
    """External data connections: those that the person created or that are shared with them."""
    return _listing(request, "connections/mine.html", only_own=True)


def _listing(request, page_template, *, only_own=False):
    visible = Connection.objects.visible_to(request.user)
    if only_own:
        visible = visible.filter(roles.administered_by(request.user, Connection))
    services = Service.objects.filter(pk__in=visible.values("service")).only("slug", "name")
    environments = list(Environment.objects.all())
    filters = FilterForm(request.GET, services=services, environments=environments)
    wanted = rows.filtered(visible, filters.wanted, request.user)
    page = rows.rows(wanted, filters.sorting, request.GET, request.user, environments)
    total, sorting = wanted.count(), rows.ORDERS[filters.sorting].label
    context = {
        "page": page,
        "page_text": f"{len(page.rows)} of {total:,} · sorted by {sorting}",
        "show_choices": [("", "All"), *SHOW],
        "filters": filters.wanted,
        "is_filtered": any(
            filters.wanted.get(n) for n in ("q", "show", "service", "status", "environment")
        ),
        "services": services,
        "statuses": Status,
        "orders": rows.ORDERS,
        "environments": environments,
    }
    if not wants_fragment(request):
        context["attention"] = list(rows.needing_attention(request.user)[:3])
        return render(request, page_template, context)
    return render(request, "connections/_table.html", context)


@require_safe
def summary(request, link_name):
    visible = Connection.objects.visible_to(request.user).for_summary()
    connection = get_object_or_404(visible, link_name=link_name)
    days = rows.calls_by_day(connection)
    calls = sum(day["ok"] + day["failed"] for day in days)
    failed = sum(day["failed"] for day in days)
    stages = _stages(connection)
    context = {
        "connection": connection,
        "may_administer": policies.may_administer(request.user, connection),
        "has_test": testing.has_test(connection.service)
        and any(s["status"].is_live for s in stages),
        "is_interactive": is_interactive(connection.auth_method),
        "is_http": METHODS[connection.auth_method.kind].is_http,
        "stages": stages,
        "parameters": _parameters(connection),
        "days": days,
        "calls": calls,
        "failed_share": 100 * failed / calls if calls else 0,
        "admins": rows.admins([connection.pk])[connection.pk],
        "events": Event.objects.about(connection)[:8],
        "drift": _drift(connection),
        "public_url": settings.CONNHUB_URL,
    }
    template = (
        "connections/_summary.html" if wants_fragment(request) else "connections/summary.html"
    )
    return render(request, template, context)


def _stages(connection):
    """Each environment with the credential that serves it."""
    found = []
    for environment in Environment.objects.all():
        credential = connection.credential_for(environment)
        status = Status(credential.status) if credential else Status.NOT_CONNECTED
        own = credential is not None and credential.environment_id is not None
        found.append(
            {
                "environment": environment,
                "credential": credential,
                "status": status,
                "own": own,
            }
        )
    return found


def _parameters(connection):
    """Label and value of everything that was typed and is no secret."""
    method = connection.auth_method
    stored = main_settings(connection).parameters
    asked = [*parameters_of(method), *METHODS[method.kind].fields(method)]
    fields = {item.name: item for item in asked}
    return [
        (fields[name].label if name in fields else name.capitalize(), value)
        for name, value in stored.items()
        if name not in fields or not fields[name].secret
    ]


def _drift(connection):
    """Scopes that were asked for and not granted."""
    granted = {
        scope for c in connection.credentials.all() if c.connected_at for scope in c.scopes_granted
    }
    return [scope for scope in connection.scopes if granted and scope not in granted]
