import re
import uuid
from collections.abc import Iterable

from django.db import models
from django.db.models import Max, Q
from django.db.models.functions import Lower
from django.urls import reverse

from connhub.accounts.models import Environment, User
from connhub.services.models import AuthMethod, OAuthApp, Operation, Service
from connhub.sharing import roles
from connhub.sharing.models import TeamGrant, UserGrant
from connhub.vault.fields import SealedField

from .bulk_tests.models import BulkTest as BulkTest
from .bulk_tests.models import BulkTestRow as BulkTestRow
from .bundles.models import Import as Import
from .preferences import ListingColumns as ListingColumns
from .preferences import SavedView as SavedView

LINK_NAME = r"^[a-z][a-z0-9_]{0,49}$"
# They stand where a link name stands in URLs.
RESERVED = frozenset({"new", "export", "import", "deleted", "tests"})


def is_link_name(text: str) -> bool:
    """Whether a connection may be called that in code."""
    return bool(re.fullmatch(LINK_NAME, text)) and text not in RESERVED


class Status(models.IntegerChoices):
    """How a credential stands; the greater, the worse."""

    CONNECTED = 1, "Connected"
    NOT_CONNECTED = 2, "Not connected"
    REVOKED = 3, "Revoked"
    FAILING = 4, "Failing"
    RECONNECT_NEEDED = 5, "Reconnect needed"

    @property
    def tone(self) -> str:
        return {1: "ok", 4: "bad", 5: "warn"}.get(self.value, "idle")

    @property
    def is_live(self) -> bool:
        """Whether there is something to make calls and tests with."""
        return self.value in (1, 4)


class AccessMode(models.TextChoices):
    """Whether a flow may fetch the secret, or only have calls made with it."""

    PROXY = "proxy", "Proxy only"
    CREDENTIALS = "credentials", "Proxy and credentials"


SHOWN = (
    *("name", "link_name", "status", "login_user", "tags"),
    *("created_at", "modified_at", "disabled_at"),
)
SHOWN_OF_SERVICE = (
    *(f"service__{name}" for name in ("slug", "name", "origin", "monogram", "colour")),
    *("service__driver", "service__test", "auth_method__kind"),
)


class ConnectionQuerySet(models.QuerySet["Connection"]):
    def live(self):
        return self.filter(deleted_at=None)

    def locked(self, pk: int) -> "Connection":
        """That one, locked until the transaction ends. Credentials are locked after it, not before."""
        return self.select_for_update(of=("self",)).get(pk=pk)

    def visible_to(self, user):
        """Those the person may see: the ones they administer; all of them for a super admin."""
        if user.is_super_admin:
            return self.live()
        return self.live().filter(roles.administered_by(user, Connection))

    def administered_by(self, user):
        """Those the person may change, test, share and export."""
        return self.live().filter(roles.administered_by(user, Connection))

    def for_export(self):
        """With all that a file of connections holds, in a few queries however many.

        Each service, auth method and environment is read once: they are few.
        """
        once = ("service", "auth_method", "oauth_app")
        return self.order_by("link_name").prefetch_related(
            *once, "settings__environment", "credentials__environment"
        )

    def for_summary(self):
        """With all that its own page shows."""
        whole = self.select_related("service", "auth_method__service", "created_by", "oauth_app")
        whole = whole.select_related("availability__project", "availability__integration")
        operations = Operation.objects.filter(service=models.OuterRef("service"))
        return whole.prefetch_related(own_credentials()).annotate(
            has_operations=models.Exists(operations)
        )

    def for_listing(self):
        """With what a row of the listing shows and no more, in two queries however long the list."""
        own = Credential.objects.own()
        statuses = own.only("connection_id", "environment_id", "user_id", "status")
        return (
            self.select_related("service", "auth_method")
            .only(*SHOWN, *SHOWN_OF_SERVICE)
            .prefetch_related(models.Prefetch("credentials", statuses.order_by()))
        )

    def for_readiness(self):
        """With what the readiness board shows and no more, in two queries however long the list."""
        serving = Credential.objects.filter(user=None).only(
            *("connection_id", "environment_id", "user_id", "status"),
            *("last_error", "tested_at", "expires_at", "renewable"),
        )
        return (
            self.select_related("service")
            .only(
                "name",
                "link_name",
                "login_user",
                *(name for name in SHOWN_OF_SERVICE if "auth" not in name),
            )
            .prefetch_related(models.Prefetch("credentials", serving.order_by()))
        )


def own_credentials() -> models.Prefetch:
    """Connections' credentials but for those of login users, of which there may be thousands."""
    return models.Prefetch("credentials", Credential.objects.own())


def learn_places(connections: Iterable["Connection"]) -> None:
    """Read, in one query, where those that use login users' credentials have settings."""
    places = Settings.objects.only("connection_id", "environment_id").order_by()
    asked = [connection for connection in connections if connection.login_user]
    models.prefetch_related_objects(asked, models.Prefetch("settings", places))


class Connection(models.Model):
    """A named way into one service. Flows call it by its link name, which never changes."""

    name = models.CharField(max_length=80)
    link_name = models.CharField(max_length=50, unique=True, editable=False)
    service = models.ForeignKey(Service, models.PROTECT, related_name="connections")
    auth_method = models.ForeignKey(AuthMethod, models.PROTECT, related_name="connections")
    oauth_app = models.ForeignKey(OAuthApp, models.PROTECT, null=True, blank=True)
    description = models.CharField(max_length=300, blank=True)
    tags = models.JSONField(default=list, blank=True)
    scopes = models.JSONField(default=list, blank=True)
    login_user = models.BooleanField("use credentials of login user", default=False)
    access_mode = models.CharField(max_length=12, choices=AccessMode, default=AccessMode.PROXY)
    status = models.PositiveSmallIntegerField(choices=Status, default=Status.NOT_CONNECTED)
    version = models.PositiveIntegerField(default=1)
    created_by = models.ForeignKey(
        User, models.SET_NULL, null=True, related_name="created_connections"
    )
    created_at = models.DateTimeField(auto_now_add=True)
    modified_at = models.DateTimeField(auto_now=True)
    disabled_at = models.DateTimeField(null=True, blank=True)
    deleted_at = models.DateTimeField(null=True, blank=True)

    objects = ConnectionQuerySet.as_manager()

    class Meta:
        ordering = ["name", "pk"]
        default_permissions = ()
        permissions = [("administer_connection", "Administers the connection")]
        constraints = [
            models.CheckConstraint(
                name="connection_link_name", condition=Q(link_name__regex=LINK_NAME)
            )
        ]
        indexes = [
            models.Index(
                Lower("name"), "link_name", condition=Q(deleted_at=None), name="live_by_name"
            ),
            models.Index(
                "status", "link_name", condition=Q(deleted_at=None), name="live_by_status"
            ),
            models.Index(
                "modified_at", "link_name", condition=Q(deleted_at=None), name="live_by_change"
            ),
            models.Index(
                "created_at", "link_name", condition=Q(deleted_at=None), name="live_by_age"
            ),
        ]

    def __str__(self):
        return self.name

    @property
    def url_key(self) -> str:
        return self.link_name

    def get_absolute_url(self):
        return reverse("connections:summary", args=[self.link_name])

    @property
    def standing(self) -> Status:
        """The status with its words and tone."""
        return Status(self.status)

    def sum_up(self) -> None:
        """Set the status to the worst of the credentials', and save it.

        A connection that uses the credentials of login users stands by itself, whatever theirs do.
        """
        if self.login_user:
            return
        worst = self.credentials.own().aggregate(worst=Max("status"))["worst"]
        self.status = worst or Status.NOT_CONNECTED
        self.save(update_fields=["status"])

    def serves(self, environment: Environment | None) -> bool:
        """Whether there are settings for the environment: its own, or those for all."""
        places = {row.environment_id for row in self.settings.all()}
        return None in places or (environment is not None and environment.pk in places)

    def credential_for(
        self, environment: Environment | None, user: User | None = None
    ) -> "Credential | None":
        """The credential that serves the environment: its own, or the one for all.

        `user` is the login user, where the connection uses theirs. Their credential is the one
        given for the settings in force: what it is sent to is what they were told.
        """
        if self.login_user:
            places = {row.environment_id for row in self.settings.all()}
            own_settings = environment is not None and environment.pk in places
            place = environment if own_settings else None
            # Asked anew: what was fetched with the connection is its own alone.
            theirs = Credential.objects.filter(connection=self, environment=place, user=user)
            return theirs.first() if user else None
        by_environment = {c.environment_id: c for c in self.credentials.all() if not c.user_id}
        own = by_environment.get(environment.pk) if environment else None
        return own or by_environment.get(None)

    def standing_in(self, environment: Environment) -> Status:
        """How it stands in one environment."""
        if self.login_user:
            return self.standing if self.serves(environment) else Status.NOT_CONNECTED
        credential = self.credential_for(environment)
        return Status(credential.status) if credential else Status.NOT_CONNECTED


class ConnectionUserGrant(UserGrant):
    content_object = models.ForeignKey(Connection, models.CASCADE, related_name="user_grants")


class ConnectionTeamGrant(TeamGrant):
    content_object = models.ForeignKey(Connection, models.CASCADE, related_name="team_grants")


def _one_row_per_case(prefix: str) -> list[models.BaseConstraint]:
    return [
        models.UniqueConstraint(
            fields=["connection"], condition=Q(environment=None), name=f"{prefix}_for_all"
        ),
        models.UniqueConstraint(
            fields=["connection", "environment"],
            condition=Q(environment__isnull=False),
            name=f"{prefix}_per_environment",
        ),
    ]


class Settings(models.Model):
    """A connection's parameters and endpoint, for all environments or for one."""

    connection = models.ForeignKey(Connection, models.CASCADE, related_name="settings")
    environment = models.ForeignKey(Environment, models.PROTECT, null=True, blank=True)
    parameters = models.JSONField(default=dict, blank=True)
    base_url = models.CharField(max_length=300, blank=True)

    class Meta:
        default_permissions = ()
        constraints = _one_row_per_case("settings")


class CredentialQuerySet(models.QuerySet):
    def live(self):
        """Those that hold a secret."""
        return self.filter(payload__isnull=False)

    def own(self):
        """The connections' own: those of no login user."""
        return self.filter(user=None)

    def of_users(self):
        return self.exclude(user=None)


class Credential(models.Model):
    """One sealed set of secrets of a connection: for all environments, one, or one login user."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    connection = models.ForeignKey(Connection, models.CASCADE, related_name="credentials")
    environment = models.ForeignKey(Environment, models.PROTECT, null=True, blank=True)
    user = models.ForeignKey(User, models.CASCADE, null=True, blank=True)
    payload = SealedField(version="payload_version")
    payload_version = models.PositiveIntegerField(default=0)
    status = models.PositiveSmallIntegerField(choices=Status, default=Status.NOT_CONNECTED)
    account = models.CharField("outside account", max_length=200, blank=True)
    scopes_granted = models.JSONField(default=list, blank=True)
    connected_at = models.DateTimeField(null=True, blank=True)
    expires_at = models.DateTimeField(null=True, blank=True)
    renewable = models.BooleanField(default=False)
    renewed_at = models.DateTimeField(null=True, blank=True)
    # A running refresh: who may write (fence), until when, and whether an earlier one never ended.
    lease_until = models.DateTimeField(null=True, blank=True)
    fence = models.PositiveIntegerField(default=0)
    intent_version = models.PositiveIntegerField(null=True, blank=True)
    retried = models.BooleanField(default=False)
    refresh_failures = models.PositiveSmallIntegerField(default=0)
    next_refresh_at = models.DateTimeField(null=True, blank=True)
    tested_at = models.DateTimeField(null=True, blank=True)
    test_report = models.JSONField(default=dict, blank=True)
    last_error = models.CharField(max_length=300, blank=True)
    # Of the server, as the last test saw it.
    certificate_ends_at = models.DateTimeField(null=True, blank=True)

    objects = CredentialQuerySet.as_manager()

    class Meta:
        default_permissions = ()
        ordering = ["environment__position"]
        constraints = [
            models.UniqueConstraint(
                fields=["connection"],
                condition=Q(environment=None, user=None),
                name="credential_for_all",
            ),
            models.UniqueConstraint(
                fields=["connection", "environment"],
                condition=Q(environment__isnull=False, user=None),
                name="credential_per_environment",
            ),
            models.UniqueConstraint(
                fields=["connection", "user"],
                condition=Q(environment=None, user__isnull=False),
                name="credential_per_user",
            ),
            models.UniqueConstraint(
                fields=["connection", "environment", "user"],
                condition=Q(environment__isnull=False, user__isnull=False),
                name="credential_per_environment_and_user",
            ),
        ]

    def __str__(self):
        return f"{self.connection} ({self.environment or 'all environments'})"

    @property
    def standing(self) -> Status:
        """The status with its words and tone."""
        return Status(self.status)


class Authorization(models.Model):
    """A person's way to a provider and back: one attempt, used up by whatever answer comes.

    The state that travels is kept as a hash, the PKCE verifier sealed. What came back for another
    account than before waits sealed as `grant`, until the person says yes.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    state_digest = models.CharField(max_length=64, unique=True)
    session_digest = models.CharField(max_length=64)
    user = models.ForeignKey(User, models.CASCADE)
    connection = models.ForeignKey(Connection, models.CASCADE)
    environment = models.ForeignKey(Environment, models.CASCADE, null=True, blank=True)
    # Whether it is for the person's own credential, of a connection that uses login users'.
    login_user = models.BooleanField(default=False)
    redirect_uri = models.CharField(max_length=300)
    verifier = SealedField(version="verifier_version")
    verifier_version = models.PositiveIntegerField(default=0)
    # What takes effect only when the authorization succeeds (an edit of scopes, say).
    pending = models.JSONField(default=dict, blank=True)
    grant = SealedField(version="grant_version")
    grant_version = models.PositiveIntegerField(default=0)
    account = models.CharField("outside account", max_length=200, blank=True)
    expires_at = models.DateTimeField(db_index=True)

    class Meta:
        default_permissions = ()
