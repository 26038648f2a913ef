"""Connections that were deleted: for 30 days they can come back, without their secret."""

from datetime import timedelta

from django.db import transaction
from django.db.models import DateTimeField, ExpressionWrapper, F, QuerySet
from django.utils import timezone

from connhub.accounts import people
from connhub.accounts.models import User
from connhub.accounts.permissions import require
from connhub.audit.log import record
from connhub.errors import Refusal
from connhub.sharing import roles

from .models import Connection

KEPT = timedelta(days=30)


class GoneForGood(Refusal):
    code = "gone-for-good"
    text = "It was deleted more than 30 days ago and can't be restored. Its link name stays taken."


def restorable(user: User) -> QuerySet[Connection]:
    """Deleted connections that the person may still bring back, `until` when; latest first."""
    recent = Connection.objects.filter(deleted_at__gt=timezone.now() - KEPT)
    mine = recent.filter(roles.administered_by(user, Connection))
    until = ExpressionWrapper(F("deleted_at") + KEPT, DateTimeField())
    return mine.select_related("service").annotate(until=until).order_by("-deleted_at", "link_name")


@transaction.atomic
def restore(connection: Connection, *, by: User) -> None:
    """Bring a deleted connection back under its link name, to be connected anew.

    One that is not deleted stays as it is.

    Raises:
        PermissionDenied: `by` was no admin of it.
        GoneForGood: the 30 days are over.
    """
    by = people.locked(by)
    connection = Connection.objects.locked(connection.pk)
    require(by, "connection.restore", connection)
    if connection.deleted_at is None:
        return
    if connection.deleted_at < timezone.now() - KEPT:
        raise GoneForGood
    connection.deleted_at = None
    connection.move_on("deleted_at")
    record("connection.restored", by=by, on=connection)
