"""What an import would do, connection by connection, before it does anything."""

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from django.db import models

from connhub.accounts.models import User
from connhub.connections.models import AccessMode, Connection

from .checks import Here, Problem, Target, require_importable, require_stage
from .document import Bundle, Item, slug_of

BATCH = 5000
REPORT_EVERY = 250
SHOWN = 80  # characters of a value


class State(models.IntegerChoices):
    """How a connection of the file stands to what is here; in this order people look at them."""

    BLOCKED = 1, "Can't be imported"
    TAKEN = 2, "Link name taken"
    CHANGED = 3, "Changed"
    NEW = 4, "New"
    SAME = 5, "Same"

    @property
    def tone(self) -> str:
        return {1: "bad", 2: "warn", 3: "warn", 4: "ok"}.get(self.value, "idle")


class Choice(models.TextChoices):
    """What becomes of one connection of the file."""

    ADD = "add", "Add"
    REPLACE = "replace", "Replace"
    KEEP = "keep", "Keep"


POSSIBLE = {
    State.BLOCKED: (Choice.KEEP,),
    State.TAKEN: (Choice.KEEP, Choice.ADD),
    State.CHANGED: (Choice.KEEP, Choice.REPLACE, Choice.ADD),
    State.SAME: (Choice.KEEP, Choice.REPLACE, Choice.ADD),
    State.NEW: (Choice.ADD, Choice.KEEP),
}


@dataclass(slots=True)
class Decisions:
    """What the person wants: for all whose link name is in use, for single ones, and with all."""

    existing: str = Choice.KEEP
    single: Mapping[str, str] = field(default_factory=dict)
    tags: Sequence[str] = ()
    moves: bool = False  # OAuth grants: nobody else goes on using them

    def of(self, item: Item, state: State) -> Choice:
        wanted = self.single.get(item.link_name)
        if wanted is None:
            wanted = Choice.ADD if state == State.NEW else self.existing
        possible = POSSIBLE[state]
        return Choice(wanted) if wanted in possible else possible[0]


class Change(NamedTuple):
    """A field that a replacement would change; of secrets only that they would."""

    what: str
    before: str
    after: str


@dataclass(slots=True)
class Entry:
    """One connection of the file, and what becomes of it."""

    item: Item
    state: State
    why: str = ""
    target: Target | None = None
    existing: Connection | None = None
    changes: Sequence[Change] = ()
    choice: Choice = Choice.KEEP
    link_name: str = ""  # under which it is added

    @property
    def possible(self) -> tuple[Choice, ...]:
        return POSSIBLE[self.state]

    @property
    def will(self) -> str:
        """What happens, in a word or two."""
        if self.choice == Choice.ADD:
            renamed = self.link_name != self.item.link_name
            return f"Added as {self.link_name}" if renamed else "Added"
        if self.choice == Choice.REPLACE:
            return "Replaced"
        return "Left out" if self.state in (State.NEW, State.BLOCKED) else "Kept as it is here"


def look(
    bundle: Bundle,
    decisions: Decisions,
    by: User,
    *,
    checked: Callable[[int], object] = lambda count: None,
) -> list[Entry]:
    """An entry for each connection of the file, in its order; nothing is changed.

    `checked` is told now and then how many have been looked at.
    """
    here = Here.of(bundle, by)
    taken, theirs = _taken(item.link_name for item in bundle.items), _theirs(bundle, by)
    entries = []
    for number, item in enumerate(bundle.items):
        if number % REPORT_EVERY == 0:
            checked(number)
        entry = _entry(item, theirs.get(item.link_name), item.link_name in taken, here)
        entry.choice = decisions.of(item, entry.state)
        entries.append(entry)
    _name(entries, taken)
    return entries


def fingerprint(entries: Iterable[Entry]) -> str:
    """A hash of what the entries found here: another one means that something has changed."""
    found = [
        [
            e.item.link_name,
            int(e.state),
            *((e.existing.pk, e.existing.version) if e.existing else ()),
        ]
        for e in entries
    ]
    return hashlib.sha256(json.dumps(found).encode()).hexdigest()


def _entry(item: Item, existing: Connection | None, is_taken: bool, here: Here) -> Entry:
    try:
        target = here.target(item)
        require_importable(item, target, here)
    except Problem as problem:
        return Entry(item, State.BLOCKED, str(problem))
    if not is_taken:
        return Entry(item, State.NEW, target=target)
    if existing is None:
        return Entry(item, State.TAKEN, target=target)
    if (existing.service_id, existing.auth_method_id) != (target.service.pk, target.method.pk):
        why = "The connection here is of another service or auth method."
        return Entry(item, State.TAKEN, why, target)
    try:
        _require_replaceable(existing, here)
    except Problem as problem:
        return Entry(item, State.TAKEN, str(problem), target)
    changes = list(_changes(item, existing))
    state = State.CHANGED if changes else State.SAME
    return Entry(item, state, target=target, existing=existing, changes=changes)


def _require_replaceable(existing: Connection, here: Here) -> None:
    stages = {slug_of(row.environment) for row in existing.settings.all()}
    for stage in stages | {slug_of(row.environment) for row in existing.credentials.all()}:
        require_stage(stage, here)


def _taken(link_names: Iterable[str]) -> set[str]:
    """Those of the link names that are in use, by whomever, or were."""
    wanted, found = list(link_names), set()
    for start in range(0, len(wanted), BATCH):
        some = Connection.objects.filter(link_name__in=wanted[start : start + BATCH])
        found |= set(some.values_list("link_name", flat=True))
    return found


def _theirs(bundle: Bundle, by: User) -> dict[str, Connection]:
    """By link name: the connections here that the person administers."""
    names = [item.link_name for item in bundle.items]
    found: dict[str, Connection] = {}
    for start in range(0, len(names), BATCH):
        some = Connection.objects.administered_by(by).filter(
            link_name__in=names[start : start + BATCH]
        )
        compared = some.prefetch_related(
            "oauth_app", "settings__environment", "credentials__environment"
        )
        found |= {connection.link_name: connection for connection in compared}
    return found


def _changes(item: Item, existing: Connection) -> Iterator[Change]:
    words = {
        "Name": (existing.name, item.name),
        "Description": (existing.description, item.description),
        "Tags": (", ".join(existing.tags), ", ".join(item.tags)),
        "Scopes": (" ".join(existing.scopes), " ".join(item.scopes)),
        "Access mode": (existing.access_mode, AccessMode(item.access_mode)),
        "Login user": (existing.login_user, item.login_user),
        "Client id": (_own_client_id(existing), item.client_id),
        **_places(item, existing),
    }
    for what, (before, after) in words.items():
        if before != after:
            yield Change(what, _shown(before), _shown(after))
    if item.client_secret:
        yield Change("Client secret", "", "comes from the file")
    for grant in item.credentials:
        where = grant.environment or "all environments"
        yield Change(f"Credentials of {where}", "", "come from the file")


def _own_client_id(connection: Connection) -> str:
    app = connection.oauth_app
    return app.client_id if app and not app.shared else ""


def _places(item: Item, existing: Connection) -> dict[str, tuple[Any, Any]]:
    """Each parameter and endpoint by its words, as it is and as it would be."""
    before = {
        slug_of(row.environment): _flat(row.parameters, row.base_url)
        for row in existing.settings.all()
    }
    after = {place.environment: _flat(place.parameters, place.base_url) for place in item.settings}
    found: dict[str, tuple[Any, Any]] = {}
    for stage in sorted(before.keys() | after.keys(), key=str):
        old, new = before.get(stage, {}), after.get(stage, {})
        for name in sorted(old.keys() | new.keys()):
            what = f"{name} in {stage}" if stage else name
            found[what] = (old.get(name, ""), new.get(name, ""))
    return found


def _flat(parameters: Mapping[str, str], base_url: str) -> dict[str, str]:
    return dict(parameters) | ({"Base URL": base_url} if base_url else {})


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, AccessMode):
        return value.label
    text = AccessMode(value).label if value in AccessMode.values else str(value)
    return text if len(text) <= SHOWN else f"{text[: SHOWN - 1]}…"


def _name(entries: Sequence[Entry], taken: set[str]) -> None:
    """Give each that is added its link name: its own, or the next free one with a number."""
    waiting = []
    used = set(taken) | {entry.item.link_name for entry in entries}
    for entry in entries:
        if entry.choice == Choice.ADD:
            entry.link_name = entry.item.link_name
            if entry.state != State.NEW:
                waiting.append(entry)
    number = 2
    while waiting:
        wanted = {id(entry): _numbered(entry.item.link_name, number) for entry in waiting}
        used |= _taken(set(wanted.values()) - used)
        left = []
        for entry in waiting:
            name = wanted[id(entry)]
            if name in used:
                left.append(entry)
            else:
                entry.link_name = name
                used.add(name)
        waiting, number = left, number + 1


def _numbered(link_name: str, number: int) -> str:
    end = f"_{number}"
    return link_name[: 50 - len(end)] + end
