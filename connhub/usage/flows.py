"""What a flow engine says about its flows: which steps they have, over which connections."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from django.db import IntegrityError, transaction

from connhub.audit.log import record
from connhub.connections.models import Connection
from connhub.errors import Refusal

from .models import Flow, Integration, IntegrationKey, Registration, Step
from .problems import Unauthorized
from .registration import NotRegistered, add, locked, offered_in


class FlowSlugTaken(Refusal):
    code = "flow-slug-taken"
    text = "This flow slug can't be used. Choose another."


@dataclass(frozen=True, slots=True)
class DeclaredStep:
    """An export or import, and the link name of the connection it goes over."""

    name: str
    kind: str
    connection: str


@dataclass(frozen=True, slots=True)
class Declaration:
    flow: Flow
    is_new: bool
    registered: list[Connection]


@transaction.atomic
def declare(
    slug: str, *, name: str, steps: Sequence[DeclaredStep], by: IntegrationKey
) -> Declaration:
    """Save a flow of the key's integration with exactly these steps; said twice, it changes nothing.

    A connection that the integration may use without registration is registered on the way. One
    that was deregistered may stay in a flow that has it, and enters no other.

    Raises:
        Unauthorized: the key was revoked meanwhile.
        FlowSlugTaken: the slug belongs to a flow of something else.
        NotRegistered: a step's connection may not be used in the integration.
    """
    integration = locked(by.integration)
    if not IntegrationKey.objects.usable().filter(pk=by.pk).exists():
        raise Unauthorized
    flow, is_new = _own_flow(slug, name, integration)
    offered, kept = _selectable(flow, integration, steps)
    changed = _set_steps(flow, steps, offered | kept)
    if flow.name != name:
        changed.append("name")
    registered = add(integration, list(offered.values()), how=Registration.How.AUTOMATIC, by=by)
    if changed or is_new:
        flow.name = name
        flow.save(update_fields=["name", "saved_at"])
        record("flow.saved", by=by, on=flow, fields=changed, detail={"flow": slug})
    return Declaration(flow, is_new, registered)


def _own_flow(slug: str, name: str, integration: Integration) -> tuple[Flow, bool]:
    try:
        with transaction.atomic():
            flow, is_new = Flow.objects.select_for_update(of=("self",)).get_or_create(
                slug=slug, defaults={"name": name, "integration": integration}
            )
    except IntegrityError:
        raise FlowSlugTaken from None
    if flow.integration_id != integration.pk:
        raise FlowSlugTaken
    return flow, is_new


def _selectable(
    flow: Flow, integration: Integration, steps: Sequence[DeclaredStep]
) -> tuple[dict[str, Connection], dict[str, Connection]]:
    """By link name: what is offered to any flow of the integration, and what this one has already."""
    wanted = {step.connection for step in steps}
    _lock(wanted)
    offered = {c.link_name: c for c in offered_in(integration).filter(link_name__in=wanted)}
    own = Connection.objects.live().filter(link_name__in=wanted, steps__flow=flow)
    kept = {c.link_name: c for c in own if c.link_name not in offered}
    if missing := sorted(wanted - offered.keys() - kept.keys()):
        raise NotRegistered(f"Not registered with this integration: {', '.join(missing)}.")
    return offered, kept


def _lock(link_names: Iterable[str]) -> None:
    """Nobody deletes these, or narrows who may use them, until the commit."""
    rows = Connection.objects.select_for_update(of=("self",)).filter(link_name__in=link_names)
    list(rows.order_by("pk").values_list("pk"))


def _set_steps(
    flow: Flow, steps: Sequence[DeclaredStep], connections: dict[str, Connection]
) -> list[str]:
    """Make the flow's steps these; the names of those that were added, changed or removed."""
    before = {step.name: step for step in flow.steps.all()}
    changed = sorted(before.keys() - {step.name for step in steps})
    flow.steps.filter(name__in=changed).delete()
    for declared in steps:
        step = before.get(declared.name) or Step(flow=flow, name=declared.name)
        connection = connections[declared.connection]
        if (step.kind, step.connection_id) != (declared.kind, connection.pk):
            step.kind, step.connection = declared.kind, connection
            step.save()
            changed.append(declared.name)
    return changed
