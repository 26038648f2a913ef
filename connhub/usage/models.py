import uuid
from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models import Exists, OuterRef, Q
from django.db.models.functions import Cast
from django.urls import reverse
from django.utils import timezone

from connhub.accounts.grants import TeamGrant, UserGrant
from connhub.accounts.models import Environment
from connhub.connections.models import Connection
from connhub.sharing import roles

from .calls.models import Call as Call
from .calls.models import CallDay as CallDay
from .calls.models import CallStep as CallStep
from .calls.models import CallTally as CallTally
from .querysets import (
    DataObjectQuerySet,
    FunctionUseQuerySet,
    MayStandAloneQuerySet,
    StepQuerySet,
)
from .rates.models import RateCount as RateCount


class ProjectQuerySet(models.QuerySet):
    def empty(self):
        """Those without integrations."""
        return self.filter(~Exists(Integration.objects.filter(project=OuterRef("pk"))))

    def visible_to(self, user):
        """Those with an integration that the person sees, and one's own empty ones."""
        if user.is_super_admin:
            return self
        seen = Integration.objects.visible_to(user).values("project")
        own = Project.objects.empty().filter(owner=user)
        return self.filter(Q(pk__in=seen) | Q(pk__in=own))


class Project(models.Model):
    """What integrations are grouped by."""

    slug = models.SlugField(max_length=50, unique=True)
    name = models.CharField(max_length=80)
    # Whose it is while it is empty; else it is of those who administer integrations of it.
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="projects"
    )

    objects = ProjectQuerySet.as_manager()

    class Meta:
        ordering = ["name"]
        default_permissions = ()

    def __str__(self):
        return self.name

    @property
    def url_key(self) -> str:
        return self.slug

    def get_absolute_url(self):
        return reverse("projects:project", args=[self.slug])


class Kind(models.TextChoices):
    """An integration app is packaged: its connections can't be registered by hand."""

    INTEGRATION = "integration", "Integration"
    APP = "app", "Integration app"


class IntegrationQuerySet(models.QuerySet):
    def visible_to(self, user):
        """Those the person administers or is a member of; all of them for a super admin."""
        if user.is_super_admin:
            return self
        joined = Membership.objects.filter(user=user).values("integration")
        return self.filter(roles.administered_by(user, Integration) | Q(pk__in=joined))


class Integration(models.Model):
    """Flows that belong together, the connections registered for them, and who has access."""

    slug = models.SlugField(max_length=50, unique=True)
    name = models.CharField(max_length=80)
    project = models.ForeignKey(Project, models.PROTECT, related_name="integrations")
    kind = models.CharField(max_length=12, choices=Kind, default=Kind.INTEGRATION)
    connections = models.ManyToManyField(
        Connection, through="Registration", related_name="integrations"
    )
    created_at = models.DateTimeField(auto_now_add=True)

    objects = IntegrationQuerySet.as_manager()

    class Meta:
        ordering = ["name"]
        default_permissions = ()
        permissions = [("administer_integration", "Administers the integration")]

    def __str__(self):
        return self.name

    @property
    def url_key(self) -> str:
        return self.slug

    def get_absolute_url(self):
        return reverse("usage:connections", args=[self.slug])


class IntegrationUserGrant(UserGrant):
    content_object = models.ForeignKey(Integration, models.CASCADE, related_name="user_grants")


class IntegrationTeamGrant(TeamGrant):
    content_object = models.ForeignKey(Integration, models.CASCADE, related_name="team_grants")


class Membership(models.Model):
    """That a person has access to an integration, and through it to what is registered there."""

    integration = models.ForeignKey(Integration, models.CASCADE, related_name="memberships")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="memberships")
    since = models.DateTimeField(auto_now_add=True)

    class Meta:
        default_permissions = ()
        constraints = [
            models.UniqueConstraint(fields=["integration", "user"], name="membership_once")
        ]


class Registration(models.Model):
    """That a connection may be used in an integration's flows."""

    class How(models.TextChoices):
        BY_HAND = "by_hand", "Registered by hand"
        CREATED = "created", "Created here"
        AUTOMATIC = "automatic", "Registered when a flow was saved"

    integration = models.ForeignKey(Integration, models.CASCADE, related_name="registrations")
    connection = models.ForeignKey(Connection, models.CASCADE, related_name="registrations")
    how = models.CharField(max_length=10, choices=How, default=How.BY_HAND)
    since = models.DateTimeField(auto_now_add=True)
    by = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+")

    class Meta:
        default_permissions = ()
        constraints = [
            models.UniqueConstraint(fields=["integration", "connection"], name="registration_once")
        ]


class Availability(models.Model):
    """Narrows a connection to one project or one integration; without a row: the whole account."""

    connection = models.OneToOneField(Connection, models.CASCADE, related_name="availability")
    project = models.ForeignKey(Project, models.PROTECT, null=True, blank=True)
    integration = models.ForeignKey(Integration, models.PROTECT, null=True, blank=True)

    class Meta:
        default_permissions = ()
        constraints = [
            models.CheckConstraint(
                name="availability_one_of_both",
                condition=Q(project=None, integration__isnull=False)
                | Q(project__isnull=False, integration=None),
            )
        ]


class MayStandAlone(models.Model):
    """What belongs to an integration, or to one person while it stands alone."""

    integration = models.ForeignKey(
        Integration, models.PROTECT, null=True, blank=True, related_name="%(class)ss"
    )
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="%(class)ss"
    )
    saved_at = models.DateTimeField(auto_now=True)

    objects = MayStandAloneQuerySet.as_manager()

    # The name of its page, which with an s is the namespace of those that stand alone, and the
    # field that stands in addresses and is what calls and declarations know it by.
    PAGE: ClassVar[str]
    KEY: ClassVar[str] = "slug"

    name: models.CharField

    class Meta:
        abstract = True
        ordering = ["name"]
        default_permissions = ()

    def __str__(self):
        return self.name

    @property
    def key(self) -> str:
        return getattr(self, self.KEY)

    @property
    def url_key(self) -> list[str]:
        return [self.integration.slug, self.key] if self.integration else [self.key]

    def get_absolute_url(self):
        within = "usage" if self.integration else f"{self.PAGE}s"
        return reverse(f"{within}:{self.PAGE}", args=self.url_key)


class Flow(MayStandAlone):
    """Steps that read from services and write to others; may stand alone."""

    PAGE = "flow"

    slug = models.SlugField(max_length=60, unique=True)
    name = models.CharField(max_length=80)


class Step(models.Model):
    """An export (reads from a service) or an import (writes to one) of a flow."""

    class Kind(models.TextChoices):
        EXPORT = "export", "Export"
        IMPORT = "import", "Import"

    flow = models.ForeignKey(Flow, models.CASCADE, related_name="steps")
    kind = models.CharField(max_length=6, choices=Kind)
    name = models.CharField(max_length=80)
    connection = models.ForeignKey(Connection, models.PROTECT, related_name="steps")

    objects = StepQuerySet.as_manager()

    class Meta:
        default_permissions = ()
        constraints = [models.UniqueConstraint(fields=["flow", "name"], name="step_once")]

    def __str__(self):
        return f"{self.name} ({self.get_kind_display().lower()} of {self.flow})"

    @property
    def key(self) -> str:
        return self.name


class App(MayStandAlone):
    """Something built on external data objects; may stand alone."""

    PAGE = "app"

    slug = models.SlugField(max_length=60, unique=True)
    name = models.CharField(max_length=80)


class DataObject(models.Model):
    """An external data object of an app, read over a connection."""

    app = models.ForeignKey(App, models.CASCADE, related_name="data_objects")
    name = models.CharField(max_length=80)
    connection = models.ForeignKey(Connection, models.PROTECT, related_name="data_objects")

    objects = DataObjectQuerySet.as_manager()

    class Meta:
        default_permissions = ()
        constraints = [models.UniqueConstraint(fields=["app", "name"], name="data_object_once")]

    def __str__(self):
        return f"{self.name} (data object of {self.app})"

    @property
    def key(self) -> str:
        return self.name


class Function(MayStandAlone):
    """Code that uses connections, and is called by its name; may stand alone."""

    PAGE = "function"
    KEY = "name"

    name = models.CharField(max_length=80)
    connections = models.ManyToManyField(
        Connection, through="FunctionUse", related_name="functions"
    )

    class Meta(MayStandAlone.Meta):
        abstract = False
        constraints = [
            models.UniqueConstraint(fields=["integration", "name"], name="function_once"),
            models.UniqueConstraint(
                fields=["name"], condition=Q(integration=None), name="function_alone_once"
            ),
        ]


class FunctionUse(models.Model):
    """That a function uses a connection."""

    function = models.ForeignKey(Function, models.CASCADE, related_name="uses")
    connection = models.ForeignKey(Connection, models.PROTECT, related_name="function_uses")

    objects = FunctionUseQuerySet.as_manager()

    class Meta:
        default_permissions = ()
        verbose_name = "function"
        constraints = [
            models.UniqueConstraint(fields=["function", "connection"], name="function_use_once")
        ]

    def __str__(self):
        return f"{self.function} (function)"

    @property
    def key(self) -> str:
        return self.connection.link_name


class IntegrationKeyQuerySet(models.QuerySet):
    def usable(self):
        return self.filter(revoked_at=None, expires_at__gt=timezone.now())

    def usable_issued_by(self, person):
        """Whoever has them now, and whatever became of the person; `tie` tells those of one name apart."""
        issued = self.usable().filter(issued_by=person).annotate(tie=Cast("pk", models.CharField()))
        return issued.select_related("integration", "environment")


class IntegrationKey(models.Model):
    """What a flow presents to the runtime API; only its hash is kept."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    integration = models.ForeignKey(Integration, models.CASCADE, related_name="keys")
    environment = models.ForeignKey(Environment, models.PROTECT)
    name = models.CharField(max_length=80)
    prefix = models.CharField(max_length=12)
    digest = models.CharField(max_length=64, unique=True)
    issued_at = models.DateTimeField(auto_now_add=True)
    issued_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+"
    )
    expires_at = models.DateTimeField()
    revoked_at = models.DateTimeField(null=True, blank=True)
    last_used_at = models.DateTimeField(null=True, blank=True)
    # The key that this one follows; both work until the older one's end.
    replaces = models.OneToOneField(
        "self", models.SET_NULL, null=True, blank=True, related_name="replaced_by"
    )

    objects = IntegrationKeyQuerySet.as_manager()

    class Meta:
        ordering = ["-issued_at"]
        default_permissions = ()
        indexes = [
            models.Index(fields=["expires_at"], condition=Q(revoked_at=None), name="keys_by_end"),
            models.Index(fields=["issued_at", "id"], name="keys_by_age"),
        ]

    def __str__(self):
        return f"{self.name} ({self.prefix}…)"

    @property
    def is_usable(self) -> bool:
        return self.revoked_at is None and self.expires_at > timezone.now()
