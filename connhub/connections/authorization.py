import uuid

from django.db import models

from connhub.accounts.models import Environment, User
from connhub.vault.fields import SealedField

from .connect_links.models import ConnectLink


class Authorization(models.Model):
    """A person's way to a provider and back: one attempt, used up by whatever answer comes.

    The state that travels is kept as a hash, the PKCE verifier sealed. What came back for another
    account than before waits sealed as `grant`, until the person says yes.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    state_digest = models.CharField(max_length=64, unique=True)
    session_digest = models.CharField(max_length=64)
    user = models.ForeignKey(User, models.CASCADE)
    # What the person came by who is nobody here; then `user` is its maker.
    link = models.ForeignKey(ConnectLink, models.CASCADE, null=True, blank=True)
    connection = models.ForeignKey("connections.Connection", models.CASCADE)
    environment = models.ForeignKey(Environment, models.CASCADE, null=True, blank=True)
    # Whether it is for the person's own credential, of a connection that uses login users'.
    login_user = models.BooleanField(default=False)
    # Where tokens went when it began, as a hash.
    destination = models.CharField(max_length=64, blank=True)
    redirect_uri = models.CharField(max_length=300)
    verifier = SealedField(
        version="verifier_version", kind="Authorizations under way", of="connection"
    )
    verifier_version = models.PositiveIntegerField(default=0)
    # What takes effect only when the authorization succeeds (an edit of scopes, say).
    pending = models.JSONField(default=dict, blank=True)
    # The page that the person goes to in the end, if not the connection's.
    then = models.CharField(max_length=200, blank=True)
    grant = SealedField(version="grant_version", kind="Grants that wait for a yes", of="connection")
    grant_version = models.PositiveIntegerField(default=0)
    account = models.CharField("outside account", max_length=200, blank=True)
    expires_at = models.DateTimeField(db_index=True)

    class Meta:
        default_permissions = ()

    @property
    def actor(self) -> User | ConnectLink:
        return self.link or self.user
