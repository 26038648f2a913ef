from django.core.exceptions import PermissionDenied

from .models import Role, User


def may_administer_account(user: User) -> bool:
    """Whether they may see and change what belongs to the whole account."""
    return user.is_super_admin


def require_super_admin(user: User) -> None:
    if not may_administer_account(user):
        raise PermissionDenied


def may_use_all_environments(user: User) -> bool:
    """Members make connections for the lowest environment alone."""
    return user.is_active and user.role in (Role.ADMIN, Role.SUPER_ADMIN)
