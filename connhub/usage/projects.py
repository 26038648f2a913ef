"""Integrations of projects, and the people who have access to them."""

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import Count, IntegerField, OuterRef, QuerySet, Subquery
from django.db.models.functions import Coalesce, Lower

from connhub.accounts import people
from connhub.accounts.models import User
from connhub.accounts.notifications import SHARED, tell
from connhub.accounts.permissions import require
from connhub.audit.log import record
from connhub.errors import Refusal
from connhub.paging import Order
from connhub.sharing import roles

from . import grouping
from .models import (
    Flow,
    Integration,
    IntegrationKey,
    Kind,
    Membership,
    Project,
    Registration,
)
from .registration import locked

BY_NAME = Order("name", Lower("name"), "slug")
BY_LINK_NAME = Order("name", Lower("name"), "link_name")


class SlugTaken(Refusal):
    code = "slug-taken"
    text = "This slug can't be used. Choose another."


class NotAMember(Refusal):
    code = "not-a-member"
    text = "This person is not a member any more. Reload the page."


def for_listing(integrations: QuerySet[Integration]) -> QuerySet[Integration]:
    """With what a row of the list shows, in one query however long the list."""
    keys = IntegrationKey.objects.filter(integration=OuterRef("pk"))
    used = keys.exclude(last_used_at=None).order_by("-last_used_at")
    return integrations.select_related("project").annotate(
        connection_count=count_of(Registration.objects.filter(connection__deleted_at=None)),
        flow_count=count_of(Flow.objects.all()),
        key_count=count_of(IntegrationKey.objects.usable()),
        last_call_at=Subquery(used.values("last_used_at")[:1]),
    )


def count_of(things: QuerySet, by: str = "integration") -> Coalesce:
    """How many of them each of the query around has."""
    counted = things.filter(**{by: OuterRef("pk")}).order_by().values(by)
    number = counted.annotate(number=Count("pk")).values("number")
    return Coalesce(Subquery(number, output_field=IntegerField()), 0)


@transaction.atomic
def create(
    name: str,
    *,
    slug: str,
    project: Project | str,
    kind: str = Kind.INTEGRATION,
    by: User,
) -> Integration:
    """Make an integration, its creator the first admin, in a project or (a name) a new one.

    Raises:
        PermissionDenied: `by` may not make integrations, or not in that project.
        ProjectGone: the project was deleted meanwhile.
        SlugTaken: another integration has the slug.
    """
    by = people.require_now(by, "integration.create")
    if isinstance(project, str):
        project = grouping.make(project, by)
    else:
        project = grouping.opened(project, by)
    try:
        with transaction.atomic():
            integration = Integration.objects.create(
                name=name, slug=slug, project=project, kind=kind
            )
    except IntegrityError:
        raise SlugTaken from None
    roles.grant(integration, by, by=by)
    record("integration.created", by=by, on=integration, fields=["name", "slug", "project", "kind"])
    return integration


@transaction.atomic
def add_member(integration: Integration, user: User, *, by: User) -> bool:
    """Give a person access to the integration, of which they are told by letter.

    False if they were a member already.

    Raises:
        PermissionDenied: `by` is no admin of the integration.
    """
    by = people.locked(by)
    integration = locked(integration)
    require(by, "integration.change_members", integration)
    _, created = Membership.objects.get_or_create(integration=integration, user=user)
    if created:
        record("member.added", by=by, on=integration, detail={"member": user.email})
        _write_to(user, integration, by)
    return created


def _write_to(person: User, integration: Integration, by: User) -> None:
    """Tell somebody that they are a member now, if they want to know."""
    if person.pk == by.pk:
        return
    url = settings.CONNHUB_URL + integration.get_absolute_url()
    context = {"by": by, "integration": integration, "person": person, "url": url}
    subject = f"{by} made you a member of {integration}"
    tell(person, SHARED, subject, "usage/new_member.txt", context)


@transaction.atomic
def remove_member(integration: Integration, user: User, *, by: User) -> None:
    """Take a person's access away, from the next request on.

    Raises:
        PermissionDenied: `by` is no admin of the integration.
        NotAMember: they have no membership.
    """
    by = people.locked(by)
    integration = locked(integration)
    require(by, "integration.change_members", integration)
    deleted, _ = Membership.objects.filter(integration=integration, user=user).delete()
    if not deleted:
        raise NotAMember
    record("member.removed", by=by, on=integration, detail={"member": user.email})
