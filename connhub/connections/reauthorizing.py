"""Asking those who stay to authorize anew what somebody who leaves connected."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime

from django.conf import settings
from django.db import transaction
from django.db.models import Max

from connhub.accounts.models import User
from connhub.accounts.notifications import NEEDS_ME, Letter, tell_each
from connhub.accounts.people import require_now
from connhub.audit.log import record_each
from connhub.audit.models import Event

from .models import Connection, ConnectionTeamGrant, ConnectionUserGrant

ASKED = "connection.reauthorization_asked"
LISTED = 50


@transaction.atomic
def ask(connections: Sequence[Connection], *, person: User, by: User) -> set[int]:
    """Write to the other admins, one letter each; the keys of those connections that have any.

    Nothing else changes: calls go on until somebody authorizes anew, or revokes.

    Raises:
        PermissionDenied: `by` is no super admin.
    """
    by = require_now(by, "account.administer")
    by_admin = _by_admin(connections, person)
    asked = {connection.pk for theirs in by_admin.values() for connection in theirs}
    found = [connection for connection in connections if connection.pk in asked]
    record_each(ASKED, ((each, [], {"user": person.email}) for each in found), by=by, change=False)
    tell_each(NEEDS_ME, (_letter(admin, theirs, person, by) for admin, theirs in by_admin.items()))
    return asked


def _letter(admin: User, connections: Sequence[Connection], person: User, by: User) -> Letter:
    links = [(str(c), settings.CONNHUB_URL + c.get_absolute_url()) for c in connections]
    names = str(connections[0]) if len(connections) == 1 else f"{len(connections)} connections"
    context = {"person": admin, "before": person, "by": by, "links": links[:LISTED]}
    context["more"] = max(0, len(links) - LISTED)
    subject = f"{by} asks you to authorize {names} anew"
    return admin, subject, "connections/reauthorize_letter.txt", context


def _by_admin(connections: Sequence[Connection], person: User) -> dict[User, list[Connection]]:
    """The active admins but for the person, each with what they administer of these."""
    known = {connection.pk: connection for connection in connections}
    people = ConnectionUserGrant.objects.filter(content_object__in=known)
    teams = ConnectionTeamGrant.objects.filter(content_object__in=known)
    pairs = set(people.values_list("user", "content_object"))
    pairs |= set(teams.values_list("group__user", "content_object"))
    staying = User.objects.filter(is_active=True).exclude(pk=person.pk)
    admins = staying.in_bulk({pk for pk, _ in pairs if pk})
    found: dict[User, list[Connection]] = defaultdict(list)
    for pk, connection in sorted(pair for pair in pairs if pair[0] in admins):
        found[admins[pk]].append(known[connection])
    return found


def asked_at(connection_ids: Iterable[int], person: User) -> dict[int, datetime]:
    """By connection: when its admins were last asked, because of that person."""
    ids = [str(pk) for pk in connection_ids]
    events = Event.objects.filter(object_type="connection", object_id__in=ids, action=ASKED)
    last = events.filter(detail__user=person.email).order_by().values_list("object_id")
    return {int(pk): at for pk, at in last.annotate(Max("at"))}
