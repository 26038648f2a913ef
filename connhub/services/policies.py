"""Who may make services, and change those that exist."""

from django.core.exceptions import PermissionDenied

from connhub.accounts.models import Role, User

from .models import Origin, Service


def may_create(user: User) -> bool:
    """Whether they may make custom services: it takes the role admin."""
    return user.is_active and user.role in (Role.ADMIN, Role.SUPER_ADMIN)


def require_create(user: User) -> None:
    if not may_create(user):
        raise PermissionDenied


def may_administer(user: User, service: Service) -> bool:
    """Whether they may edit and delete it; a default service belongs to the catalogue.

    A super admin who hasn't shared it to themself may not.
    """
    if service.origin != Origin.CUSTOM or not user.is_active:
        return False
    return Service.objects.administered_by(user).filter(pk=service.pk).exists()


def require_admin(user: User, service: Service) -> None:
    if not may_administer(user, service):
        raise PermissionDenied


def may_list(user: User, service: Service) -> bool:
    """Whether they may offer it for new connections, or no longer: super admins, and its admins."""
    return (user.is_active and user.is_super_admin) or may_administer(user, service)


def require_list(user: User, service: Service) -> None:
    if not may_list(user, service):
        raise PermissionDenied
