"""Integrations of projects, and the people who have access to them."""

import secrets

from django.conf import settings
from django.core.exceptions import PermissionDenied
from django.db import IntegrityError, transaction
from django.db.models import Count, IntegerField, OuterRef, QuerySet, Subquery
from django.db.models.functions import Coalesce, Lower
from django.utils.text import slugify

from connhub.accounts import people
from connhub.accounts.models import User
from connhub.accounts.notifications import SHARED, tell
from connhub.accounts.permissions import require
from connhub.audit.log import record
from connhub.errors import Refusal
from connhub.paging import Order
from connhub.sharing import roles

from . import policies
from .models import (
    Flow,
    Integration,
    IntegrationKey,
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
        connection_count=_count(Registration.objects.filter(connection__deleted_at=None)),
        flow_count=_count(Flow.objects.all()),
        key_count=_count(IntegrationKey.objects.usable()),
        last_call_at=Subquery(used.values("last_used_at")[:1]),
    )


def _count(of_integration: QuerySet) -> Coalesce:
    counted = of_integration.filter(integration=OuterRef("pk")).order_by().values("integration")
    number = counted.annotate(number=Count("pk")).values("number")
    return Coalesce(Subquery(number, output_field=IntegerField()), 0)


@transaction.atomic
def create(name: str, *, slug: str, project: Project | str, by: User) -> Integration:
    """Make an integration, its creator the first admin, in a project or (a name) a new one.

    Raises:
        PermissionDenied: `by` may not make integrations, or not in that project.
        SlugTaken: another integration has the slug.
    """
    by = people.require_now(by, "integration.create")
    if isinstance(project, str):
        project = _new_project(project, by)
    elif not policies.projects_open_to(by).filter(pk=project.pk).exists():
        raise PermissionDenied
    try:
        with transaction.atomic():
            integration = Integration.objects.create(name=name, slug=slug, project=project)
    except IntegrityError:
        raise SlugTaken from None
    roles.grant(integration, by, by=by)
    record("integration.created", by=by, on=integration, fields=["name", "slug", "project"])
    return integration


def _new_project(name: str, by: User) -> Project:
    # A random ending, always: whether the plain slug was free would tell of projects unseen.
    slug = f"{slugify(name)[:40] or 'project'}-{secrets.token_hex(4)}"
    project = Project.objects.create(name=name, slug=slug)
    record("project.created", by=by, on=project, fields=["name"])
    return project


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
