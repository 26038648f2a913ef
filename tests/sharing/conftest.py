import pytest

from connhub.accounts.models import Team
from connhub.services.models import Service
from connhub.sharing import roles
from connhub.usage.models import Integration


@pytest.fixture
def team(eve):
    """With eve in it."""
    made = Team.objects.create(name="Data")
    made.user_set.add(eve)
    return made


@pytest.fixture
def shared_integration(integration, ada, bob) -> Integration:
    """Administered by ada and bob."""
    roles.grant(integration, bob, by=ada)
    return integration


@pytest.fixture
def service(connection, ada, bob) -> Service:
    """A custom one, administered by ada and bob."""
    for person in (ada, bob):
        roles.grant(connection.service, person, by=ada)
    return connection.service
