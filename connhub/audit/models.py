from django.db import models

from .sentences import sentence


class EventQuerySet(models.QuerySet):
    def about(self, thing):
        """Those of one object, newest first."""
        return self.filter(object_type=thing._meta.model_name, object_id=str(thing.pk))


class Event(models.Model):
    """Something that somebody did, for good: the database itself refuses to change or delete it."""

    sequence = models.BigIntegerField(primary_key=True)
    at = models.DateTimeField()
    actor_type = models.CharField(max_length=30)
    actor_id = models.CharField(max_length=40, blank=True)
    actor = models.CharField(max_length=200)
    ip = models.CharField(max_length=45, blank=True)
    action = models.CharField(max_length=60)
    object_type = models.CharField(max_length=30, blank=True)
    object_id = models.CharField(max_length=40, blank=True)
    object = models.CharField(max_length=200, blank=True)
    outcome = models.CharField(max_length=20, default="ok")
    fields = models.JSONField(default=list)
    detail = models.JSONField(default=dict)
    request_id = models.CharField(max_length=32, blank=True)
    key_id = models.CharField(max_length=8)
    mac = models.CharField(max_length=64)

    objects = EventQuerySet.as_manager()

    class Meta:
        ordering = ["-sequence"]
        default_permissions = ()
        indexes = [
            models.Index(fields=["object_type", "object_id", "-sequence"]),
            models.Index(fields=["actor_type", "actor_id", "-sequence"]),
            models.Index(fields=["action", "-sequence"]),
        ]

    def __str__(self):
        return f"{self.sequence} {self.action}"

    @property
    def sentence(self) -> str:
        return sentence(self.action, self.outcome, self.detail)


class Head(models.Model):
    """The end of the chain: the last event's number and MAC, and how many changes there were.

    `changes` moves with every recorded change, in the change's own transaction, so whoever keeps
    something in memory needs one look at it to know whether that still holds.
    """

    sequence = models.BigIntegerField(default=0)
    mac = models.CharField(max_length=64, blank=True)
    changes = models.BigIntegerField(default=0)

    class Meta:
        default_permissions = ()
