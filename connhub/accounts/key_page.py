"""What there is to see of the vault's keys: what each still seals, and what can't be opened."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from django.core.exceptions import ValidationError
from django.db import models
from django.utils import timezone

from connhub.vault import counting, keyring, rotation
from connhub.vault.models import KeyCheck, KeyRotation
from connhub.vault.rotation import Kind

SHOWN = 50


class Standing(NamedTuple):
    """What a key is good for, as a pill."""

    label: str
    tone: str


PRIMARY, OPENS = Standing("Primary", "ok"), Standing("Opens only", "idle")
RETIRED, MISSING = Standing("Retired", "idle"), Standing("Missing", "bad")


@dataclass(frozen=True, slots=True)
class KeyRow:
    """One key: how it stands, what it seals by kind, and how many values it ever sealed."""

    id: str
    standing: Standing
    known_since: datetime | None
    sealed: int
    counts: Sequence[int]

    @property
    def total(self) -> int:
        return sum(self.counts)

    @property
    def is_worn(self) -> bool:
        """Whether it has sealed half of what a key may."""
        return self.sealed >= counting.TOO_MANY


@dataclass(frozen=True, slots=True)
class Table:
    """The keys over the kinds of what they seal."""

    kinds: Sequence[str]
    keys: Sequence[KeyRow]

    @property
    def by_kind(self) -> list[tuple[str, list[tuple[KeyRow, int]]]]:
        """Each kind with every key and how many of it that seals."""
        return [
            (kind, [(key, key.counts[n]) for key in self.keys]) for n, kind in enumerate(self.kinds)
        ]

    @property
    def left(self) -> int:
        """How many values another key than the primary seals."""
        return sum(key.total for key in self.keys if key.standing is not PRIMARY)

    @property
    def total(self) -> int:
        return sum(key.total for key in self.keys)


def table() -> Table:
    """Every key of the ring, the primary first, and any other that values name."""
    counted = rotation.count_by_key()
    checks = {check.pk: check for check in KeyCheck.objects.defer("canary")}
    ring = keyring.ring()
    named: Counter[str] = sum(counted.values(), Counter())
    ids = [key_id.hex() for key_id in ring.keys]
    ids += sorted(named.keys() - set(ids))
    rows = []
    for key_id in ids:
        check = checks.get(key_id)
        rows.append(
            KeyRow(
                key_id,
                _standing(ring, key_id),
                check.made_at if check else None,
                check.sealed if check else 0,
                [counts[key_id] for counts in counted.values()],
            )
        )
    return Table([kind.field.kind for kind in counted], rows)


def _standing(ring: keyring.KeyRing, key_id: str) -> Standing:
    key = next((key for key in ring.keys.values() if key.id.hex() == key_id), None)
    if key is None:
        return MISSING
    if key is ring.primary:
        return PRIMARY
    return OPENS if key.cipher else RETIRED


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A value that can't be opened: what it is, whose, and why."""

    kind: str
    thing: models.Model | None
    why: str

    @property
    def url(self) -> str:
        address = getattr(self.thing, "get_absolute_url", None)
        return address() if address else ""


def unreadable_of(run: KeyRotation | None) -> list[Unreadable]:
    """The first of those that a rotation could not open and that still can't be opened."""
    found = []
    for label, pk in run.examples[:SHOWN] if run else []:
        kind = rotation.kind_named(label)
        row = _row(kind, pk) if kind else None
        if kind and row and kind.of(row) and not kind.of(row).opens():
            found.append(describe(kind, row))
    return found


def _row(kind: Kind, pk: str) -> models.Model | None:
    related = [kind.field.of] if kind.field.of else []
    try:
        return kind.model._base_manager.select_related(*related).filter(pk=pk).first()
    except (ValueError, ValidationError):
        return None


def describe(kind: Kind, row: models.Model) -> Unreadable:
    key_id = kind.of(row).key_id
    known = {key.hex() for key in keyring.ring().live}
    why = "it was changed" if key_id in known else f"key {key_id} is missing"
    return Unreadable(kind.field.kind, thing_of(kind, row), why)


def thing_of(kind: Kind, row: models.Model) -> models.Model | None:
    """What people know it by: the connection of a credential, say."""
    thing: Any = row
    for step in kind.field.of.split("__") if kind.field.of else ():
        thing = getattr(thing, step, None)
    return thing


class Progress(NamedTuple):
    """How far a rotation is: values done and in all, how many in a second, and seconds left."""

    done: int
    total: int
    rate: float
    left_s: int | None


def progress_of(run: KeyRotation, left: int) -> Progress:
    took = (timezone.now() - run.started_at).total_seconds()
    rate = run.resealed / took if took > 0 else 0.0
    done = max(run.total - left, 0)
    return Progress(done, run.total, rate, round(left / rate) if rate else None)


def in_words(things: Iterable[Unreadable]) -> list[str]:
    """A line for each, for the terminal."""
    return [f"{thing.kind}: {thing.thing or 'one'} ({thing.why})" for thing in things]
