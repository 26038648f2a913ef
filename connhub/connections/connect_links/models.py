import uuid

from django.db import models
from django.utils import timezone

from connhub.accounts.models import Environment, User


class ConnectLinkQuerySet(models.QuerySet["ConnectLink"]):
    def open(self):
        """Those that may still be used, as far as the row says."""
        return self.filter(used_at=None, withdrawn_at=None, expires_at__gt=timezone.now())

    def for_use(self):
        """With all that it takes to connect."""
        return self.select_related(
            *("made_by", "environment", "connection__service", "connection__oauth_app"),
            "connection__auth_method__service",
        )


class ConnectLink(models.Model):
    """An admin's request to whoever owns the outside account: connect this, once, within a day.

    The token that travels is kept as a hash. Each sign-in that is begun with it is bound to the
    session that began it.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    digest = models.CharField(max_length=64, unique=True)
    connection = models.ForeignKey(
        "connections.Connection", models.CASCADE, related_name="connect_links"
    )
    environment = models.ForeignKey(Environment, models.CASCADE, null=True, blank=True)
    made_by = models.ForeignKey(User, models.CASCADE, related_name="connect_links")
    email = models.EmailField(blank=True)
    note = models.CharField(max_length=300, blank=True)
    made_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField(db_index=True)
    opened_at = models.DateTimeField(null=True, blank=True)
    used_at = models.DateTimeField(null=True, blank=True)
    # Who they say that they are; nobody checked it.
    used_by = models.CharField(max_length=80, blank=True)
    withdrawn_at = models.DateTimeField(null=True, blank=True)

    objects = ConnectLinkQuerySet.as_manager()

    class Meta:
        default_permissions = ()
        ordering = ["made_at"]

    def __str__(self):
        return f"Connect link of {self.made_by}"

    @property
    def place(self) -> str:
        """The environment that it is for, as the record says it."""
        return self.environment.slug if self.environment else "all"
