import uuid
from collections.abc import Iterable

from django.db import models
from django.db.models import Q
from django.db.models.functions import Lower
from django.urls import reverse

from connhub.accounts.grants import TeamGrant, UserGrant
from connhub.accounts.models import Environment, User
from connhub.services.models import AuthMethod, OAuthApp, Operation, Service
from connhub.sharing import roles
from connhub.vault.fields import SealedField

from .authorization import Authorization as Authorization
from .bulk_tests.models import BulkTest as BulkTest
from .bulk_tests.models import BulkTestRow as BulkTestRow
from .bundles.models import Import as Import
from .connect_links.models import ConnectLink as ConnectLink
from .constraints import one_row_per_case, soonest
from .link_names import LINK_NAME as LINK_NAME
from .link_names import is_link_name as is_link_name
from .preferences import ListingColumns as ListingColumns
from .preferences import SavedView as SavedView
from .slots import Rotation as Rotation
from .telling.models import Telling as Telling


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
        """That one, locked until the transaction ends. Credentials are locked after it, not before.

        What a person may do with it is asked after this, by a query that sees who was removed by
        whoever held the lock.
        """
        whole = self.select_related("service", "auth_method", "oauth_app")
        return whole.select_for_update(of=("self",), no_key=True).get(pk=pk)

    def named(self, link_names: Iterable[str]):
        """Those of the link names; what is no link name names nothing."""
        return self.filter(link_name__in={name for name in link_names if is_link_name(name)})

    def visible_to(self, user, *, row_by_row=False):
        """Those the person may see: the ones they administer; all of them for a super admin."""
        if user.is_super_admin:
            return self.live()
        return self.administered_by(user, row_by_row=row_by_row)

    def administered_by(self, user, *, row_by_row=False):
        """Those the person may change, test, share and export.

        `row_by_row` is the faster way to a few of very many.
        """
        mine = roles.administers if row_by_row else roles.administered_by
        return self.live().filter(mine(user, Connection))

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
        serving = Credential.objects.own().only(
            *("connection_id", "environment_id", "user_id", "status"),
            *("last_error", "tested_at", "expires_at", "renewable"),
        )
        return (
            self.select_related("service")
            .only(
                "name",
                "link_name",
                "status",
                "login_user",
                *(name for name in SHOWN_OF_SERVICE if "auth" not in name),
            )
            .prefetch_related(models.Prefetch("credentials", serving.order_by()))
        )


def own_credentials() -> models.Prefetch:
    """Connections' credentials but for those of login users, of which there may be thousands."""
    return models.Prefetch("credentials", Credential.objects.own().select_related("environment"))


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

    def move_on(self, *fields: str) -> None:
        """Count a change, and save it: whoever looked at an earlier version will be told."""
        self.version += 1
        self.save(update_fields=[*fields, "version", "modified_at"])

    def sum_up(self) -> None:
        """Set the status to the worst of the credentials', and save it.

        A connection that uses the credentials of login users stands by itself, whatever theirs do.
        """
        if not self.login_user:
            self.take_worst(self.credentials.own().only("connection_id", "status"))
            self.save(update_fields=["status"])

    def lock_own(self) -> list["Credential"]:
        """Its own credentials with their second slots, locked until the transaction ends."""
        own = self.credentials.own().select_related("rotation").order_by("pk")
        return list(own.select_for_update(of=("self",), no_key=True))

    def take_worst(self, own: Iterable["Credential"]) -> bool:
        """Set the status to the worst of its own credentials', not saved; whether it is another."""
        before = self.status
        if not self.login_user:
            self.status = max((c.status for c in own), default=Status.NOT_CONNECTED)
        return self.status != before

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


class Settings(models.Model):
    """A connection's parameters and endpoint, for all environments or for one."""

    connection = models.ForeignKey(Connection, models.CASCADE, related_name="settings")
    environment = models.ForeignKey(Environment, models.PROTECT, null=True, blank=True)
    parameters = models.JSONField(default=dict, blank=True)
    base_url = models.CharField(max_length=300, blank=True)

    class Meta:
        default_permissions = ()
        constraints = one_row_per_case("settings")


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
    payload = SealedField(
        version="payload_version", kind="Credentials of connections", of="connection"
    )
    payload_version = models.PositiveIntegerField(default=0)
    status = models.PositiveSmallIntegerField(choices=Status, default=Status.NOT_CONNECTED)
    account = models.CharField("outside account", max_length=200, blank=True)
    scopes_granted = models.JSONField(default=list, blank=True)
    connected_at = models.DateTimeField(null=True, blank=True)
    # Whose outside account or secret it is, as far as known: nobody, where a connect link was used.
    connected_by = models.ForeignKey(
        User, models.SET_NULL, null=True, blank=True, related_name="connected_credentials"
    )
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
    # Whether `keep` ended a rotation just now.
    rotation_ended = False
    # Of what a person typed, as they say.
    ends_at = models.DateTimeField(null=True, blank=True)
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
        indexes = [
            soonest("expires_at", "grants_by_end", renewable=False),
            soonest("ends_at", "secrets_by_end"),
            soonest("certificate_ends_at", "certificates_by_end"),
        ]

    def __str__(self):
        return f"{self.connection} ({self.environment or 'all environments'})"

    @property
    def standing(self) -> Status:
        """The status with its words and tone."""
        return Status(self.status)
