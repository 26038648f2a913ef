"""What environments and admin tokens are to people."""

from .models import AdminToken, Environment, User


def state_of(environment: Environment) -> frozenset[str]:
    return frozenset({"lowest"} if environment.is_lowest else ())


def is_owner(user: User, token: AdminToken) -> bool:
    """Whether the token acts for this person."""
    return token.person_id == user.pk
