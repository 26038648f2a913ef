"""How every page of an integration finds it."""

from django.shortcuts import get_object_or_404

from .. import policies
from ..models import Integration


def visible(request, slug: str) -> Integration:
    """The integration: 404 for those who don't see it."""
    seen = Integration.objects.visible_to(request.user).select_related("project")
    return get_object_or_404(seen, slug=slug)


def administered(request, slug: str) -> Integration:
    """The same; 403 for those who see it but may not change it."""
    integration = visible(request, slug)
    policies.require_admin(request.user, integration)
    return integration
