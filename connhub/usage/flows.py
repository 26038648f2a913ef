"""Saving flows: which steps they have, over which connections, and what that registers."""

import json
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from http import HTTPStatus

from django.db import IntegrityError, transaction

from connhub.accounts import people
from connhub.accounts.grants import lock_admins
from connhub.accounts.models import User
from connhub.accounts.permissions import require
from connhub.audit.log import Entry, record, record_all, record_each
from connhub.connections.models import Connection
from connhub.errors import Refusal
from connhub.sharing.admins import require_there

from .models import Flow, Integration, IntegrationKey, Kind, Registration, Step
from .problems import Unauthorized
from .registration import NotRegistered, RegistrationNotOffered, entry_of, insert_new, locked
from .selecting import Place, Selection, place_of, select

# What pages of flows have in the place of a slug.
RESERVED = ("new", "attach")
MOST_STEPS = 200

OnlyIf = Callable[[str], bool]


class FlowSlugTaken(Refusal):
    code = "flow-slug-taken"
    text = "This flow slug can't be used. Choose another."


class FlowGone(Refusal):
    code = "flow-gone"
    text = "This flow was deleted, attached or detached meanwhile. Reload the page."


class NoSuchFlow(Refusal):
    code = "no-such-flow"
    text = "The key's integration has no flow of this slug. Check the slug."
    status = HTTPStatus.NOT_FOUND


class FlowChanged(Refusal):
    code = "precondition-failed"
    text = "The flow is not in the state that the call was meant for. Fetch it again."
    status = HTTPStatus.PRECONDITION_FAILED


class NotSelectable(Refusal):
    """`reasons` are by link name."""

    code = "not-selectable"

    def __init__(self, reasons: dict[str, str]) -> None:
        self.reasons = reasons
        super().__init__(" ".join(f"{name}: {why}" for name, why in reasons.items()))


class NotOfTheApp(RegistrationNotOffered):
    """A flow of an integration app selects what the app doesn't come with."""

    def __init__(self, *link_names: str) -> None:
        self.link_names = link_names
        super().__init__(f"{self.text} It doesn't come with: {', '.join(link_names)}.")


@dataclass(frozen=True, slots=True)
class DeclaredStep:
    """An export or import, and the link name of the connection it goes over."""

    name: str
    kind: str
    connection: str


@dataclass(frozen=True, slots=True)
class Saved:
    flow: Flow
    is_new: bool
    registered: list[Connection]


def not_reserved(slug: str) -> str:
    """The slug, if it names no page. Raises: ValueError."""
    if slug in RESERVED:
        raise ValueError(f"a flow's slug can't be “{slug}”")
    return slug


def version_of(flow: Flow) -> str:
    """What tells one state of a flow from any other: its name, its steps and when it was saved."""
    facts = [flow.name, flow.saved_at.isoformat(), steps_of(flow)]
    return sha256(json.dumps(facts).encode()).hexdigest()[:32]


def steps_of(flow: Flow) -> list[tuple[str, str, str]]:
    """Name, kind and link name of each, sorted by name."""
    rows = flow.steps.order_by("name")
    return list(rows.values_list("name", "kind", "connection__link_name"))


@transaction.atomic
def declare(
    slug: str,
    *,
    name: str,
    steps: Sequence[DeclaredStep],
    by: IntegrationKey,
    only_if: OnlyIf | None = None,
) -> Saved:
    """Save a flow of the key's integration with exactly these steps; said twice, it changes nothing.

    A connection that the integration may use without registration is registered on the way. One
    that was deregistered may stay in a flow that has it, and enters no other.

    Raises:
        Unauthorized: the key was revoked meanwhile.
        FlowChanged: `only_if` says no to its version ("" for a flow that isn't there).
        FlowSlugTaken: the slug belongs to a flow of something else.
        NotRegistered: a step's connection may not be used in the integration.
        NotOfTheApp: nor in the integration app, which registers none.
    """
    integration = _locked_for(by)
    flow = Flow.objects.select_for_update(of=("self",), no_key=True).filter(slug=slug).first()
    if flow is not None and flow.integration_id != integration.pk:
        raise FlowSlugTaken
    if only_if is not None and not only_if(version_of(flow) if flow else ""):
        raise FlowChanged
    if flow is None:
        return _save(_insert(slug, name, integration), name, steps, place_of(integration, by), True)
    return _save(flow, name, steps, place_of(integration, by))


@transaction.atomic
def withdraw(slug: str, *, by: IntegrationKey, only_if: OnlyIf | None = None) -> None:
    """Take a flow of the key's integration away, with its steps.

    Raises:
        Unauthorized: the key was revoked meanwhile.
        NoSuchFlow: the integration has no such flow.
        FlowChanged: `only_if` says no to its version.
    """
    integration = _locked_for(by)
    rows = Flow.objects.select_for_update(of=("self",), no_key=True)
    flow = rows.filter(slug=slug, integration=integration).first()
    if flow is None:
        raise NoSuchFlow
    if only_if is not None and not only_if(version_of(flow)):
        raise FlowChanged
    record("flow.deleted", by=by, on=flow, detail=where(flow, integration))
    flow.delete()


def _locked_for(key: IntegrationKey) -> Integration:
    """The key's integration, locked. Raises: Unauthorized, if the key has ended meanwhile."""
    integration = locked(key.integration)
    if not IntegrationKey.objects.usable().filter(pk=key.pk).exists():
        raise Unauthorized
    return integration


@transaction.atomic
def create(
    slug: str,
    *,
    name: str,
    steps: Sequence[DeclaredStep],
    integration: Integration | None,
    by: User,
) -> Saved:
    """Make a flow of an integration, or one that stands alone and is its maker's.

    What its steps select is registered with the integration if the person may do that; all or
    nothing. A flow that stands alone registers nothing.

    Raises:
        PermissionDenied: `by` may not save flows there.
        FlowSlugTaken: another flow has the slug.
        NotSelectable: a step's connection may not be used there, and not be registered either.
    """
    place = place_for(integration, by=by)
    return _save(_insert(slug, name, place.integration, by), name, steps, place, True)


@transaction.atomic
def save(flow: Flow, *, name: str, steps: Sequence[DeclaredStep], by: User) -> Saved:
    """Make the flow's name and steps these; what it has selected already is not registered again.

    Raises: as `create` does; FlowGone, if it is not where it was any more.
    """
    place = place_for(flow.integration, by=by)
    flow = locked_flow(flow, place.integration)
    if place.integration is None:
        require(by, "flow.save", flow)
    return _save(flow, name, steps, place)


@transaction.atomic
def delete(flow: Flow, *, by: User) -> None:
    """Take a flow away, with its steps. Raises: PermissionDenied, FlowGone."""
    by = people.locked(by)
    flow = _locked_to_remove(flow, by)
    record("flow.deleted", by=by, on=flow, detail=where(flow, flow.integration))
    flow.delete()


@transaction.atomic
def detach(flow: Flow, *, by: User) -> None:
    """Make a flow of an integration stand alone, as one of the person who does it.

    What the integration could call over for this flow's sake alone, it can't any more.

    Raises: PermissionDenied, FlowGone.
    """
    by = people.locked(by)
    if flow.integration is None:
        raise FlowGone
    flow = _locked_to_remove(flow, by)
    integration, flow.integration, flow.owner = flow.integration, None, by
    flow.save(update_fields=["integration", "owner"])
    record("flow.detached", by=by, on=flow, detail=where(flow, integration))


@transaction.atomic
def hand_over(flows: Iterable[Flow], *, of: User, to: User, by: User) -> list[Flow]:
    """Make standalone flows of one person another's; of which ones. A duty of super admins.

    Raises: PermissionDenied; CantBeAdded, if the other is deactivated or gone.
    """
    lock_admins()
    by = people.require_now(by, "account.transfer")
    require_there([to])
    rows = Flow.objects.alone().select_for_update(of=("self",), no_key=True)
    theirs = list(rows.filter(pk__in=[each.pk for each in flows], owner=of).order_by("pk"))
    Flow.objects.filter(pk__in=[each.pk for each in theirs]).update(owner=to)
    facts = {"from": str(of), "whom": str(to)}
    record_each("flow.transferred", ((each, [], facts) for each in theirs), by=by)
    return theirs


def place_for(integration: Integration | None, *, by: User) -> Place:
    """Where the person is about to save a flow, both locked. Raises: PermissionDenied."""
    by = people.locked(by)
    if integration is None:
        require(by, "flow.create")
        return Place(None, by)
    place = place_of(locked(integration), by)
    if not place.registers:  # whoever registers there saves flows, too
        require(by, "integration.save_flow", integration)
    return place


def locked_flow(flow: Flow, integration: Integration | None) -> Flow:
    """The flow as it is now. Raises: FlowGone, if it isn't of that integration (None: of none)."""
    rows = Flow.objects.select_for_update(of=("self",), no_key=True)
    found = rows.filter(pk=flow.pk, integration=integration).first()
    if found is None:
        raise FlowGone
    found.integration = integration
    return found


def select_locked(link_names: Collection[str], place: Place) -> Selection:
    """As `select`; nobody deletes these, or narrows who may use them, until the commit.

    Raises: NotSelectable; with a key NotRegistered, NotOfTheApp.
    """
    if not link_names:
        return Selection([], [], {})
    _lock(link_names)
    selection = select(link_names, place)
    if not selection.refused:
        return selection
    if isinstance(place.by, User):
        raise NotSelectable(selection.refused)
    is_app = place.integration and place.integration.kind == Kind.APP
    raise (NotOfTheApp if is_app else NotRegistered)(*selection.refused)


def registered_by(selection: Selection, place: Place) -> list[Entry]:
    """Register what the selection is to; what goes on record of it."""
    if place.integration is None or not selection.to_register:
        return []
    pairs = [(place.integration, each) for each in selection.to_register]
    new = insert_new(pairs, how=Registration.How.AUTOMATIC, by=place.by)
    return [entry_of(registration) for registration in new]


def where(flow: Flow, integration: Integration | None) -> dict[str, str]:
    """What the record says of a flow besides its name."""
    here = {"integration": integration.slug} if integration else {}
    return {"flow": flow.slug, **here}


def _insert(slug: str, name: str, integration: Integration | None, by: User | None = None) -> Flow:
    owner = by if integration is None else None
    try:
        with transaction.atomic():
            return Flow.objects.create(slug=slug, name=name, integration=integration, owner=owner)
    except IntegrityError:
        raise FlowSlugTaken from None


def _locked_to_remove(flow: Flow, by: User) -> Flow:
    """The flow for somebody who may take it away from where it is."""
    integration = flow.integration and locked(flow.integration)
    found = locked_flow(flow, integration)
    if integration:
        require(by, "integration.remove_flow", integration)
    else:
        require(by, "flow.delete", found)
    return found


def _save(
    flow: Flow, name: str, steps: Sequence[DeclaredStep], place: Place, is_new: bool = False
) -> Saved:
    before = {} if is_new else {s.name: s for s in flow.steps.select_related("connection")}
    connections = {step.connection.link_name: step.connection for step in before.values()}
    selection = select_locked({s.connection for s in steps} - connections.keys(), place)
    connections |= {each.link_name: each for each in selection.connections}
    changed = _set_steps(flow, before, steps, connections)
    if flow.name != name:
        changed.append("name")
    if changed or is_new:
        flow.name = name
        if not is_new:
            flow.save(update_fields=["name", "saved_at"])
        entries = registered_by(selection, place)
        said = Entry("flow.saved", flow, changed, where(flow, place.integration))
        record_all([*entries, said], by=place.by)
    return Saved(flow, is_new, selection.to_register)


def _lock(link_names: Iterable[str]) -> None:
    rows = Connection.objects.select_for_update(of=("self",), no_key=True).filter(
        link_name__in=link_names
    )
    list(rows.order_by("pk").values_list("pk"))


def _set_steps(
    flow: Flow,
    before: dict[str, Step],
    steps: Sequence[DeclaredStep],
    connections: dict[str, Connection],
) -> list[str]:
    """Make the flow's steps these; the names of those that were added, changed or removed."""
    gone = sorted(before.keys() - {step.name for step in steps})
    if gone:
        flow.steps.filter(name__in=gone).delete()
    added: list[Step] = []
    moved: list[Step] = []
    for declared in steps:
        step = before.get(declared.name) or Step(flow=flow, name=declared.name)
        connection = connections[declared.connection]
        if (step.kind, step.connection_id) != (declared.kind, connection.pk):
            step.kind, step.connection = declared.kind, connection
            (moved if step.pk else added).append(step)
    Step.objects.bulk_create(added)
    Step.objects.bulk_update(moved, ["kind", "connection"])
    return gone + [step.name for step in added + moved]
