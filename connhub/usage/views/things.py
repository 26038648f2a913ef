"""The pages of flows, apps and functions: of an integration (`slug` names it), or standing alone."""

from django.db.models import Count, Exists, OuterRef, Prefetch
from django.shortcuts import render
from django.views.decorators.http import require_http_methods, require_safe

from connhub.accounts.permissions import may, require
from connhub.connections.models import Connection
from connhub.htmx import sent_to
from connhub.lookup import named_or_404
from connhub.paging import page

from .. import declaring, policies, registration
from ..models import Integration
from .kinds import KINDS, Kind
from .looking_up import administered, visible
from .saving import edited

STEPS_ELSEWHERE = 100


@require_safe
def things(request, slug, kind):
    integration, kind = visible(request, slug), KINDS[kind]
    rows = getattr(kind.sort.model, kind.sort.uses).rel.related_model.objects
    uses = rows.select_related("connection__service").order_by("connection__name")
    if kind.has_named_uses:
        uses = uses.order_by("name")
    own = kind.sort.model.objects.filter(integration=integration)
    own = own.prefetch_related(Prefetch(kind.sort.uses, uses, to_attr="shown_uses"))
    context = {
        "integration": integration,
        "kind": kind,
        "kinds": [(each, each.listing(integration)) for each in KINDS.values()],
        "new_url": kind.page("new", integration),
        "page": page(own, kind.by_name, request.GET),
        "may_save": may(request.user, "integration.declare", integration),
    }
    if kind.noun == "flow":
        elsewhere = list(registration.steps_elsewhere(integration)[: STEPS_ELSEWHERE + 1])
        context["elsewhere"] = elsewhere[:STEPS_ELSEWHERE]
        context["is_cut"] = len(elsewhere) > STEPS_ELSEWHERE
    return render(request, "usage/things.html", context)


@require_safe
def standalone_things(request, kind):
    kind = KINDS[kind]
    seen = policies.standing_alone(kind.sort.model, request.user).select_related("owner")
    counted = seen.annotate(use_count=Count(kind.sort.uses))
    context = {
        "kind": kind,
        "new_url": kind.page("new", None),
        "page": page(counted, kind.by_name, request.GET),
    }
    return render(request, "usage/standalone.html", context)


@require_safe
def thing(request, kind, key, slug=None):
    """One, with what it uses and how each connection stands there."""
    integration, kind = visible(request, slug) if slug else None, KINDS[kind]
    found, user = _found(request, kind, integration, key), request.user
    this = OuterRef("connection")
    uses = getattr(found, kind.sort.uses).select_related("connection__service")
    uses = uses.annotate(is_seen=Exists(Connection.objects.visible_to(user).filter(pk=this)))
    if integration:
        offered = registration.offered_in(integration).filter(pk=this)
        uses = uses.annotate(is_offered=Exists(offered))
        about, actions = integration, ("integration.declare", "integration.undeclare")
    else:
        about, actions = found, ("standalone.save", "standalone.delete")
    may_save, may_remove = (may(user, action, about) for action in actions)
    context = {
        "thing": found,
        "kind": kind,
        "integration": integration,
        "listing": kind.listing(integration),
        "edit_url": kind.page("edit", integration, found),
        "delete_url": kind.page("delete", integration, found),
        "uses": sorted(uses, key=lambda use: use.key),
        "may_save": may_save,
        "may_remove": may_remove,
    }
    return render(request, "usage/thing.html", context)


@require_http_methods(["GET", "POST"])
def new_thing(request, kind, slug=None):
    if not slug:
        require(request.user, "standalone.create")
    integration = administered(request, slug, to="declare") if slug else None
    return edited(request, KINDS[kind], integration)


@require_http_methods(["GET", "POST"])
def edit_thing(request, kind, key, slug=None):
    integration = administered(request, slug, to="declare") if slug else None
    found = _found(request, KINDS[kind], integration, key)
    if not integration:
        require(request.user, "standalone.save", found)
    return edited(request, KINDS[kind], integration, found)


@require_http_methods(["GET", "POST"])
def delete_thing(request, kind, key, slug=None):
    """Asks, and deletes it."""
    kind, integration = KINDS[kind], None
    if slug:
        integration = administered(request, slug, to="undeclare")
    found = _found(request, kind, integration, key)
    if not integration:
        require(request.user, "standalone.delete", found)

    if request.method == "POST":
        declaring.delete(kind.sort, found, by=request.user)
        return sent_to(request, kind.listing(integration), message=f"{found} is deleted.")
    stopping = registration.kept_by(found, integration) if integration else []
    context = {"thing": found, "kind": kind, "stopping": stopping}
    return render(request, "usage/delete_thing.html", context)


def _found(request, kind: Kind, integration: Integration | None, key: str):
    model = kind.sort.model
    if integration is None:
        seen = policies.standing_alone(model, request.user).select_related("owner")
        return named_or_404(seen, **{model.KEY: key})
    found = named_or_404(model.objects.filter(integration=integration), **{model.KEY: key})
    found.integration = integration
    return found
