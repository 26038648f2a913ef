"""Importing: all that was decided, in one transaction, or nothing."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import prefetch_related_objects

from connhub.accounts import people
from connhub.accounts.models import Environment, User
from connhub.accounts.permissions import require
from connhub.audit.log import record_each
from connhub.connections import policies
from connhub.connections.models import Connection, Settings
from connhub.errors import Refusal
from connhub.services import custom, portable
from connhub.services.models import OAuthApp, Service
from connhub.sharing import roles

from . import credentials
from .document import Bundle, Item
from .preview import Choice, Decisions, Entry, fingerprint, look
from .side import Side

BATCH = 1000
Fields = Sequence[tuple[Connection, Iterable[str], Mapping[str, Any]]]


class ChangedMeanwhile(Refusal):
    code = "changed-meanwhile"
    text = (
        "Something changed here since the preview: a connection, or a link name that is taken now. "
        "Look at the preview again."
    )


class NothingToImport(Refusal):
    code = "nothing-to-import"
    text = "Nothing of this file is to be added or replaced."


@dataclass(frozen=True, slots=True)
class Outcome:
    """How many connections came in, and how."""

    added: int
    replaced: int
    kept: int

    def __str__(self):
        parts = [f"{self.added:,} added", f"{self.replaced:,} replaced", f"{self.kept:,} left out"]
        return ", ".join(parts)


def apply(
    bundle: Bundle,
    decisions: Decisions,
    *,
    by: User,
    seen: str = "",
    checked: Callable[[int], object] = lambda count: None,
    about_to_write: Callable[[], object] = lambda: None,
    begin: Callable[[], object] = lambda: None,
    end: Callable[[Outcome], object] = lambda outcome: None,
) -> Outcome:
    """Add and replace connections as decided; `seen` is the preview's fingerprint, if one was shown.

    `checked` and `about_to_write` tell of the progress; `begin` and `end` are called within the
    transaction and may raise, so that nothing is done.

    Raises:
        NothingToImport: everything is left out.
        ChangedMeanwhile: what is here is not what was seen, or changes at the same moment.
        PermissionDenied: `by` may no longer do this.
    """
    entries = look(bundle, decisions, by, checked=checked)
    if seen and fingerprint(entries) != seen:
        raise ChangedMeanwhile
    if all(entry.choice == Choice.KEEP for entry in entries):
        raise NothingToImport
    about_to_write()
    try:
        with transaction.atomic():
            by = people.locked(by)
            begin()
            outcome = _write(bundle, entries, decisions, by)
            end(outcome)
    except IntegrityError:
        raise ChangedMeanwhile from None
    return outcome


def _write(bundle: Bundle, entries: Sequence[Entry], decisions: Decisions, by: User) -> Outcome:
    new = [entry for entry in entries if entry.choice == Choice.ADD]
    replaced = [entry for entry in entries if entry.choice == Choice.REPLACE]
    _check_again([*new, *replaced], by)
    side = _side(bundle, [*new, *replaced], decisions, by)
    told = [*_replace(replaced, side), *_add(new, side)]
    record_each("connection.imported", told, by=by)
    return Outcome(len(new), len(replaced), len(entries) - len(new) - len(replaced))


def _check_again(entries: Sequence[Entry], by: User) -> None:
    """What may have changed since the preview was made: the person's own standing."""
    require(by, "connection.create")
    stages = {stage for entry in entries for stage in entry.item.environments or {None}}
    for stage in stages:
        place = Environment.objects.get(slug=stage) if stage else None
        require(by, "environment.connect_in", place)


def _side(bundle: Bundle, entries: Sequence[Entry], decisions: Decisions, by: User) -> Side:
    stages: dict[str | None, Environment | None] = {None: None}
    stages |= {stage.slug: stage for stage in Environment.objects.all()}
    known = {slug: stage for slug, stage in stages.items() if slug and stage}
    services: dict[str, Service] = {}
    for entry in entries:
        assert entry.target is not None
        services.setdefault(entry.item.service, entry.target.service)
    for slug, service in services.items():
        if service.pk is None:
            definition = portable.definition(bundle.services[slug], known)
            services[slug] = custom.create(definition, slug=slug, by=by)
    return Side(by, decisions, stages, services)


# --- New ones -------------------------------------------------------------------------------------


def _add(entries: Sequence[Entry], side: Side) -> Fields:
    methods = _methods(entries, side)
    connections = [
        Connection(
            link_name=entry.link_name,
            service=side.services[entry.item.service],
            auth_method=methods[entry.item.service, entry.item.kind, entry.item.label],
            created_by=side.by,
            **_words(entry.item, side),
        )
        for entry in entries
    ]
    items = [entry.item for entry in entries]
    apps = []
    for connection, item in zip(connections, items, strict=True):
        connection.oauth_app = credentials.app_for(connection, item, side)
        if connection.oauth_app and not connection.oauth_app.shared:
            apps.append(connection.oauth_app)
    rows = [
        credentials.new(connection, item, side)
        for connection, item in zip(connections, items, strict=True)
    ]
    for connection, own in zip(connections, rows, strict=True):
        connection.status = credentials.summed_up(own)
    OAuthApp.objects.bulk_create(apps, BATCH)
    Connection.objects.bulk_create(connections, BATCH)
    _write_settings(connections, items, side)
    credentials.insert([row for own in rows for row in own])
    roles.grant_new(connections, side.by, by=side.by)
    return [
        (connection, ["settings", *credentials.names(item)], {"replaced": False})
        for connection, item in zip(connections, items, strict=True)
    ]


def _methods(entries: Sequence[Entry], side: Side) -> dict[tuple[str, str, str], Any]:
    """The auth method of each; of a service made just now it is read again."""
    found = {}
    for entry in entries:
        item, target = entry.item, entry.target
        key = (item.service, item.kind, item.label)
        if key not in found and target is not None:
            own = side.services[item.service].auth_methods
            found[key] = (
                target.method
                if target.method.pk
                else own.get(kind=item.kind, label=target.method.label)
            )
    return found


def _words(item: Item, side: Side) -> dict[str, Any]:
    return {
        "name": item.name,
        "description": item.description,
        "tags": list(dict.fromkeys([*item.tags, *side.decisions.tags])),
        "scopes": list(item.scopes),
        "access_mode": item.access_mode,
        "login_user": item.login_user,
    }


def _write_settings(connections: Sequence[Connection], items: Sequence[Item], side: Side) -> None:
    Settings.objects.bulk_create(
        [
            Settings(
                connection=connection,
                environment=side.stages[place.environment],
                parameters=dict(place.parameters),
                base_url=place.base_url,
            )
            for connection, item in zip(connections, items, strict=True)
            for place in item.settings
        ],
        BATCH,
    )


# --- Those that are here already ------------------------------------------------------------------


def _replace(entries: Sequence[Entry], side: Side) -> Fields:
    """Make them what the file says."""
    locked = _lock(entries, side.by)
    told = []
    for entry in entries:
        assert entry.existing is not None
        connection = locked[entry.existing.pk]
        credentials.replace(credentials.Replaced.of(connection, entry.item), side)
        words = _words(entry.item, side)
        for name, value in words.items():
            setattr(connection, name, value)
        connection.version += 1
        connection.save(update_fields=[*words, "oauth_app", "status", "version", "modified_at"])
        fields = [change.what.lower() for change in entry.changes]
        told.append((connection, [*fields, *credentials.names(entry.item)], {"replaced": True}))
    Settings.objects.filter(connection__in=locked).delete()
    _write_settings(list(locked.values()), [e.item for e in entries], side)
    return told


def _lock(entries: Sequence[Entry], by: User) -> dict[int, Connection]:
    """The connections to replace in the entries' order, locked, as they were when looked at."""
    versions = {e.existing.pk: e.existing.version for e in entries if e.existing}
    if not versions:
        return {}
    rows = Connection.objects.live().filter(pk__in=versions).order_by("pk")
    found = {c.pk: c for c in rows.select_for_update(of=("self",), no_key=True)}
    if {pk: connection.version for pk, connection in found.items()} != versions:
        raise ChangedMeanwhile
    policies.require_admin_of_all(by, list(found.values()))
    prefetch_related_objects(
        list(found.values()), "service", "auth_method", "oauth_app", "settings__environment"
    )
    credentials.lock(found.values())
    return {pk: found[pk] for pk in versions}
