from django.contrib.auth.models import AbstractBaseUser, BaseUserManager, Group, PermissionsMixin
from django.db import models
from django.db.models.functions import Lower
from django.utils import timezone


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

    def get_by_natural_key(self, email):
        return self.get(email=email.strip().lower())


class User(AbstractBaseUser, PermissionsMixin):
    """A person of the account, known by e-mail address.

    There is no Django superuser: it would pass every check on an object. The role super admin
    sees everything and changes somebody else's only after sharing it to themself.
    """

    is_superuser = None

    email = models.EmailField("e-mail address", unique=True)
    name = models.CharField(max_length=80)
    role = models.CharField(max_length=12, choices=Role, default=Role.MEMBER)
    is_active = models.BooleanField("active", default=True)
    joined_at = models.DateTimeField(default=timezone.now, editable=False)

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


class Team(Group):
    """Several people under one name, to share with at once."""

    class Meta:
        proxy = True
        ordering = ["name"]
        default_permissions = ()


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


class SetupCode(models.Model):
    """The one-time code, printed at start, that makes the first super admin; kept as a hash."""

    digest = models.CharField(max_length=64)
    expires_at = models.DateTimeField()
    tries_left = models.PositiveSmallIntegerField(default=10)

    class Meta:
        default_permissions = ()
