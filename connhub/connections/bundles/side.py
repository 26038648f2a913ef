from collections.abc import Mapping
from dataclasses import dataclass

from connhub.accounts.models import Environment, User
from connhub.services.models import OAuthApp, Service

from .document import Item
from .preview import Decisions


@dataclass(frozen=True, slots=True)
class Side:
    """What rows are made of on this side: who imports, what was decided, what things are called."""

    by: User
    decisions: Decisions
    stages: Mapping[str | None, Environment | None]
    services: Mapping[str, Service]
    shared_apps: Mapping[tuple[int, int | None], OAuthApp]

    def shared_app(self, service: Service, item: Item) -> OAuthApp | None:
        """As for a connection made by hand: the environment's, else the one for all."""
        stages = [self.stages[place.environment] for place in item.settings[:1]]
        own = stages[0] if stages else None
        found = self.shared_apps.get((service.pk, own.pk)) if own else None
        return found or self.shared_apps.get((service.pk, None))
