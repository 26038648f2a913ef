"""Credentials as a backup brings them back: whoever was renewing them then is gone."""

from django.db.models import F

from connhub.audit.log import Entry, record_all
from connhub.services.models import AuthMethod

from .auth import is_interactive
from .models import Connection, Credential, Status

HELD_ELSEWHERE = (
    "It came back from a backup, and the token may have been renewed elsewhere since. Reconnect."
)


def settle(*, grants_move: bool) -> int:
    """End what had begun with credentials; how many grants were left behind, on record.

    A grant whose refresh token changes with each renewal has one holder. Unless they move here,
    those that people gave and that are renewed are destroyed here, where they may be out of date.
    The provider isn't told: elsewhere they may be in use. Runs in the caller's transaction.
    """
    Credential.objects.exclude(lease_until=None).update(lease_until=None, fence=F("fence") + 1)
    if grants_move:
        return 0
    methods = [method.pk for method in AuthMethod.objects.all() if is_interactive(method)]
    held = Credential.objects.live().filter(renewable=True, connection__auth_method__in=methods)
    theirs = held.values("connection_id")
    lost = list(Connection.objects.filter(pk__in=theirs).order_by("pk"))
    own = held.own().values("connection_id")
    Connection.objects.filter(pk__in=own, login_user=False).update(status=Status.RECONNECT_NEEDED)
    count = held.update(
        payload=None,
        payload_version=F("payload_version") + 1,
        status=Status.RECONNECT_NEEDED,
        last_error=HELD_ELSEWHERE,
        fence=F("fence") + 1,
        intent_version=None,
        expires_at=None,
        ends_at=None,
        renewable=False,
    )
    record_all((Entry("connection.reconnect_needed", c) for c in lost), by=None)
    return count
