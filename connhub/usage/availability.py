"""Who in the account a connection is for: everybody, one project, or one integration."""

from dataclasses import dataclass

from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import Q, QuerySet

from connhub.accounts import people
from connhub.accounts.models import User
from connhub.accounts.permissions import require
from connhub.audit.log import Entry, record_all
from connhub.connections.models import Connection

from . import grouping, policies
from .models import Availability, Integration, Project, Registration
from .registration import RegistrationNotOffered, entry_of, insert, involving, lock_for

# For `select_related`.
AVAILABILITY = ("availability__project", "availability__integration")


@dataclass(frozen=True, slots=True)
class Audience:
    """The whole account, unless a project or an integration is named."""

    project: Project | None = None
    integration: Integration | None = None

    def __str__(self):
        return str(self.project or self.integration or "Whole account")

    def includes(self, integration: Integration) -> bool:
        """Whether the integration belongs to it."""
        if self.project:
            return integration.project_id == self.project.pk
        return self.integration in (None, integration)


def audience_of(connection: Connection) -> Audience:
    stored = Availability.objects.filter(connection=connection)
    return _audience(stored.select_related("project", "integration").first())


def audience_with(connection: Connection) -> Audience:
    """The same for a connection that was read with its `AVAILABILITY`."""
    return _audience(getattr(connection, "availability", None))


def _audience(row: Availability | None) -> Audience:
    return Audience(row.project, row.integration) if row else Audience()


def losing(connection: Connection, audience: Audience) -> QuerySet[Integration]:
    """The integrations whose flows use it, or may, and could not any more."""
    using = involving(connection)
    if audience.project:
        return using.exclude(project=audience.project)
    return using.exclude(pk=audience.integration.pk) if audience.integration else using.none()


@transaction.atomic
def narrow(connection: Connection, to: Audience, *, by: User) -> None:
    """Make a connection available to a project, an integration (which registers it) or everybody.

    Integrations that it is then not available to can't call over it from the next call on.

    Raises:
        PermissionDenied: `by` is no admin of the connection, or the project or integration is
            not theirs to bring connections into.
        RegistrationNotOffered: it is an integration app.
        IntegrationGone, ProjectGone: it was deleted meanwhile.
    """
    by = people.locked(by)
    if to.integration:
        lock_for(to.integration, by=by)  # before the connection, as registering does
    connection = Connection.objects.locked(connection.pk)
    require(by, "connection.make_available", connection)
    if to.project:
        grouping.opened(to.project, by)
    record_all(_change(connection, audience_of(connection), to, by), by=by)


def copy(connection: Connection, made: Connection, by: User) -> list[Entry]:
    """Make a duplicate available to whom the connection is, and say so for the record.

    Where that is not theirs to bring connections into, it is for the whole account.
    """
    stored = Availability.objects.filter(connection=connection)
    theirs = Q(project=None) | Q(project__in=policies.projects_open_to(by))
    to = _audience(stored.filter(theirs).select_related("project", "integration").first())
    if to == Audience():
        return []
    try:
        if to.integration:
            lock_for(to.integration, by=by)
    except (PermissionDenied, RegistrationNotOffered):
        return []
    return _change(made, Audience(), to, by)


def _change(connection: Connection, before: Audience, to: Audience, by: User) -> list[Entry]:
    """Store it, and register the connection with the integration; what goes on record of both."""
    here = [to.integration] if to.integration else []
    new = insert(here, [connection], how=Registration.How.BY_HAND, by=by)
    entries = [entry_of(registration) for registration in new]
    if to != before:
        _store(connection, before, to)
        entries.append(Entry("connection.made_available", connection, detail={"to": str(to)}))
    return entries


def _store(connection: Connection, before: Audience, to: Audience) -> None:
    rows = Availability.objects.filter(connection=connection)
    only = {"project": to.project, "integration": to.integration}
    if to == Audience():
        rows.delete()
    elif before == Audience():
        rows.create(connection=connection, **only)
    else:
        rows.update(**only)
