"""Seals everything anew under the primary key, while others go on reading and writing.

What is left to do is a query by key id, so it can stop anywhere, and any number of processes may be
at it. A value keeps its version: whoever writes a new one meanwhile wins.
"""

from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

from django.apps import apps
from django.db import models, transaction
from django.db.models import Count, F
from django.db.models.functions import Substr
from django.utils import timezone

from . import keyring
from .fields import Sealed, SealedField
from .keyring import HEADER_BYTES, PREFIX, CantOpen
from .models import KeyCheck, KeyRotation

BATCH = 100


class Kind(NamedTuple):
    """One sealed field of one model; every key has its own check value, which is left out."""

    model: type[models.Model]
    field: SealedField

    @property
    def label(self) -> str:
        return f"{self.model._meta.label}.{self.field.name}"

    def sealed(self) -> models.QuerySet:
        """The rows that hold a value, each with the id of the key in `sealed_with`."""
        key_id = Substr(
            self.field.name,
            len(PREFIX) + 1,
            HEADER_BYTES - len(PREFIX),
            output_field=models.BinaryField(),
        )
        holding = self.model._base_manager.filter(**{f"{self.field.name}__isnull": False})
        return holding.annotate(sealed_with=key_id)

    def left(self) -> models.QuerySet:
        """Those that another key than the primary sealed."""
        return self.sealed().exclude(sealed_with=keyring.ring().primary.id)

    def of(self, row: models.Model) -> Sealed:
        return getattr(row, self.field.name)


Unreadable = tuple[Kind, models.Model]


class Batch(NamedTuple):
    """What came of some rows: how many were sealed anew, and those that can't be opened."""

    resealed: int
    unreadable: list[Unreadable]


def kinds() -> list[Kind]:
    """Everything that is sealed, in the order of the rooms."""
    return [
        Kind(model, field)
        for model in apps.get_models()
        for field in model._meta.local_fields
        if isinstance(field, SealedField) and model is not KeyCheck
    ]


def kind_named(label: str) -> Kind | None:
    return next((kind for kind in kinds() if kind.label == label), None)


def count_by_key() -> dict[Kind, Counter[str]]:
    """How many values of each kind each key seals; only of kinds that there are any of."""
    counted = {
        kind: Counter(
            {
                bytes(key_id).hex(): count
                for key_id, count in kind.sealed()
                .order_by()
                .values_list("sealed_with")
                .annotate(count=Count("pk"))
            }
        )
        for kind in kinds()
    }
    return {kind: counts for kind, counts in counted.items() if counts}


def count_left() -> int:
    return sum(kind.left().count() for kind in kinds())


def named_by(key_id: str) -> dict[Kind, int]:
    """How many values of each kind are still sealed with the key."""
    counts = {
        kind: kind.sealed().filter(sealed_with=bytes.fromhex(key_id)).count() for kind in kinds()
    }
    return {kind: count for kind, count in counts.items() if count}


def one_pass(run: KeyRotation) -> Iterator[Batch]:
    """Go once over all that is left, a hundred rows in a transaction, and note in `run` how far.

    Rows that somebody holds locked are left for the next pass; nobody ever waits for more than one
    transaction.
    """
    for kind in kinds():
        after, batch = None, Batch(0, [])
        while True:
            after, batch = _reseal(kind, after, run)
            if after is None:
                break
            yield batch


@transaction.atomic
def _reseal(kind: Kind, after: object, run: KeyRotation) -> tuple[object, Batch]:
    """Seal the rows after this one anew; the last of them, or None if there was none."""
    left = kind.left() if after is None else kind.left().filter(pk__gt=after)
    # Never waiting while it holds locks itself, it can't be part of a deadlock.
    rows = list(
        left.only("pk", kind.field.name, kind.field.version)
        .order_by("pk")
        .select_for_update(skip_locked=True, no_key=True)[:BATCH]
    )
    resealed, unreadable = 0, []
    for row in rows:
        try:
            resealed += _replace(kind, row, kind.of(row).sealed_anew())
        except CantOpen:
            unreadable.append((kind, row))
    if rows:
        KeyRotation.objects.filter(pk=run.pk).update(
            resealed=F("resealed") + resealed, heard_of_at=timezone.now()
        )
    return rows[-1].pk if rows else None, Batch(resealed, unreadable)


def _replace(kind: Kind, row: models.Model, ciphertext: bytes) -> int:
    """Store it if the row still holds what was read; how many rows that were."""
    name, version = kind.field.name, kind.field.version
    same = kind.model._base_manager.filter(
        pk=row.pk, **{name: kind.of(row).ciphertext, version: getattr(row, version)}
    )
    return same.update(**{name: ciphertext})
