"""How integrations are changed after they are made, and how they end."""

from dataclasses import dataclass
from datetime import timedelta

from django.db import transaction
from django.db.models import QuerySet
from django.urls import reverse
from django.utils import timezone
from django.utils.text import get_text_list

from connhub.accounts import people
from connhub.accounts.grants import lock_admins
from connhub.accounts.models import Environment, User
from connhub.accounts.permissions import require
from connhub.audit.log import record
from connhub.connections.called import first_day, totals
from connhub.connections.models import Connection
from connhub.errors import Link, Refusal

from . import grouping, keys
from .models import Integration, Kind, Project
from .reach.drawing import counted
from .registration import (
    available_to_project_of,
    locked,
    registered_with,
    used_in,
)

RECENT = timedelta(days=7)
NAMED = 5


class StaysAnApp(Refusal):
    code = "stays-an-app"
    text = "An integration app can't be opened again: it comes with its connections."


class WouldStop(Refusal):
    """`connections` are available to the project that the integration would leave."""

    code = "would-stop"

    def __init__(self, connections: list[str]) -> None:
        super().__init__(
            f"It uses {get_text_list(connections, 'and')}, which only its project may use. Make "
            "that available to others, or take it out of use here, before you move it."
        )


class IntegrationInUse(Refusal):
    code = "integration-in-use"


@transaction.atomic
def edit(integration: Integration, *, name: str, project: Project, kind: str, by: User) -> None:
    """Change the name, move it to another project, or package it as an integration app.

    Raises:
        PermissionDenied: `by` is no admin of it, or the project is not theirs to bring it into.
        StaysAnApp: it is an integration app already.
        WouldStop: it uses what only the project that it would leave may use.
        IntegrationGone, ProjectGone: it was deleted meanwhile.
    """
    by = people.locked(by)
    integration = locked(integration)
    require(by, "integration.edit", integration)
    if integration.kind == Kind.APP != kind:
        raise StaysAnApp
    left = None if project.pk == integration.project_id else integration.project
    if left:
        project = grouping.opened(project, by)
        if names := [str(each) for each in stranded(integration)[:NAMED]]:
            raise WouldStop(names)
    values = {"name": name, "project": project, "kind": kind}
    changed = [field for field, value in values.items() if getattr(integration, field) != value]
    if not changed:
        return
    for field in changed:
        setattr(integration, field, values[field])
    integration.save(update_fields=changed)
    record("integration.edited", by=by, on=integration, fields=changed)
    if left:
        grouping.leave(left, by)


def stranded(integration: Integration) -> QuerySet[Connection]:
    """What it uses by its project alone, and couldn't use in another one."""
    of_project = Connection.objects.live().filter(available_to_project_of(integration))
    return of_project.filter(registered_with(integration) | used_in(integration)).order_by("name")


@transaction.atomic
def delete(integration: Integration, *, by: User) -> None:
    """Take an empty integration away: its keys end, its registrations and memberships go.

    Raises:
        PermissionDenied: `by` is no admin of it.
        IntegrationInUse: something is in it, or connections are available to it alone.
        IntegrationGone: it was deleted meanwhile.
    """
    lock_admins()
    by = people.locked(by)
    found = locked(integration)
    require(by, "integration.delete", found)
    if refusal := in_use(found, by):
        raise refusal
    keys.revoke_all(found, by=by)
    record("integration.deleted", by=by, on=found)
    found.availability_set.all().delete()
    project = found.project
    found.delete()
    grouping.leave(project, by)


def in_use(integration: Integration, by: User) -> IntegrationInUse | None:
    """The refusal that names what is in it, with links; None if nothing is."""
    parts: list[str] = []
    links: list[Link] = []
    for noun in ("flow", "app", "function"):
        things = getattr(integration, f"{noun}s").order_by("name")
        if number := things.count():
            names = ", ".join(map(str, things[:NAMED]))
            more = f" and {number - NAMED} more" if number > NAMED else ""
            parts.append(f"{counted(number, noun)} ({names}{more})")
            url = reverse(f"usage:{noun}s", args=[integration.slug])
            links.append((f"{noun.capitalize()}s of {integration}", url))
    only_here = Connection.objects.live().filter(availability__integration=integration)
    if number := only_here.count():
        parts.append(f"{counted(number, 'connection')} available to it alone")
        links += [
            (f"Who {each} is for", reverse("connection_availability", args=[each.link_name]))
            for each in only_here.filter(pk__in=Connection.objects.administered_by(by))[:NAMED]
        ]
    if not parts:
        return None
    held = get_text_list(parts, "and")
    return IntegrationInUse(
        f"It still has {held}. See to those first, then delete it.", links=links
    )


@dataclass(frozen=True, slots=True)
class Impact:
    """What ends with an integration; `calls` are those of the last 30 days."""

    registrations: int
    people: int
    keys: int
    calls: int


def impact_of(integration: Integration) -> Impact:
    """What its deletion would end, in a few queries."""
    called = totals("integration_id", integration=integration, day__gte=first_day())
    return Impact(
        registrations=integration.registrations.filter(connection__deleted_at=None).count(),
        people=integration.memberships.count(),
        keys=integration.keys.usable().count(),
        calls=sum(total.calls for total in called.values()),
    )


def used_lately(integration: Integration) -> Environment | None:
    """The highest environment, if a key for it was used in the last 7 days."""
    highest = Environment.objects.order_by("position").last()
    lately = integration.keys.filter(environment=highest, last_used_at__gt=timezone.now() - RECENT)
    return highest if lately.exists() else None
