"""Calls as they were made, and what is kept of them in sums.

They outlive what they name and are many: no constraint, no cascade.
"""

from functools import partial

from django.db import models
from django.db.models import Q

NAMED = partial(models.ForeignKey, on_delete=models.DO_NOTHING, db_constraint=False)
FAILED = 400  # from this status on


class Call(models.Model):
    """One call that a flow made through ConnHub; names and numbers, never content."""

    at = models.DateTimeField()
    connection = NAMED("connections.Connection", related_name="calls", db_index=False)
    # Nothing on calls from before these were noted.
    integration = NAMED("usage.Integration", related_name="calls", db_index=False, null=True)
    environment = NAMED("accounts.Environment", related_name="+", db_index=False, null=True)
    key = NAMED("usage.IntegrationKey", related_name="+", db_index=False)
    flow = models.CharField(max_length=60, blank=True)
    step = models.CharField(max_length=80, blank=True)
    # The address that the caller named; it was checked only where it decided on the credential.
    user = models.CharField("login user", max_length=254, blank=True)
    method = models.CharField(max_length=10)
    path = models.CharField(max_length=300)
    status = models.PositiveSmallIntegerField()
    problem = models.CharField(max_length=40, blank=True)
    took_ms = models.PositiveIntegerField()
    bytes_in = models.PositiveBigIntegerField(default=0)
    bytes_out = models.PositiveBigIntegerField(default=0)

    class Meta:
        default_permissions = ()
        indexes = [
            models.Index(fields=["connection", "at"]),
            models.Index(fields=["at"]),
            models.Index(fields=["integration", "at"], name="calls_of_integration"),
            models.Index(
                fields=["connection", "at"], condition=Q(status__gte=FAILED), name="calls_failed"
            ),
            models.Index(
                fields=["integration", "at"],
                condition=Q(status__gte=FAILED),
                name="calls_failed_there",
            ),
        ]

    @property
    def has_failed(self) -> bool:
        return self.status >= FAILED


class Sum(models.Model):
    """How many calls went well and failed, and when the last one was."""

    ok = models.PositiveIntegerField(default=0)
    failed = models.PositiveIntegerField(default=0)
    last_at = models.DateTimeField(null=True)

    class Meta:
        abstract = True


class CallTally(Sum):
    """What one write to the log adds to the sums below, until the worker has added it."""

    day = models.DateField()
    connection = NAMED("connections.Connection", related_name="call_tallies")
    integration = NAMED("usage.Integration", related_name="call_tallies")
    environment = NAMED("accounts.Environment", related_name="+", db_index=False)
    flow = models.CharField(max_length=60, blank=True)
    step = models.CharField(max_length=80, blank=True)
    last_failed_at = models.DateTimeField(null=True)
    # How many calls took how long: pairs of a bucket's number and a count.
    latency = models.JSONField(default=list)

    class Meta:
        default_permissions = ()


class CallDay(Sum):
    """A connection's calls of one day, by integration and environment."""

    day = models.DateField()
    connection = NAMED("connections.Connection", related_name="call_days", db_index=False)
    integration = NAMED("usage.Integration", related_name="call_days")
    # Nothing on days before environments were told apart.
    environment = NAMED("accounts.Environment", null=True, related_name="call_days", db_index=False)
    latency = models.JSONField(default=list)

    class Meta:
        default_permissions = ()
        constraints = [
            models.UniqueConstraint(
                fields=["connection", "day", "integration", "environment"], name="call_day_once"
            )
        ]


class CallStep(Sum):
    """What a flow's step, as the caller named it, did over a connection so far."""

    connection = NAMED("connections.Connection", related_name="call_steps", db_index=False)
    integration = NAMED("usage.Integration", related_name="call_steps")
    flow = models.CharField(max_length=60, blank=True)
    step = models.CharField(max_length=80, blank=True)
    last_failed_at = models.DateTimeField(null=True)

    class Meta:
        default_permissions = ()
        constraints = [
            models.UniqueConstraint(
                fields=["connection", "integration", "flow", "step"], name="call_step_once"
            )
        ]
