import uuid

from django.conf import settings
from django.db import models
from django.db.models import Count, Q
from django.urls import reverse

from connhub.accounts.grants import TeamGrant, UserGrant
from connhub.accounts.models import Environment
from connhub.vault.fields import SealedField

ADMINISTER = "administer_service"
# What people add to the name of a service when they look for it.
FILLERS = {"connector", "connectors", "connection", "integration", "service"}


class Origin(models.TextChoices):
    """Where a service's definition comes from."""

    DEFAULT = "default", "Default"
    CUSTOM = "custom", "Custom"


class ServiceQuerySet(models.QuerySet):
    def listed(self):
        return self.filter(listed=True)

    def databases(self):
        return self.exclude(driver="")

    def matching(self, text: str):
        """Those whose name, slug or aliases contain every word; "connector" is in all of them."""
        wanted = Q()
        for word in text.split():
            if word.lower() not in FILLERS:
                of_name = Q(name__icontains=word) | Q(slug__icontains=word)
                wanted &= of_name | Q(aliases__icontains=word)
        return self.filter(wanted)

    def administered_by(self, user):
        """Those that the person may change, by themself or through a team."""
        mine = Q(user_grants__user=user, user_grants__permission__codename=ADMINISTER)
        ours = Q(team_grants__group__user=user, team_grants__permission__codename=ADMINISTER)
        return self.filter(mine | ours).distinct()

    def by_category(self):
        """Pairs of category and how many there are."""
        return self.order_by("category").values_list("category").annotate(Count("pk"))


class Service(models.Model):
    """Something that one can connect to: an entry of the catalogue, or one that an admin made."""

    slug = models.SlugField(max_length=60, unique=True)
    name = models.CharField(max_length=80)
    origin = models.CharField(max_length=8, choices=Origin, default=Origin.DEFAULT)
    category = models.CharField(max_length=40)
    aliases = models.JSONField(default=list, blank=True)
    version = models.CharField(max_length=40, blank=True)
    summary = models.CharField(max_length=300, blank=True)
    monogram = models.CharField(max_length=3, blank=True)
    colour = models.CharField(max_length=7, blank=True)
    docs_url = models.URLField(blank=True)
    base_url = models.CharField(max_length=300, blank=True)
    parameters = models.JSONField(default=list, blank=True)
    # Where connections may have endpoints of their own, besides its own hosts; anywhere if empty.
    allowed_hosts = models.JSONField(default=list, blank=True)
    # What may be called, the paths below the base URL; everything if empty.
    allowed_methods = models.JSONField(default=list, blank=True)
    allowed_paths = models.JSONField(default=list, blank=True)
    test = models.JSONField(default=dict, blank=True)
    driver = models.CharField(max_length=30, blank=True)
    listed = models.BooleanField(default=True)
    digest = models.CharField(max_length=64, blank=True)

    objects = ServiceQuerySet.as_manager()

    class Meta:
        ordering = ["name"]
        default_permissions = ()
        permissions = [(ADMINISTER, "Administers the service")]
        indexes = [models.Index(fields=["listed", "category", "name"])]

    def __str__(self):
        return self.name

    @property
    def url_key(self) -> str:
        return self.slug

    def get_absolute_url(self):
        return reverse("services:detail", args=[self.slug])


class ServiceUserGrant(UserGrant):
    content_object = models.ForeignKey(Service, models.CASCADE, related_name="user_grants")


class ServiceTeamGrant(TeamGrant):
    content_object = models.ForeignKey(Service, models.CASCADE, related_name="team_grants")


class AuthMethodQuerySet(models.QuerySet):
    def offered(self):
        """Those for new connections: the catalogue no longer has the others."""
        return self.exclude(config__has_key="retired")


class AuthMethod(models.Model):
    """One way to authenticate with a service: a kind with its URLs, switches and scopes."""

    service = models.ForeignKey(Service, models.CASCADE, related_name="auth_methods")
    kind = models.CharField(max_length=30)
    label = models.CharField(max_length=60)
    position = models.PositiveSmallIntegerField(default=0)
    config = models.JSONField(default=dict, blank=True)
    scopes = models.JSONField(default=list, blank=True)

    objects = AuthMethodQuerySet.as_manager()

    class Meta:
        ordering = ["position"]
        default_permissions = ()
        constraints = [
            models.UniqueConstraint(fields=["service", "kind", "label"], name="auth_method_once")
        ]

    def __str__(self):
        return self.label

    @property
    def api_keys(self) -> list[dict]:
        """Where each API key goes; a template that asked the config for `keys` would get names."""
        return self.config.get("keys", [])


class Endpoint(models.Model):
    """Where a service answers in one environment, if that differs from its base URL."""

    service = models.ForeignKey(Service, models.CASCADE, related_name="endpoints")
    environment = models.ForeignKey(Environment, models.PROTECT, null=True, blank=True)
    base_url = models.CharField(max_length=300)

    class Meta:
        default_permissions = ()
        constraints = [
            models.UniqueConstraint(
                fields=["service"], condition=Q(environment=None), name="endpoint_for_all"
            ),
            models.UniqueConstraint(
                fields=["service", "environment"],
                condition=Q(environment__isnull=False),
                name="endpoint_per_environment",
            ),
        ]


class OperationQuerySet(models.QuerySet):
    def matching(self, text: str):
        """Those whose path, summary, id or method contain every word."""
        wanted = Q()
        for word in text.split():
            of_call = Q(path__icontains=word) | Q(method__iexact=word)
            wanted &= of_call | Q(summary__icontains=word) | Q(operation_id__icontains=word)
        return self.filter(wanted)


class Operation(models.Model):
    """One call that a service's OpenAPI document describes."""

    service = models.ForeignKey(Service, models.CASCADE, related_name="operations")
    method = models.CharField(max_length=7)
    path = models.CharField(max_length=300)
    summary = models.CharField(max_length=200, blank=True)
    operation_id = models.CharField(max_length=100, blank=True)
    # Each with name, in (path, query or header), required, and a few words about it.
    parameters = models.JSONField(default=list, blank=True)
    body_type = models.CharField("media type of its body", max_length=100, blank=True)
    body_required = models.BooleanField(default=False)

    objects = OperationQuerySet.as_manager()

    class Meta:
        ordering = ["path", "method"]
        default_permissions = ()
        constraints = [
            models.UniqueConstraint(fields=["service", "method", "path"], name="operation_once")
        ]

    def __str__(self):
        return f"{self.method} {self.path}"

    @property
    def is_safe(self) -> bool:
        """Whether the call asks to change nothing (RFC 9110 section 9.2.1)."""
        return self.method in ("GET", "HEAD", "OPTIONS")


class OAuthApp(models.Model):
    """A client id and secret registered with a service: shared by all, or one connection's own."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    service = models.ForeignKey(Service, models.CASCADE, related_name="oauth_apps")
    environment = models.ForeignKey(Environment, models.PROTECT, null=True, blank=True)
    shared = models.BooleanField(default=False)
    client_id = models.CharField(max_length=300)
    client_secret = SealedField(
        version="client_secret_version", kind="Client secrets of OAuth apps", of="service"
    )
    client_secret_version = models.PositiveIntegerField(default=0)
    ends_at = models.DateTimeField("end of the client secret", null=True, blank=True)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True)
    created_at = models.DateTimeField(auto_now_add=True)
    changed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+"
    )
    changed_at = models.DateTimeField(null=True)

    class Meta:
        verbose_name = "OAuth app"
        default_permissions = ()
        constraints = [
            models.UniqueConstraint(
                fields=["service"],
                condition=Q(shared=True, environment=None),
                name="oauth_app_shared_by_all",
            ),
            models.UniqueConstraint(
                fields=["service", "environment"],
                condition=Q(shared=True, environment__isnull=False),
                name="oauth_app_shared_per_environment",
            ),
        ]
        indexes = [
            models.Index(
                fields=["ends_at"], condition=Q(ends_at__isnull=False), name="client_secrets_by_end"
            )
        ]

    def __str__(self):
        return f"{self.service} app"
