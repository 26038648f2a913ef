import uuid

from django.db import models

from connhub.accounts.models import User
from connhub.services.models import AuthMethod
from connhub.vault.fields import SealedField


class Telling(models.Model):
    """A token that its provider has yet to hear is revoked; gone as soon as it has.

    All that takes is sealed, as it was when the token was destroyed here; where something lacked
    already, `why_not` says what.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    connection = models.ForeignKey("connections.Connection", models.CASCADE, related_name="+")
    auth_method = models.ForeignKey(AuthMethod, models.CASCADE, related_name="+")
    values = SealedField(version="values_version", kind="Tokens to be revoked", of="connection")
    values_version = models.PositiveIntegerField(default=0)
    why_not = models.CharField(max_length=60, blank=True)
    # Whose sign-in it was, where the connection uses those of login users.
    whose = models.CharField(max_length=254, blank=True)
    by = models.ForeignKey(User, models.SET_NULL, null=True, related_name="+")
    ip = models.CharField(max_length=45, blank=True)
    request_id = models.CharField(max_length=32, blank=True)
    tries = models.PositiveSmallIntegerField(default=0)
    next_at = models.DateTimeField(db_index=True)

    class Meta:
        default_permissions = ()
        ordering = ["next_at"]
