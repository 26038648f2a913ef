from django.db import models


class RateCount(models.Model):
    """How many calls there were in a window of a limit, and in the one before: for all processes."""

    who = models.CharField(max_length=100, primary_key=True)
    number = models.BigIntegerField("number of the window")
    now = models.BigIntegerField()
    before = models.BigIntegerField()
    over_at = models.BigIntegerField("seconds since 1970 when it no longer counts")

    class Meta:
        default_permissions = ()
