from django.db import models

from .fields import SealedField


class KeyCheck(models.Model):
    """A known value sealed with each key ever used, so that a wrong key file shows at start."""

    key_id = models.CharField(max_length=8, primary_key=True)
    canary = SealedField(version="canary_version")
    canary_version = models.PositiveIntegerField(default=0)
    made_at = models.DateTimeField(auto_now_add=True)
    # How many values it sealed, as far as processes have said (see `counting`).
    sealed = models.BigIntegerField(default=0)

    class Meta:
        default_permissions = ()

    def __str__(self):
        return self.key_id


class KeyRotation(models.Model):
    """One time that everything is sealed anew under the primary key; open until nothing is left.

    Whoever finds one open goes on with it, in however many processes.
    """

    started_at = models.DateTimeField(auto_now_add=True)
    heard_of_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)
    # Values under other keys at the start, sealed anew since, and that can't be opened.
    total = models.PositiveIntegerField()
    resealed = models.PositiveIntegerField(default=0)
    unreadable = models.PositiveIntegerField(default=0)
    # The first of those that can't be opened: which field of which row.
    examples = models.JSONField(default=list)

    class Meta:
        default_permissions = ()
        ordering = ["-pk"]
