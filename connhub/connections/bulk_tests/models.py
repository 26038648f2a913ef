import uuid

from django.db import models
from django.urls import reverse

from connhub.accounts.models import User


class BulkTest(models.Model):
    """Many connections that somebody is testing, in the background."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    user = models.ForeignKey(User, models.CASCADE)
    started_at = models.DateTimeField(auto_now_add=True, db_index=True)

    class Meta:
        default_permissions = ()
        ordering = ["-started_at"]

    @property
    def url_key(self) -> str:
        return str(self.pk)

    def get_absolute_url(self):
        return reverse("connections:one_bulk_test", args=[self.pk])


class BulkTestRow(models.Model):
    """One of the connections, and how its test went."""

    class State(models.TextChoices):
        WAITING = "waiting", "Waiting"
        RUNNING = "running", "Testing…"
        WORKS = "works", "Works"
        FAILED = "failed", "Failed"
        NOT_TESTED = "not_tested", "Not tested"

        @property
        def tone(self) -> str:
            return {"works": "ok", "failed": "bad", "not_tested": "warn"}.get(self.value, "idle")

    run = models.ForeignKey(BulkTest, models.CASCADE, related_name="rows")
    connection = models.ForeignKey("connections.Connection", models.CASCADE, related_name="+")
    state = models.CharField(max_length=10, choices=State, default=State.WAITING)
    began_at = models.DateTimeField(null=True, blank=True)
    took_ms = models.PositiveIntegerField(default=0)
    said = models.CharField(max_length=300, blank=True)

    class Meta:
        default_permissions = ()
        ordering = ["pk"]
        constraints = [
            models.UniqueConstraint(fields=["run", "connection"], name="once_in_a_bulk_test")
        ]

    @property
    def standing(self) -> State:
        """The state with its words and tone."""
        return self.State(self.state)
