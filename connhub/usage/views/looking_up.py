"""How every page of an integration finds it."""

from connhub.accounts.permissions import require
from connhub.lookup import named_or_404

from .. import registration
from ..inside import InIntegration
from ..models import Integration


def visible(request, slug: str) -> Integration:
    """The integration: 404 for those who don't see it."""
    seen = Integration.objects.visible_to(request.user).select_related("project")
    return named_or_404(seen, slug=slug)


def administered(request, slug: str, *, to: str) -> Integration:
    """The same; 403 for those who see it but may not do that."""
    integration = visible(request, slug)
    require(request.user, f"integration.{to}", integration)
    return integration


def inside(request) -> InIntegration | None:
    """The integration that a URL of another room names, for those who may register there."""
    slug = request.GET.get("integration")
    if slug is None:
        return None
    integration = administered(request, slug, to="register")
    registration.require_by_hand(integration)
    return InIntegration(integration)
