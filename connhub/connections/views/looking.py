from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_safe
from django.views.decorators.vary import vary_on_headers

from connhub.accounts.models import Environment
from connhub.accounts.permissions import may
from connhub.audit.looking import look_for
from connhub.audit.models import Event
from connhub.context import numbers
from connhub.htmx import wants_fragment
from connhub.paging import in_words, page, total_of

from .. import held_grants, sign_ins, testing, unused
from .. import listing as rows
from .. import readiness as board
from ..access import main_settings
from ..attention import attention_for
from ..auth import METHODS, is_interactive
from ..bulk import ACTIONS
from ..called import by_day
from ..connect_links import validity
from ..expiry import ending_soon
from ..fields import shown_of
from ..forms import SHOW, FilterForm, ReadinessForm
from ..guide import begin_with, guide_to
from ..models import Connection, Rotation, Status, learn_places
from ..preferences import COLUMNS, columns_of, query_of
from ..rotation import may_rotate


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
    user, environments = request.user, list(Environment.objects.all())
    seen = rows.Seen(user, numbers(request)[rows.URL_NAME], only_own=only_own)
    filters = FilterForm(request.GET, seen.choices, environments)
    wanted = seen.narrowed(filters.wanted)
    page = rows.rows(wanted, filters.sorting, request.GET, user, environments)
    is_filtered = rows.is_filtered(filters.wanted)
    total = total_of(wanted, page) if is_filtered or only_own else seen.number
    sorting = rows.ORDERS[filters.sorting].label
    context = {
        "page": page,
        "page_text": f"{len(page.rows)} of {in_words(total)} · sorted by {sorting}",
        "show_choices": [("", "All"), *SHOW],
        "filters": filters.wanted,
        "is_filtered": is_filtered,
        "choices": seen.choices,
        "statuses": Status,
        "unused_choices": unused.CHOICES,
        "orders": rows.ORDERS,
        "environments": environments,
        "bulk_actions": ACTIONS.values(),
        "columns": columns_of(user),
        "headings": COLUMNS,
        "can_save": bool(query_of(filters.wanted)),
    }
    if not wants_fragment(request):
        context |= {
            "attention": attention_for(user),
            "ending": ending_soon(user),
            "saved_views": user.saved_views.all(),
            "integrations": rows.integrations_for(user).only("slug", "name"),
        }
        return render(request, page_template, context)
    return render(request, "connections/_table.html", context)


@require_safe
@vary_on_headers("HX-Request")
def readiness(request):
    """Connections by environments, as a page to leave open: it fetches itself every minute."""
    visible = Connection.objects.visible_to(request.user)
    environments = list(Environment.objects.all())
    form = ReadinessForm.over(request.GET, visible, environments)
    wanted = board.filtered(visible, form.wanted, environments, request.user)
    context = {
        "page": board.board(wanted, request.GET, environments),
        "tallies": board.tallies(visible, environments),
        "filters": form.wanted,
        "is_filtered": any(form.wanted.get(name) for name in ("q", "service", "gaps")),
        "choices": form.choices,
        "environments": environments,
    }
    template = "_readiness.html" if wants_fragment(request) else "readiness.html"
    return render(request, f"connections/{template}", context)


@require_safe
def summary(request, link_name):
    visible = Connection.objects.visible_to(request.user).for_summary()
    connection = get_object_or_404(visible, link_name=link_name)
    learn_places([connection])
    days = by_day(connection=connection)
    calls = sum(day["ok"] + day["failed"] for day in days)
    failed = sum(day["failed"] for day in days)
    people = rows.admins([connection.pk])[connection.pk]
    own = {admin.to_self for admin in people if not admin.is_team and admin.pk == request.user.pk}
    stages = _stages(connection)
    may_administer = may(request.user, "connection.edit", connection)
    slots = Rotation.objects.going_on().filter(credential__connection=connection)
    context = {
        "connection": connection,
        "may_administer": may_administer,
        "may_rotate": may_rotate(connection),
        "slots": slots.select_related("credential__environment"),
        "has_test": testing.has_test(connection.service)
        and not connection.disabled_at
        and any(s["status"].is_live for s in stages),
        "is_interactive": is_interactive(connection.auth_method),
        "is_http": METHODS[connection.auth_method.kind].is_http,
        "has_secret": connection.auth_method.kind != "none" and not connection.login_user,
        "stages": stages,
        "needing": _needing(connection, stages),
        "error_of_all": _error_of_all(stages),
        "parameters": _parameters(connection),
        "days": days,
        "calls": calls,
        "failed_share": 100 * failed / calls if calls else 0,
        "admins": people,
        "is_shared_to_self": True in own,
        "events": Event.objects.about(connection)[:8],
        "drift": _drift(connection),
        "guide": guide_to(connection, begin_with(connection), request.user),
    }
    if may_administer:
        context |= _connect_links(request, connection)
    if connection.login_user:
        signed_in = sign_ins.people_of(connection)
        first = page(signed_in, sign_ins.PEOPLE_BY_NAME, {}, 10)
        context |= {"page": first, "total": signed_in.count()}
    template = (
        "connections/_summary.html" if wants_fragment(request) else "connections/summary.html"
    )
    return render(request, template, context)


def _connect_links(request, connection):
    """The open links, and what came by one for another account than before."""
    waiting = held_grants.waiting(request.user, request.session.session_key or "")
    return {
        "takes_links": validity.is_offered(connection),
        "connect_links": connection.connect_links.open().select_related("made_by", "environment"),
        "waiting": waiting.filter(connection=connection, link__isnull=False),
    }


def _stages(connection):
    """Each environment with the credential that serves it."""
    found = []
    for environment in Environment.objects.all():
        credential = connection.credential_for(environment)
        status = connection.standing_in(environment)
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


def _needing(connection, stages):
    """The environment whose own credential is what makes the connection stand as it does."""
    own = (s["environment"] for s in stages if s["own"] and s["status"] == connection.status)
    return next(own, None)


def _error_of_all(stages):
    """What is wrong with the credential that environments have in common, to be said once."""
    shared = (s["credential"] for s in stages if s["credential"] and not s["own"])
    return next((credential.last_error for credential in shared), "")


def _parameters(connection):
    """Label and value of everything that was typed and is no secret."""
    stored = main_settings(connection).parameters
    return [(label, value) for _, label, value in shown_of(connection.auth_method, stored)]


def _drift(connection):
    """Scopes that were asked for and not granted."""
    granted = {
        scope for c in connection.credentials.all() if c.connected_at for scope in c.scopes_granted
    }
    return [scope for scope in connection.scopes if granted and scope not in granted]


@require_safe
@vary_on_headers("HX-Request")
def activity(request, link_name):
    """Everything on record about the connection, newest first."""
    visible = Connection.objects.visible_to(request.user).select_related("service")
    connection = get_object_or_404(visible, link_name=link_name)
    events = look_for(connection, request.GET, by=request.user)
    fragment = wants_fragment(request)
    template = "connections/_activity.html" if fragment else "connections/activity.html"
    return render(request, template, {"connection": connection, "page": events})
