import uuid
from importlib import import_module
from typing import ClassVar

from django.conf import settings
from django.contrib.auth.models import (
    AbstractBaseUser,
    BaseUserManager,
    Group,
    GroupManager,
    PermissionsMixin,
)
from django.contrib.sessions.base_session import AbstractBaseSession
from django.db import models
from django.db.models import Exists, OuterRef, Subquery
from django.db.models.functions import Coalesce, Lower
from django.urls import reverse
from django.utils import timezone

from connhub.public_ids import PublicId
from connhub.vault.fields import SealedField
from connhub.vault.keyring import digest


class Role(models.TextChoices):
    """What a person may do in the account as a whole."""

    MEMBER = "member", "Member"
    ADMIN = "admin", "Admin"
    SUPER_ADMIN = "super_admin", "Super admin"


class UserManager(BaseUserManager["User"]):
    def create_user(self, email: str, password: str | None = None, **fields) -> "User":
        user = self.model(email=self.normalize_email(email).lower(), **fields)
        user.set_password(password)
        user.save()
        return user

    def for_listing(self):
        """With when each was last seen and whether a second factor is on, in one query."""
        newest = Session.objects.filter(user=OuterRef("pk")).order_by("-seen_at")
        confirmed = SecondFactor.objects.filter(user=OuterRef("pk"), confirmed_at__isnull=False)
        return self.annotate(
            last_seen_at=Coalesce(Subquery(newest.values("seen_at")[:1]), "last_login"),
            has_second_factor=Exists(confirmed),
        )

    def get_by_natural_key(self, email):
        return self.get(email=email.strip().lower())


class User(AbstractBaseUser, PermissionsMixin):
    """A person of the account, known by e-mail address.

    There is no Django superuser: it would pass every check on an object. The role super admin
    sees everything and changes somebody else's only after sharing it to themself.
    """

    is_superuser = None

    public_id = PublicId()
    email = models.EmailField("e-mail address", unique=True)
    name = models.CharField(max_length=80)
    role = models.CharField(max_length=12, choices=Role, default=Role.MEMBER)
    is_active = models.BooleanField("active", default=True)
    joined_at = models.DateTimeField(default=timezone.now, editable=False)
    # Kinds of letters that they don't want (`notifications`).
    unwanted_letters = models.JSONField(default=list, editable=False)

    USERNAME_FIELD = "email"
    REQUIRED_FIELDS = ["name"]

    objects = UserManager()

    class Meta:
        ordering = ["name", "email"]
        default_permissions = ()
        constraints = [
            models.UniqueConstraint(Lower("email"), name="user_email_any_case"),
            models.CheckConstraint(name="user_role", condition=models.Q(role__in=Role.values)),
        ]

    def __str__(self):
        return self.name or self.email

    def get_absolute_url(self) -> str:
        return reverse("accounts:person", args=[self.public_id])

    @property
    def url_key(self) -> uuid.UUID:
        return self.public_id

    @property
    def is_super_admin(self) -> bool:
        return self.is_active and self.role == Role.SUPER_ADMIN

    @property
    def is_staff(self) -> bool:
        """Django admin's word for who may enter it."""
        return self.is_super_admin

    def _get_session_auth_hash(self, secret=None):
        """A new password, role or standing ends every session the person has elsewhere."""
        own = super()._get_session_auth_hash(secret)  # type: ignore[misc]
        return f"{own}:{self.role}"


class TeamManager(GroupManager):
    use_in_migrations = False

    def get_queryset(self):
        return super().get_queryset().annotate(public_id=models.F("team_id__public_id"))


class Team(Group):
    """Several people under one name, to share with at once; `public_id` is its `TeamId`'s."""

    public_id: uuid.UUID

    objects: ClassVar[TeamManager] = TeamManager()

    class Meta:
        proxy = True
        ordering = ["name"]
        default_permissions = ()

    def save(self, *args, **kwargs) -> None:
        super().save(*args, **kwargs)
        self.public_id = TeamId.objects.get_or_create(group=self)[0].public_id

    @property
    def url_key(self) -> uuid.UUID:
        return self.public_id


class TeamId(models.Model):
    """What URLs name a team by: the table that teams live in is Django's own."""

    group = models.OneToOneField(Group, models.CASCADE, primary_key=True, related_name="team_id")
    public_id = PublicId()

    class Meta:
        default_permissions = ()

    def __str__(self):
        return str(self.public_id)


class Environment(models.Model):
    """A stage that flows run in; the lowest position is the one that developers work in."""

    slug = models.SlugField(max_length=30, unique=True)
    name = models.CharField(max_length=40, unique=True)
    short = models.CharField(max_length=6)
    position = models.PositiveSmallIntegerField(unique=True)

    class Meta:
        ordering = ["position"]
        default_permissions = ()

    def __str__(self):
        return self.name

    @property
    def url_key(self) -> str:
        return self.slug

    @property
    def is_lowest(self) -> bool:
        """Whether it is the one that developers work in."""
        return not Environment.objects.filter(position__lt=self.position).exists()


class SetupCode(models.Model):
    """The one-time code, printed at start, that makes the first super admin; kept as a hash."""

    digest = models.CharField(max_length=64)
    expires_at = models.DateTimeField()
    tries_left = models.PositiveSmallIntegerField(default=10)

    class Meta:
        default_permissions = ()


class Letter(models.Model):
    """An e-mail that waits to be sent; it may hold a one-time link, so its text is sealed."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    to = models.EmailField()
    subject = models.CharField(max_length=200)
    body = SealedField(version="body_version", kind="E-mails on their way")
    body_version = models.PositiveIntegerField(default=0)
    tries = models.PositiveSmallIntegerField(default=0)
    next_try_at = models.DateTimeField(db_index=True)

    class Meta:
        default_permissions = ()

    def __str__(self):
        return self.subject


class Session(AbstractBaseSession):
    """A browser somebody is signed in with, or one that is about to be."""

    # Without a constraint: a session that outlives its person by a moment is harmless.
    user = models.ForeignKey(
        User, models.CASCADE, null=True, related_name="sessions", db_constraint=False
    )
    started_at = models.DateTimeField(null=True)
    seen_at = models.DateTimeField(null=True)
    ip = models.CharField(max_length=45, default="")
    device = models.CharField(max_length=60, default="")
    is_this_one = False

    class Meta:
        default_permissions = ()

    @classmethod
    def get_session_store_class(cls):
        return import_module(settings.SESSION_ENGINE).SessionStore

    @property
    def ref(self) -> str:
        """What stands for it in a URL; the key itself would open it."""
        return digest(self.session_key)[:32]


class Account(models.Model):
    """What holds for everybody; one row, or none while nothing was changed."""

    require_second_factor = models.BooleanField(default=False)

    class Meta:
        default_permissions = ()

    def __str__(self):
        return "Account"


class SecondFactor(models.Model):
    """The seed of somebody's one-time codes (RFC 6238); on once a code confirmed it."""

    user = models.OneToOneField(User, models.CASCADE, related_name="second_factor")
    seed = SealedField(version="seed_version", kind="Second factors", of="user")
    seed_version = models.PositiveIntegerField(default=0)
    confirmed_at = models.DateTimeField(null=True)
    last_step = models.BigIntegerField(default=0)
    # How many wrong codes came since when, from wherever.
    wrong_codes = models.PositiveSmallIntegerField(default=0)
    wrong_since = models.DateTimeField(null=True)

    class Meta:
        default_permissions = ()

    def __str__(self):
        return f"Second factor of {self.user}"


class AdminTokenQuerySet(models.QuerySet):
    def usable(self):
        return self.filter(revoked_at=None, expires_at__gt=timezone.now(), person__is_active=True)

    def visible_to(self, user):
        """Their own; all of them for a super admin."""
        return self if user.is_super_admin else self.filter(person=user)


class AdminToken(models.Model):
    """What a program presents to do by API what a person does on pages; only its hash is kept.

    It may do what its person may at the moment of the call; a read-only one just looks.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    person = models.ForeignKey(User, models.CASCADE, related_name="admin_tokens")
    name = models.CharField(max_length=80)
    prefix = models.CharField(max_length=12)
    digest = models.CharField(max_length=64, unique=True)
    read_only = models.BooleanField(default=False)
    issued_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField()
    revoked_at = models.DateTimeField(null=True, blank=True)
    last_used_at = models.DateTimeField(null=True, blank=True)

    objects = AdminTokenQuerySet.as_manager()

    class Meta:
        ordering = ["-issued_at"]
        default_permissions = ()

    def __str__(self):
        return f"{self.name} ({self.prefix}…)"

    @property
    def url_key(self) -> uuid.UUID:
        return self.id

    def get_absolute_url(self) -> str:
        return reverse("accounts:admin_tokens_of", args=[self.person.public_id])

    @property
    def is_usable(self) -> bool:
        """As long as its person is active, which isn't looked at here."""
        return self.revoked_at is None and self.expires_at > timezone.now()


class RecoveryCode(models.Model):
    """Lets somebody in once without their device; kept as a hash, gone when used."""

    user = models.ForeignKey(User, models.CASCADE, related_name="recovery_codes")
    digest = models.CharField(max_length=64, unique=True)

    class Meta:
        default_permissions = ()


class Invitation(models.Model):
    """A one-time link for somebody to become a person of the account; its token is kept as a hash."""

    public_id = PublicId()
    email = models.EmailField("e-mail address", unique=True)
    role = models.CharField(max_length=12, choices=Role)
    digest = models.CharField(max_length=64, unique=True)
    invited_by = models.ForeignKey(User, models.SET_NULL, null=True, related_name="+")
    expires_at = models.DateTimeField()

    class Meta:
        ordering = ["email"]
        default_permissions = ()
        constraints = [
            models.CheckConstraint(
                name="invitation_role", condition=models.Q(role__in=Role.values)
            ),
        ]

    def __str__(self):
        return self.email

    @property
    def has_expired(self) -> bool:
        return self.expires_at <= timezone.now()


class Identity(models.Model):
    """Whom a provider of single sign-on knows somebody as."""

    user = models.ForeignKey(User, models.CASCADE, related_name="identities")
    issuer = models.CharField(max_length=255)
    subject = models.CharField(max_length=255)

    class Meta:
        default_permissions = ()
        constraints = [
            models.UniqueConstraint(fields=["issuer", "subject"], name="identity_subject")
        ]

    def __str__(self):
        return self.subject
