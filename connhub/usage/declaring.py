"""Saving what uses connections: flows, apps and functions, and what that registers."""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from hashlib import sha256
from http import HTTPStatus
from typing import Any, ClassVar, Protocol

from django.db import IntegrityError, transaction
from django.db.models import Model, QuerySet

from connhub.accounts import people
from connhub.accounts.grants import lock_admins
from connhub.accounts.models import User
from connhub.accounts.permissions import require
from connhub.audit.log import Entry, record, record_all, record_each
from connhub.connections.models import Connection
from connhub.errors import Refusal
from connhub.sharing.admins import require_there

from .gains import gains
from .models import Integration, IntegrationKey
from .problems import Unauthorized
from .registration import IntegrationGone, locked
from .selecting import Place, Selection, place_of, registered_by, select_locked

MOST_USES = 200

# Whether what is in the state of a version may be changed.
OnlyIf = Callable[[str], bool]


class Changed(Refusal):
    code = "precondition-failed"
    text = "It is not in the state that the call was meant for. Fetch it again."
    status = HTTPStatus.PRECONDITION_FAILED


class Use(Protocol):
    """A use as it is declared; a dataclass whose fields are those of the row that it becomes."""

    __dataclass_fields__: ClassVar[dict[str, Any]]

    @property
    def connection(self) -> str:
        """The link name."""

    @property
    def key(self) -> str:
        """What it is known by among the others."""


@dataclass(frozen=True, slots=True)
class Sort:
    """Flows, apps or functions: where they and their uses are kept, and how things are called.

    What names one for good names it among all, or among those of an integration; pages have the
    `reserved` ones.
    """

    model: Any
    uses: str
    use: type[Use]
    taken: type[Refusal]
    gone: type[Refusal]
    absent: type[Refusal]
    saved: str
    deleted: str
    transferred: str
    reserved: tuple[str, ...]
    is_known_everywhere: bool = True

    def named(self, key: str, integration: Integration | None) -> QuerySet:
        where = {} if self.is_known_everywhere else {"integration": integration}
        return self.model.objects.filter(**{self.model.KEY: key}, **where)


@dataclass(frozen=True, slots=True)
class Saved:
    thing: Any
    is_new: bool
    registered: list[Connection]
    gained: int = 0  # people who may use more by that, where a key saved it


@transaction.atomic
def declare(
    sort: Sort,
    key: str,
    *,
    name: str,
    uses: Sequence[Use],
    by: IntegrationKey,
    only_if: OnlyIf | None = None,
) -> Saved:
    """Save one of the key's integration with exactly these uses; said twice, it changes nothing.

    A connection that the integration may use without registration is registered on the way. One
    that was deregistered may stay where it is used, and is used nowhere else.

    Raises:
        Unauthorized: the key was revoked meanwhile.
        Changed: `only_if` says no to its version ("" for one that isn't there).
        Refusal: as `sort.taken`, it belongs to something else.
        NotRegistered: a connection may not be used in the integration.
        NotOfTheApp: nor in the integration app, which registers none.
    """
    integration = locked_for_key(by)
    place = place_of(integration, by)
    thing = own(sort, key, integration)
    require_state(sort, thing, only_if)
    if thing is None:
        return _save(sort, _insert(sort, key, name, integration), name, uses, place, is_new=True)
    return _save(sort, thing, name, uses, place)


@transaction.atomic
def withdraw(sort: Sort, key: str, *, by: IntegrationKey, only_if: OnlyIf | None = None) -> None:
    """Take one of the key's integration away, with its uses.

    Raises:
        Unauthorized: the key was revoked meanwhile.
        Changed: `only_if` says no to its version.
        Refusal: as `sort.absent`, the integration has no such one.
    """
    integration = locked_for_key(by)
    rows = sort.named(key, integration).select_for_update(of=("self",), no_key=True)
    thing = rows.filter(integration=integration).first()
    if thing is None:
        raise sort.absent
    require_state(sort, thing, only_if)
    end(sort, thing, integration, by=by)


@transaction.atomic
def create(
    sort: Sort,
    key: str,
    *,
    name: str,
    uses: Sequence[Use],
    integration: Integration | None,
    by: User,
) -> Saved:
    """Make one of an integration, or one that stands alone and is its maker's.

    What it uses is registered with the integration if the person may do that; all or nothing.
    What stands alone registers nothing.

    Raises:
        PermissionDenied: `by` may not save there.
        Refusal: as `sort.taken`, there is one already.
        NotSelectable: a connection may not be used there, and not be registered either.
    """
    place = place_for(integration, by=by)
    thing = _insert(sort, key, name, place.integration, by)
    return _save(sort, thing, name, uses, place, is_new=True)


@transaction.atomic
def save(sort: Sort, thing: Any, *, name: str, uses: Sequence[Use], by: User) -> Saved:
    """Make its name and uses these; what it has selected already is not registered again.

    Raises: as `create` does; as `sort.gone`, if it is not where it was any more.
    """
    place = place_for(thing.integration, by=by)
    thing = locked_thing(sort, thing, place.integration)
    if place.integration is None:
        require(by, "standalone.save", thing)
    return _save(sort, thing, name, uses, place)


@transaction.atomic
def delete(sort: Sort, thing: Any, *, by: User) -> None:
    """Take it away, with its uses. Raises: PermissionDenied; as `sort.gone`."""
    by = people.locked(by)
    thing = locked_to_remove(sort, thing, by)
    end(sort, thing, thing.integration, by=by)


def end(
    sort: Sort, thing: Any, integration: Integration | None, *, by: User | IntegrationKey
) -> None:
    """Take away what is locked, on record."""
    record(sort.deleted, by=by, on=thing, detail=where(thing, integration))
    thing.delete()


@transaction.atomic
def hand_over(sort: Sort, things: Iterable[Model], *, of: User, to: User, by: User) -> list[Any]:
    """Make what stands alone of one person another's; of which ones. A duty of super admins.

    Raises: PermissionDenied; CantBeAdded, if the other is deactivated or gone.
    """
    lock_admins()
    by = people.require_now(by, "account.transfer")
    require_there([to])
    rows = sort.model.objects.alone().select_for_update(of=("self",), no_key=True)
    theirs = list(rows.filter(pk__in=[each.pk for each in things], owner=of).order_by("pk"))
    sort.model.objects.filter(pk__in=[each.pk for each in theirs]).update(owner=to)
    facts = {"from": str(of), "whom": str(to)}
    record_each(sort.transferred, ((each, [], facts) for each in theirs), by=by)
    return theirs


def place_for(integration: Integration | None, *, by: User) -> Place:
    """Where the person is about to save something, both locked. Raises: PermissionDenied."""
    by = people.locked(by)
    if integration is None:
        require(by, "standalone.create")
        return Place(None, by)
    place = place_of(locked(integration), by)
    if not place.registers:  # whoever registers there saves what uses it, too
        require(by, "integration.declare", integration)
    return place


def locked_for_key(key: IntegrationKey) -> Integration:
    """The key's integration, `locked`. Raises: Unauthorized, if the key was revoked meanwhile."""
    try:
        integration = locked(key.integration)
    except IntegrationGone:
        raise Unauthorized from None
    if not IntegrationKey.objects.usable().filter(pk=key.pk).exists():
        raise Unauthorized
    return integration


def own(sort: Sort, key: str, integration: Integration) -> Any:
    """The integration's one of that key, locked; None, if there is none.

    Raises: as `sort.taken`, if it belongs to something else.
    """
    rows = sort.named(key, integration).select_for_update(of=("self",), no_key=True)
    thing = rows.first()
    if thing and thing.integration_id != integration.pk:
        raise sort.taken
    return thing


def version_of(sort: Sort, thing: Any) -> str:
    """What tells one state from any other: its name, its uses and when it was saved."""
    facts = [thing.name, thing.saved_at.isoformat(), uses_of(sort, thing)]
    return sha256(json.dumps(facts).encode()).hexdigest()[:32]


def uses_of(sort: Sort, thing: Any) -> list[list[str]]:
    """The fields of each, in the order of its declaration's, sorted."""
    rows = getattr(thing, sort.uses).select_related("connection")
    names = [field.name for field in fields(sort.use)]
    return sorted([said_of(row, name) for name in names] for row in rows)


def said_of(row: Any, field: str) -> str:
    """A field of a use as it is declared."""
    return row.connection.link_name if field == "connection" else getattr(row, field)


def require_state(sort: Sort, thing: Any, only_if: OnlyIf | None) -> None:
    """Raises: Changed, if `only_if` says no to the version."""
    if only_if is not None and not only_if(version_of(sort, thing) if thing else ""):
        raise Changed


def locked_thing(sort: Sort, thing: Any, integration: Integration | None) -> Any:
    """It as it is now. Raises: as `sort.gone`, if it isn't of that integration (None: of none)."""
    rows = sort.model.objects.select_for_update(of=("self",), no_key=True)
    found = rows.filter(pk=thing.pk, integration=integration).first()
    if found is None:
        raise sort.gone
    found.integration = integration
    return found


def locked_to_remove(sort: Sort, thing: Any, by: User) -> Any:
    """It, for somebody who may take it away from where it is. Raises: PermissionDenied."""
    integration = thing.integration and locked(thing.integration)
    found = locked_thing(sort, thing, integration)
    if integration:
        require(by, "integration.undeclare", integration)
    else:
        require(by, "standalone.delete", found)
    return found


def where(thing: Any, integration: Integration | None) -> dict[str, str]:
    """What the record says of it besides its name."""
    here = {"integration": integration.slug} if integration else {}
    return {thing.PAGE: thing.key, **here}


def _insert(
    sort: Sort, key: str, name: str, integration: Integration | None, by: User | None = None
) -> Any:
    """A new one without uses. Raises: as `sort.taken`."""
    owner = by if integration is None else None
    values = {"name": name, sort.model.KEY: key, "integration": integration, "owner": owner}
    try:
        with transaction.atomic():
            return sort.model.objects.create(**values)
    except IntegrityError:
        raise sort.taken from None


def _save(
    sort: Sort, thing: Any, name: str, uses: Sequence[Use], place: Place, is_new: bool = False
) -> Saved:
    rows = getattr(thing, sort.uses)
    before = {} if is_new else {row.key: row for row in rows.select_related("connection")}
    connections = {row.connection.link_name: row.connection for row in before.values()}
    selection = select_locked({use.connection for use in uses} - connections.keys(), place)
    connections |= {each.link_name: each for each in selection.connections}
    gained = _gained(selection, place)
    changed = _set_uses(rows, before, uses, connections)
    if thing.name != name:
        changed.append("name")
    if changed or is_new:
        thing.name = name
        if not is_new:
            thing.save(update_fields=["name", "saved_at"])
        entries = registered_by(selection, place)
        said = Entry(sort.saved, thing, changed, where(thing, place.integration))
        record_all([*entries, said], by=place.by)
    return Saved(thing, is_new, selection.to_register, gained)


def _gained(selection: Selection, place: Place) -> int:
    """Asked before they gain it. People are told by the page, which asked them before."""
    if place.integration is None or isinstance(place.by, User) or not selection.to_register:
        return 0
    return gains(place.integration, selection.to_register, viewer=None).people


def _set_uses(
    rows: Any,
    before: Mapping[str, Any],
    uses: Sequence[Use],
    connections: Mapping[str, Connection],
) -> list[str]:
    """Make the rows exactly these; the keys of those that were added, changed or removed."""
    gone = sorted(before.keys() - {use.key for use in uses})
    if gone:
        rows.filter(pk__in=[before[key].pk for key in gone]).delete()
    added: list[Any] = []
    moved: list[Any] = []
    changed: set[str] = set()
    for use in uses:
        row = before.get(use.key) or rows.model(**{rows.field.name: rows.instance})
        values = asdict(use) | {"connection": connections[use.connection]}
        if all(getattr(row, name, None) == value for name, value in values.items()):
            continue
        for name, value in values.items():
            setattr(row, name, value)
        (moved if row.pk else added).append(row)
        changed |= values.keys()
    rows.model.objects.bulk_create(added)
    if moved:
        rows.model.objects.bulk_update(moved, changed)
    return gone + [row.key for row in added + moved]
