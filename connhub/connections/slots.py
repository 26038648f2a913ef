"""The second slot of a credential, for the time in which its secret is rotated."""

import uuid
from datetime import datetime
from typing import Any

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone

from connhub.vault.fields import SealedField

from .auth.base import Granted


class Phase(models.TextChoices):
    """What the second slot holds."""

    NEXT = "next", "Next value given"
    OLD = "old", "Old value kept"


class RotationQuerySet(models.QuerySet["Rotation"]):
    def going_on(self):
        """Those that hold something still: a next value, or an old one in its grace time."""
        return self.filter(Q(phase=Phase.NEXT) | Q(grace_ends_at__gt=timezone.now()))

    def in_grace(self):
        return self.filter(phase=Phase.OLD, grace_ends_at__gt=timezone.now())

    def over(self):
        """Those whose old value's grace time has ended."""
        return self.filter(phase=Phase.OLD, grace_ends_at__lte=timezone.now())


def ended(credential: Any) -> dict[str, str]:
    """Says, for the record, that another value came while the secret was being rotated."""
    return {"rotation": "ended"} if credential.rotation_ended else {}


class Rotation(models.Model):
    """A credential's second slot: its next value or, for a grace time, its old one."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    credential = models.OneToOneField(
        "connections.Credential", models.CASCADE, related_name="rotation"
    )
    phase = models.CharField(max_length=4, choices=Phase)
    slot = SealedField(
        version="slot_version", kind="Next and old secrets", of="credential__connection"
    )
    slot_version = models.PositiveIntegerField(default=0)
    # Of the value in the slot: since when it is stored and by whom, and when it is said to end.
    stored_at = models.DateTimeField()
    stored_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+"
    )
    ends_at = models.DateTimeField(null=True, blank=True)
    tested_at = models.DateTimeField(null=True, blank=True)
    test_report = models.JSONField(default=dict, blank=True)
    grace_ends_at = models.DateTimeField(null=True, blank=True, db_index=True)

    objects = RotationQuerySet.as_manager()

    class Meta:
        default_permissions = ()
        constraints = [
            models.CheckConstraint(
                name="old_values_have_a_grace_time",
                condition=Q(phase=Phase.NEXT, grace_ends_at=None)
                | Q(phase=Phase.OLD, grace_ends_at__isnull=False),
            )
        ]

    @property
    def is_in_grace(self) -> bool:
        """Whether it holds an old value, and still for a while."""
        return self.grace_ends_at is not None and self.grace_ends_at > timezone.now()

    @property
    def is_going_on(self) -> bool:
        """Whether it holds something still: `going_on`, of a row."""
        return self.phase == Phase.NEXT or self.is_in_grace

    def __str__(self):
        return f"{self.credential}: {self.get_phase_display().lower()}"

    def fill(
        self,
        granted: Granted,
        phase: Phase,
        *,
        stored_at: datetime,
        stored_by_id: int | None,
        grace_ends_at: datetime | None = None,
    ) -> None:
        """Seal a value in place of all that the slot held; the caller saves the row."""
        self.phase, self.grace_ends_at = phase, grace_ends_at
        self.stored_at, self.stored_by_id = stored_at, stored_by_id
        self.tested_at, self.test_report = None, {}
        self.ends_at = granted.ends_at
        expires_at = granted.expires_at.isoformat() if granted.expires_at else None
        self.slot.put(
            {
                "secrets": granted.secrets,
                "expires_at": expires_at,
                "renewable": granted.renewable,
                "scopes": granted.scopes,
                "account": granted.account,
            }
        )

    def open(self) -> Granted:
        """The value in clear. Raises: CantOpen."""
        kept: dict[str, Any] = self.slot.open().reveal()
        expires_at = datetime.fromisoformat(kept["expires_at"]) if kept["expires_at"] else None
        return Granted(
            kept["secrets"],
            expires_at,
            kept["renewable"],
            kept["scopes"],
            kept["account"],
            self.ends_at,
        )
