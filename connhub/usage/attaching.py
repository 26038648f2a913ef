"""Making a flow that stands alone one of an integration."""

from django.db import transaction

from connhub.accounts.models import User
from connhub.accounts.permissions import require
from connhub.audit.log import Entry, record_all
from connhub.connections.models import Connection

from .declaring import locked_thing, place_for, where
from .flows import SORT
from .models import Flow, Integration
from .selecting import Place, Selection, registered_by, select, select_locked


def selection_of(flow: Flow, place: Place) -> Selection:
    """What attaching the flow there would select, and register."""
    return select(_link_names(flow), place)


@transaction.atomic
def attach(flow: Flow, *, to: Integration, by: User) -> list[Connection]:
    """Make one's own standalone flow the integration's; what was registered by that.

    All that its steps use is registered with the integration, as if the flow were saved there:
    all or nothing.

    Raises:
        PermissionDenied: `by` may not save flows there, or the flow is not theirs.
        FlowGone: it doesn't stand alone any more.
        NotSelectable: a step's connection may not be used there, and not be registered either.
    """
    place = place_for(to, by=by)
    flow = locked_thing(SORT, flow, None)
    require(by, "standalone.save", flow)
    selection = select_locked(_link_names(flow), place)
    flow.integration, flow.owner = place.integration, None
    flow.save(update_fields=["integration", "owner"])
    attached = Entry("flow.attached", flow, detail=where(flow, place.integration))
    record_all([*registered_by(selection, place), attached], by=place.by)
    return selection.to_register


def _link_names(flow: Flow) -> set[str]:
    return set(flow.steps.values_list("connection__link_name", flat=True))
