"""The same done to many connections, and tests of many in the background."""

from datetime import datetime
from http import HTTPStatus
from typing import Any, Literal
from uuid import UUID

from django.http import Http404
from django.shortcuts import get_object_or_404
from ninja import Schema
from ninja import Status as Answer
from pydantic import Field

from connhub.connections import bulk, listing, tasks
from connhub.connections.bulk_tests import testing
from connhub.connections.bulk_tests.models import BulkTest, BulkTestRow
from connhub.connections.models import Connection
from connhub.connections.tagging import BadTags, parsed
from connhub.connections.views.bulk import MOST

from .bodies import Body
from .looking import Filters, filtered
from .refusals import InvalidFields
from .router import router
from .sharing import NewAdmins, chosen
from .tokens import Call
from .typed import query_of, require_valid

State = BulkTestRow.State


class ManyIn(Body):
    """What is done to which; each by itself, so that one that fails stops no other."""

    action: Literal["tag", "untag", "share", "enable", "disable", "delete", "register"]
    link_names: list[str] = Field(min_length=1, max_length=MOST)
    tags: list[str] = Field([], description="For tag and untag.")
    admins: NewAdmins | None = Field(None, description="For share.")
    integration: str = Field("", description="For register: its slug.")


class OutcomeOut(Schema):
    """What came of it for one."""

    link_name: str
    done: bool
    said: str


class OutcomeList(Schema):
    outcomes: list[OutcomeOut]


@router.post("/connections-bulk", response=OutcomeList, summary="Do the same to many")
def act_on_many(request: Call, body: ManyIn):
    """What would break calls of the highest environment is left alone."""
    action = bulk.ACTIONS[body.action]
    given = _given(request, body, action)
    outcomes = bulk.run(action, body.link_names, by=request.user, **given)
    if action.breaks:
        tasks.tell_providers()
    said = [{"link_name": o.link_name, "done": o.done, "said": o.text} for o in outcomes]
    return {"outcomes": said}


def _given(request: Call, body: ManyIn, action: bulk.Action) -> dict[str, Any]:
    """What the action has to be told. Raises: InvalidFields."""
    if action.takes_tags:
        return {"tags": _tags(body.tags)}
    if action.takes_admins:
        return {"admins": chosen(body.admins or NewAdmins())}
    if action.form is None:
        return {}
    form = action.form(query_of({"integration": body.integration}), by=request.user)
    require_valid(form)
    return form.cleaned_data


def _tags(tags: list[str]) -> list[str]:
    try:
        found = parsed(",".join(tags))
    except BadTags as refusal:
        raise InvalidFields({"tags": [refusal.text]}) from None
    if not found:
        raise InvalidFields({"tags": ["Name at least one tag."]})
    return found


class TestsIn(Body):
    """Which to test: these, or else what the filters of the list leave of yours."""

    link_names: list[str] = Field([], max_length=testing.MOST)
    filters: Filters | None = None


class TestRowOut(Schema):
    link_name: str
    state: str = Field(description="waiting, running, works, failed or not_tested")
    said: str
    took_ms: int


class TestsOut(Schema):
    """Tests in the background, up to four at a time."""

    id: UUID
    started_at: datetime
    done: bool
    tests: list[TestRowOut]


@router.post("/tests", response={202: TestsOut}, summary="Test many connections")
def start_tests(request: Call, body: TestsIn):
    """Ask for what came of it by its id, until it is `done`."""
    run = testing.start(_to_test(request, body), by=request.user, enqueue=tasks.enqueue_bulk_test)
    return Answer(HTTPStatus.ACCEPTED, _tests(run))


def _to_test(request: Call, body: TestsIn):
    if body.link_names:
        found = Connection.objects.visible_to(request.user).named(body.link_names)
        if found.count() < len(set(body.link_names)):
            raise Http404
        return found
    theirs = Connection.objects.administered_by(request.user)
    wanted = filtered(body.filters or Filters.model_validate({}), listing.Choices(theirs)).wanted
    return listing.filtered(theirs, wanted, request.user)


@router.get("/tests/{uuid:pk}", response=TestsOut, summary="What came of the tests")
def get_tests(request: Call, pk: UUID):
    """For a week, for whoever began them."""
    return _tests(get_object_or_404(BulkTest, pk=pk, user=request.user))


def _tests(run: BulkTest) -> dict[str, Any]:
    rows = list(run.rows.select_related("connection"))
    return {
        "id": run.pk,
        "started_at": run.started_at,
        "done": all(row.state not in (State.WAITING, State.RUNNING) for row in rows),
        "tests": [
            {
                "link_name": row.connection.link_name,
                "state": row.state,
                "said": row.said,
                "took_ms": row.took_ms,
            }
            for row in rows
        ],
    }
