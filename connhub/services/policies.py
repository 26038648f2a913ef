"""What a person is to a service. A default one belongs to the catalogue, whoever looks at it."""

from connhub.accounts.models import User

from .models import Service


def is_admin(user: User, service: Service) -> bool:
    """Whether they administer it, by themself or through a team."""
    return Service.objects.administered_by(user).filter(pk=service.pk).exists()


def state_of(service: Service) -> frozenset[str]:
    return frozenset({service.origin})
