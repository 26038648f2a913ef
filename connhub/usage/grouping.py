"""Projects, which integrations are grouped by: made, renamed, and deleted while empty."""

import secrets

from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.utils.text import slugify

from connhub.accounts import people
from connhub.accounts.models import User
from connhub.accounts.permissions import require
from connhub.audit.log import record
from connhub.errors import Refusal

from . import policies
from .models import Availability, Project


class ProjectGone(Refusal):
    code = "project-gone"
    text = "This project was deleted meanwhile. Reload the page."


class ProjectInUse(Refusal):
    code = "project-in-use"
    text = (
        "Only an empty project can be deleted. Delete its integrations or move them to another "
        "project, and make the connections that are available to it available to somebody else."
    )


@transaction.atomic
def create(name: str, *, by: User) -> Project:
    """Make an empty project, which is its maker's. Raises: PermissionDenied."""
    return make(name, people.require_now(by, "project.create"))


def make(name: str, by: User) -> Project:
    """As `create`, by somebody who was asked for already."""
    # A random ending, always: whether the plain slug was free would tell of projects unseen.
    slug = f"{slugify(name)[:40] or 'project'}-{secrets.token_hex(4)}"
    project = Project.objects.create(name=name, slug=slug, owner=by)
    record("project.created", by=by, on=project, fields=["name"])
    return project


@transaction.atomic
def rename(project: Project, *, to: str, by: User) -> None:
    """Give a project another name. Raises: PermissionDenied, ProjectGone."""
    by = people.locked(by)
    project = locked(project)
    require(by, "project.rename", project)
    if project.name != to:
        project.name = to
        project.save(update_fields=["name"])
        record("project.renamed", by=by, on=project, fields=["name"])


@transaction.atomic
def delete(project: Project, *, by: User) -> None:
    """Take an empty project away.

    Raises:
        PermissionDenied: `by` administers no integration of it, and it isn't theirs.
        ProjectInUse: it has integrations, or connections are available to it.
        ProjectGone: it was deleted meanwhile.
    """
    by = people.locked(by)
    project = locked(project)
    require(by, "project.delete", project)
    if is_in_use(project):
        raise ProjectInUse
    Availability.objects.filter(project=project).delete()
    record("project.deleted", by=by, on=project)
    project.delete()


def is_in_use(project: Project) -> bool:
    """Whether something belongs to it; deleted connections, which nobody gets back there, don't."""
    available = Availability.objects.filter(project=project, connection__deleted_at=None)
    return project.integrations.exists() or available.exists()


def locked(project: Project) -> Project:
    """The project as it is now; nobody deletes it until the commit. Raises: ProjectGone."""
    rows = Project.objects.select_for_update(of=("self",), no_key=True)
    found = rows.filter(pk=project.pk).first()
    if found is None:
        raise ProjectGone
    return found


def opened(project: Project, by: User) -> Project:
    """The project, `locked`, for somebody who may bring something into it.

    Raises: PermissionDenied, ProjectGone.
    """
    project = locked(project)
    if not policies.administers_project(by, project):
        raise PermissionDenied
    return project


def leave(project: Project, by: User) -> None:
    """Make it theirs who took its last integration out of it."""
    project = locked(project)
    if not project.integrations.exists():
        project.owner = by
        project.save(update_fields=["owner"])
