"""Moving everything that uses one connection to another one of the same service."""

from dataclasses import dataclass

from django.db import transaction
from django.db.models import QuerySet

from connhub.accounts import people
from connhub.accounts.models import Environment, User
from connhub.accounts.permissions import require
from connhub.audit.log import Entry, record_all
from connhub.connections.listing import Stage, stages
from connhub.connections.models import Connection, Status
from connhub.errors import Refusal
from connhub.sharing import roles

from .availability import AVAILABILITY, audience_with
from .models import Integration, Kind, Registration
from .registration import AvailableElsewhere, RegistrationNotOffered, entry_of, insert, involving


class NotAReplacement(Refusal):
    code = "not-a-replacement"
    text = "Choose another live connection of the same service that you administer."


@dataclass(frozen=True, slots=True)
class Preview:
    """What a replacement would move, and in what the new connection falls short of the old one."""

    steps: int
    data_objects: int
    functions: int
    integrations: list[Integration]
    missing_scopes: list[str]
    worse: list[Stage]

    def __bool__(self) -> bool:
        return bool(self.steps or self.data_objects or self.functions or self.integrations)


def candidates(connection: Connection, by: User) -> QuerySet[Connection]:
    """What may take its place: live connections of the same service that `by` administers."""
    same = Connection.objects.live().filter(service=connection.service_id).exclude(pk=connection.pk)
    return same.filter(roles.administered_by(by, Connection)).order_by("name", "link_name")


def preview(old: Connection, new: Connection) -> Preview:
    """What `replace` would do; environments in which the old one works and the new one doesn't."""
    environments = list(Environment.objects.all())
    pairs = zip(stages(old, environments), stages(new, environments), strict=True)
    return Preview(
        steps=old.steps.count(),
        data_objects=old.data_objects.count(),
        functions=old.functions.count(),
        integrations=list(involving(old)),
        missing_scopes=[scope for scope in old.scopes if scope not in new.scopes],
        worse=[
            after for before, after in pairs if before.status == Status.CONNECTED != after.status
        ],
    )


@transaction.atomic
def replace(old: Connection, *, by_connection: Connection, by: User) -> None:
    """Make all steps, data objects, functions and registrations of `old` the other's.

    Calls that flows make from then on go over the new connection only if they name its link name;
    what is declared is moved here, code is not.

    Raises:
        PermissionDenied: `by` is no admin of the old connection.
        NotAReplacement: the other is of another service, gone, or not theirs.
        RegistrationNotOffered: an integration app uses the old one.
        AvailableElsewhere: the new one is narrowed to a project or integration that is not theirs.
    """
    by = people.locked(by)
    integrations = list(involving(old).select_for_update(of=("self",), no_key=True).order_by("pk"))
    new = _locked(old, by_connection, by)
    _require_room(integrations, new)
    moved = _move(old, new)
    registered = insert(integrations, [new], how=Registration.How.BY_HAND, by=by)
    Registration.objects.filter(connection=old).delete()
    replaced = Entry("connection.replaced", old, detail={"with": new.link_name, **moved})
    took_over = Entry("connection.took_over", new, detail={"from": old.link_name, **moved})
    record_all([*map(entry_of, registered), replaced, took_over], by=by)


def _locked(old: Connection, other: Connection, by: User) -> Connection:
    """The other one, both locked. Raises: PermissionDenied, NotAReplacement."""
    both = Connection.objects.filter(pk__in=[old.pk, other.pk])
    found = {
        each.pk: each for each in both.select_for_update(of=("self",), no_key=True).order_by("pk")
    }
    if old.pk not in found:
        raise NotAReplacement
    require(by, "connection.replace", found[old.pk])
    new = candidates(old, by).select_related(*AVAILABILITY).filter(pk=other.pk).first()
    if new is None:
        raise NotAReplacement
    return new


def _require_room(integrations: list[Integration], new: Connection) -> None:
    audience = audience_with(new)
    for integration in integrations:
        if integration.kind == Kind.APP:
            raise RegistrationNotOffered(
                f"{integration} is an integration app; its connections can't be changed by hand."
            )
        if not audience.includes(integration):
            raise AvailableElsewhere(f"{new} is not available to {integration}.")


def _move(old: Connection, new: Connection) -> dict[str, int]:
    """Point everything at the new one; a function that uses both doesn't use it twice."""
    both = new.function_uses.values("function")
    dropped, _ = old.function_uses.filter(function__in=both).delete()
    return {
        "steps": old.steps.update(connection=new),
        "data_objects": old.data_objects.update(connection=new),
        "functions": old.function_uses.update(connection=new) + dropped,
    }
