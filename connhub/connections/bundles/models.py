import uuid

from django.db import models
from django.urls import reverse

from connhub.accounts.models import User
from connhub.vault.fields import SealedField


class Import(models.Model):
    """A file that somebody is importing: its content sealed, for an hour at most."""

    class Phase(models.TextChoices):
        LOOKED_AT = "looked_at", "Waiting for your decision"
        WAITING = "waiting", "Waiting for its turn"
        CHECKING = "checking", "Checking"
        WRITING = "writing", "Writing"
        DONE = "done", "Imported"
        FAILED = "failed", "Nothing was imported"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    user = models.ForeignKey(User, models.CASCADE)
    content = SealedField(version="content_version", kind="Imports under way", of="user")
    content_version = models.PositiveIntegerField(default=0)
    expires_at = models.DateTimeField(db_index=True)
    # What the person decided: for all, for single ones by link name, tags, whether grants move.
    decisions = models.JSONField(default=dict, blank=True)
    # What was there when they confirmed, as a hash: if it differs later, nothing is done.
    seen = models.CharField(max_length=64, blank=True)
    phase = models.CharField(max_length=9, choices=Phase, default=Phase.LOOKED_AT)
    # Each start has a number; what an earlier one still does counts for nothing.
    run = models.PositiveIntegerField(default=0)
    heard_of_at = models.DateTimeField(auto_now_add=True)
    checked = models.PositiveIntegerField(default=0)
    total = models.PositiveIntegerField(default=0)
    outcome = models.CharField(max_length=300, blank=True)

    class Meta:
        default_permissions = ()
        ordering = ["-expires_at"]

    @property
    def url_key(self) -> str:
        return str(self.pk)

    def get_absolute_url(self):
        return reverse("connections:one_import", args=[self.pk])
