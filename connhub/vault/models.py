from django.db import models

from .fields import SealedField


class KeyCheck(models.Model):
    """A known value sealed with each key ever used, so that a wrong key file shows at start."""

    key_id = models.CharField(max_length=8, primary_key=True)
    canary = SealedField(version="canary_version")
    canary_version = models.PositiveIntegerField(default=0)
    made_at = models.DateTimeField(auto_now_add=True)
