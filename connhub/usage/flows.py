"""Flows: which steps they have, each over a connection."""

from collections.abc import Sequence
from dataclasses import dataclass
from http import HTTPStatus

from django.db import transaction

from connhub.accounts import people
from connhub.accounts.models import User
from connhub.audit.log import record
from connhub.errors import Refusal

from . import declaring
from .declaring import OnlyIf, Saved, Sort, locked_to_remove, where
from .models import Flow, Integration, IntegrationKey


class FlowSlugTaken(Refusal):
    code = "flow-slug-taken"
    text = "This flow slug can't be used. Choose another."


class FlowGone(Refusal):
    code = "flow-gone"
    text = "This flow was deleted, attached or detached meanwhile. Reload the page."


class NoSuchFlow(Refusal):
    code = "no-such-flow"
    text = "The key's integration has no flow of this slug. Check the slug."
    status = HTTPStatus.NOT_FOUND


@dataclass(frozen=True, slots=True)
class DeclaredStep:
    """An export or import, and the link name of the connection it goes over."""

    name: str
    kind: str
    connection: str

    @property
    def key(self) -> str:
        return self.name


SORT = Sort(
    Flow,
    uses="steps",
    use=DeclaredStep,
    taken=FlowSlugTaken,
    gone=FlowGone,
    absent=NoSuchFlow,
    saved="flow.saved",
    deleted="flow.deleted",
    transferred="flow.transferred",
    reserved=("new", "attach"),
)


def declare(
    slug: str,
    *,
    name: str,
    steps: Sequence[DeclaredStep],
    by: IntegrationKey,
    only_if: OnlyIf | None = None,
) -> Saved:
    """Save a flow of the key's integration. Raises: as `declaring.declare` does."""
    return declaring.declare(SORT, slug, name=name, uses=steps, by=by, only_if=only_if)


def create(
    slug: str,
    *,
    name: str,
    steps: Sequence[DeclaredStep],
    integration: Integration | None,
    by: User,
) -> Saved:
    """Make a flow. Raises: as `declaring.create` does."""
    return declaring.create(SORT, slug, name=name, uses=steps, integration=integration, by=by)


def save(flow: Flow, *, name: str, steps: Sequence[DeclaredStep], by: User) -> Saved:
    """Make the flow's name and steps these. Raises: as `declaring.save` does."""
    return declaring.save(SORT, flow, name=name, uses=steps, by=by)


def delete(flow: Flow, *, by: User) -> None:
    """Take a flow away, with its steps. Raises: as `declaring.delete` does."""
    declaring.delete(SORT, flow, by=by)


@transaction.atomic
def detach(flow: Flow, *, by: User) -> None:
    """Make a flow of an integration stand alone, as one of the person who does it.

    What the integration could call over for this flow's sake alone, it can't any more.

    Raises: PermissionDenied, FlowGone.
    """
    by = people.locked(by)
    if flow.integration is None:
        raise FlowGone
    flow = locked_to_remove(SORT, flow, by)
    integration, flow.integration, flow.owner = flow.integration, None, by
    flow.save(update_fields=["integration", "owner"])
    record("flow.detached", by=by, on=flow, detail=where(flow, integration))
