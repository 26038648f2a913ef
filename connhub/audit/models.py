from django.db import models
from django.urls import reverse

from .sentences import OUTCOMES, around, kind_of


class EventQuerySet(models.QuerySet):
    def about(self, thing):
        """Those of one object, newest first."""
        return self.on_side("object", thing._meta.model_name, str(thing.pk))

    def on_side(self, side: str, model_name: str, pk: str):
        """Those whose `actor` or `object` it is."""
        return self.filter(**{f"{side}_type": model_name, f"{side}_id": pk})


class Event(models.Model):
    """Something that somebody did, for good: the database itself refuses to change or delete it."""

    sequence = models.BigIntegerField("number", primary_key=True)
    at = models.DateTimeField()
    actor_type = models.CharField(max_length=30)
    actor_id = models.CharField(max_length=40, blank=True)
    actor = models.CharField(max_length=200)
    ip = models.CharField(max_length=45, blank=True)
    # What stands before the dot of the action, for looking up a group of them.
    kind = models.CharField(max_length=30)
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

    url = ""  # of what it happened to, once `things.link` has looked

    class Meta:
        ordering = ["-at", "-sequence"]
        default_permissions = ()
        # Each filter of the log ends in the order of the log: any page is one range of an index.
        indexes = [
            models.Index(fields=["at", "sequence"], name="event_by_time"),
            models.Index(
                fields=["object_type", "object_id", "at", "sequence"], name="event_by_object"
            ),
            models.Index(
                fields=["actor_type", "actor_id", "at", "sequence"], name="event_by_actor"
            ),
            models.Index(fields=["kind", "at", "sequence"], name="event_by_kind"),
            models.Index(fields=["action", "at", "sequence"], name="event_by_action"),
            models.Index(fields=["outcome", "at", "sequence"], name="event_by_outcome"),
            models.Index(fields=["request_id"], name="event_by_request"),
        ]

    def __str__(self):
        return f"{self.sequence} {self.action}"

    def get_absolute_url(self):
        return reverse("audit:event", args=[self.sequence])

    @property
    def words(self) -> dict[str, str]:
        """The sentence in parts, so that a page can link what it happened to."""
        before, slot, after = around(self.action, self.outcome, self.detail)
        thing = (self.object or _unnamed(self.action)) if slot else ""
        return {"before": before, "thing": thing, "after": after}

    @property
    def sentence(self) -> str:
        """Who did what to what, as one line."""
        return f"{self.actor} {''.join(self.words.values())}"

    @property
    def outcome_label(self) -> str:
        return OUTCOMES.get(self.outcome, self.outcome)

    @property
    def tone(self) -> str:
        return {"failed": "bad", "denied": "warn"}.get(self.outcome, "ok")


def _unnamed(action: str) -> str:
    """What stands for an object that has no name: an address, say, or an unknown account."""
    unnamed = {"person": "an unknown account", "access": "a page"}
    return unnamed.get(kind_of(action), "something")


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


class Position(models.Model):
    """How far one sink of events came, and which process is at it until when."""

    name = models.CharField(max_length=500, unique=True)
    sequence = models.BigIntegerField(default=0)
    holder = models.UUIDField(null=True)
    held_until = models.DateTimeField()

    class Meta:
        default_permissions = ()
