from collections.abc import Mapping
from dataclasses import dataclass, field

from connhub.accounts.models import Environment, User
from connhub.services import oauth_apps
from connhub.services.models import AuthMethod, OAuthApp, Service

from .document import Item
from .preview import Decisions


@dataclass(frozen=True, slots=True)
class Side:
    """What rows are made of on this side: who imports, what was decided, what things are called."""

    by: User
    decisions: Decisions
    stages: Mapping[str | None, Environment | None]
    services: Mapping[str, Service]
    shared_apps: dict[tuple[int, int | None], OAuthApp | None] = field(default_factory=dict)

    def shared_app(self, method: AuthMethod, item: Item) -> OAuthApp | None:
        """The service's, as for a connection made by hand."""
        first = next((self.stages[place.environment] for place in item.settings), None)
        key = (method.pk, first.pk if first else None)
        if key not in self.shared_apps:
            self.shared_apps[key] = oauth_apps.serving(method, first)
        return self.shared_apps[key]
