"""Making connections, and changing what they are."""

from functools import partial
from http import HTTPStatus
from typing import Annotated, Any

from django.conf import settings
from django.core.exceptions import PermissionDenied
from django.http import HttpResponse
from django.urls import reverse
from ninja import Header, Schema
from ninja import Status as Answer

from connhub.accounts.models import Environment
from connhub.accounts.permissions import may
from connhub.connections import creating, duplicating, editing, testing
from connhub.connections.access import main_settings
from connhub.connections.auth import is_interactive
from connhub.connections.create_form import CreateForm
from connhub.connections.edit_form import EditForm
from connhub.connections.inside import inside
from connhub.connections.lifecycle_forms import DuplicateForm
from connhub.connections.models import Connection
from connhub.connections.views.changing import administered, authorize_url, sign_change
from connhub.services.models import AuthMethod, Service

from ..openapi import may_refuse
from . import answers
from .bodies import Body, ChangeIn, NewIn, fields_of, named
from .looking import answer
from .refusals import InvalidFields, PreconditionFailed, TestFailed
from .router import router
from .tokens import Call
from .typed import query_of, require_valid, shown_by

IfMatch = Annotated[
    str | None,
    Header(alias="If-Match", description="The ETag of the only version that this is meant for."),
]
NO_SUCH_METHOD = "The service has no such auth method."


class RehearsalOut(answers.TestOut):
    environment: str | None


class RehearsalList(Schema):
    """The tests of what would be made, one for each place with credentials of its own."""

    ok: bool
    tests: list[RehearsalOut]


@router.post("/connections", response={201: answers.ConnectionOut}, summary="Create a connection")
def create_connection(
    request: Call, response: HttpResponse, body: NewIn, integration: str | None = None
):
    """As **Create and Connect** does: where there is a test, it comes first.

    With an auth method for which a person signs in at the service, it is not connected yet:
    `authorize_url` is the page where that person goes on. Made inside an `integration`, it is
    registered there.
    """
    form = _filled_in(request, body)
    rehearsals = _rehearse(form) if _has_test(form) else []
    if not (body.anyway or all(each.report.ok for each in rehearsals)):
        raise TestFailed(_reports(rehearsals))
    connection = creating.create(
        form.method,
        form.details,
        link_name=form.cleaned_data["link_name"],
        by=request.user,
        environment=form.chosen_environment,
        owns=form.given_owns,
        rehearsals=rehearsals,
        inside=form.inside,
        settle=partial(form.settle, by=request.user),
    )
    response["Location"] = url_of(connection)
    more = {}
    if is_interactive(form.method) and not connection.login_user:
        more["authorize_url"] = page_to_authorize(connection, form.chosen_environment)
    return Answer(HTTPStatus.CREATED, answer(request, response, connection.link_name, **more))


@router.post("/rehearsals", response=RehearsalList, summary="Test before creating")
def rehearse_connection(request: Call, body: NewIn):
    """Takes what creating takes, tests it and stores nothing."""
    form = _filled_in(request, body)
    if not _has_test(form):
        raise testing.NoTest
    rehearsals = _rehearse(form)
    tests = [{"environment": place, **report.as_json()} for place, report in _reports(rehearsals)]
    return {"ok": all(each["ok"] for each in tests), "tests": tests}


def _filled_in(request: Call, body: NewIn) -> CreateForm:
    """The valid form. Raises: InvalidFields; PermissionDenied, if they may not connect there."""
    method = _method(body)
    place = inside(request)
    blank = CreateForm(method=method, by=request.user, inside=place)
    said = fields_of(body, [scope["name"] for scope in method.scopes])
    shown = shown_by(blank)
    for own in blank.owns:
        shown |= {n: v for n, v in shown_by(own).items() if own.add_prefix("on") in said}
    if "scopes" in body.said:
        shown.pop("scopes", None)
    form = CreateForm(query_of(shown | said), method=method, by=request.user, inside=place)
    require_valid(form, said, named)
    if not may(request.user, "environment.connect_in", form.chosen_environment):
        raise PermissionDenied
    return form


def _method(body: NewIn) -> AuthMethod:
    service = Service.objects.listed().filter(slug=body.service).first()
    if service is None:
        raise InvalidFields({"service": ["There is no such service."]})
    offered = list(service.auth_methods.offered())
    wanted = body.auth_method
    found = next((m for m in offered if wanted in ("", m.kind, m.label)), None)
    if found is None:
        raise InvalidFields({"auth_method": [NO_SUCH_METHOD]})
    found.service = service
    return found


def _has_test(form: CreateForm) -> bool:
    is_testable = testing.has_test(form.service) and not is_interactive(form.method)
    return is_testable and not form.wants_login_user


def _rehearse(form: CreateForm) -> list[creating.Rehearsal]:
    return creating.rehearse(
        form.method, form.details, environment=form.chosen_environment, owns=form.given_owns
    )


def _reports(rehearsals: list[creating.Rehearsal]) -> list[tuple[str | None, Any]]:
    return [
        (each.environment.slug if each.environment else None, each.report) for each in rehearsals
    ]


def url_of(connection: Connection) -> str:
    """Where the API has it."""
    return (
        f"{settings.CONNHUB_URL}{reverse('admin-api:api-root')}connections/{connection.link_name}"
    )


def page_to_authorize(
    connection: Connection, environment: Environment | None, change: str = ""
) -> str:
    """Where a person goes on to the service; a signed `change` takes effect with that."""
    return settings.CONNHUB_URL + authorize_url(connection, environment, change=change)


@router.patch(
    "/connections/{slug:link_name}",
    response={200: answers.ConnectionOut, 202: answers.ConnectionOut},
    summary="Change a connection",
    **may_refuse(PreconditionFailed),
)
def change_connection(
    request: Call, response: HttpResponse, link_name: str, body: ChangeIn, if_match: IfMatch = None
):
    """Name, description, tags, access mode and new secrets hold at once.

    What a person has to authorize at the service first is answered with 202 and `authorize_url`,
    good for an hour; until then the old credential goes on working. Where a secret would go to
    another place, it has to be sent again.
    """
    connection = administered(request, link_name, to="edit")
    connection.auth_method.service = connection.service
    shown = shown_by(EditForm(connection=connection))
    said = fields_of(body, [scope["name"] for scope in connection.auth_method.scopes])
    version = {"version": seen_by(if_match, connection)}
    form = EditForm(query_of(shown | said | version), connection=connection)
    require_valid(form, {n: v for n, v in said.items() if n != "give_up"}, named)
    pending = editing.edit(
        connection, form.details, by=request.user, seen=form.cleaned_data["version"]
    )
    if not pending:
        return Answer(HTTPStatus.OK, answer(request, response, link_name))
    change = sign_change(request, connection, pending)
    url = page_to_authorize(connection, main_settings(connection).environment, change)
    return Answer(HTTPStatus.ACCEPTED, answer(request, response, link_name, authorize_url=url))


def seen_by(if_match: str | None, connection: Connection) -> int | None:
    """The version that the call is meant for; None: any. Raises: PreconditionFailed."""
    if if_match is None or if_match.strip() == "*":
        return None
    tag = if_match.strip().strip('"')
    if not (tag.isascii() and tag.isdigit() and int(tag[:10]) == connection.version):
        raise PreconditionFailed
    return connection.version


class CopyIn(Body):
    name: str
    link_name: str


@router.post(
    "/connections/{slug:link_name}/duplicate",
    response={201: answers.ConnectionOut},
    summary="Duplicate a connection",
)
def duplicate_connection(request: Call, response: HttpResponse, link_name: str, body: CopyIn):
    """With everything but its secret; you alone administer the copy."""
    connection = administered(request, link_name, to="duplicate")
    form = DuplicateForm(query_of(body.said))
    require_valid(form)
    made = duplicating.duplicate(connection, **form.cleaned_data, by=request.user)
    response["Location"] = url_of(made)
    return Answer(HTTPStatus.CREATED, answer(request, response, made.link_name))
