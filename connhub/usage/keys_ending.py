"""Integration keys among what runs out."""

from datetime import timedelta

from django.db.models import QuerySet
from django.urls import reverse
from django.utils import timezone

from connhub.accounts.models import User
from connhub.connections.expiry import Ending, Source
from connhub.sharing import roles

from .models import Integration, IntegrationKey

# An expired key can't come back: after this time it is no news any more.
SHOWN = timedelta(days=30)


def keys(user: User, mine: bool) -> QuerySet[IntegrationKey]:
    """Of integrations that the person administers; all of them for a super admin who just looks."""
    recent = IntegrationKey.objects.filter(
        revoked_at=None, expires_at__gt=timezone.now() - SHOWN
    ).select_related("integration", "environment")
    if user.is_super_admin and not mine:
        return recent
    return recent.filter(integration__in=roles.administered(user, Integration).values("pk"))


def _show(key: IntegrationKey) -> Ending:
    url = reverse("usage:keys", args=[key.integration.slug])
    what = f"Integration key of {key.integration}"
    return Ending(what, str(key), url, None, key.environment, "Keys", url)


SOURCE = Source("key", "Integration keys", "expires_at", keys, _show)
