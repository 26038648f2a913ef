"""The credentials of connections: new ones, those of one environment, and rotation."""

from datetime import datetime
from http import HTTPStatus
from typing import Annotated

from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404
from ninja import Query, Schema
from ninja import Status as Answer
from pydantic import Field

from connhub.accounts.models import Environment
from connhub.accounts.permissions import require
from connhub.connections import editing, login_users, own_settings, rotation
from connhub.connections.auth import is_interactive
from connhub.connections.environment_form import OwnForm
from connhub.connections.lifecycle_forms import ReconnectForm
from connhub.connections.models import Connection, Status
from connhub.connections.rotation_forms import GraceForm, NextValueForm
from connhub.connections.views.changing import administered, environment_of, sign_change

from ..openapi import may_refuse
from . import answers
from .bodies import Body, OwnIn, SecretsIn, fields_of, named
from .looking import answer
from .making import IfMatch, page_to_authorize, seen_by
from .refusals import PreconditionFailed
from .router import router
from .tokens import Call
from .typed import query_of, require_valid, shown_by

Place = Annotated[str, Query(description="An environment's slug; by default what it is made for.")]


def _placed(request: Call, link_name: str, to: str) -> tuple[Connection, Environment | None]:
    """The connection and the environment that the query names, where they may connect."""
    connection = administered(request, link_name, to=to)
    place = environment_of(request, connection)
    require(request.user, "environment.connect_in", place)
    return connection, place


def _typed(body: SecretsIn) -> dict:
    """What the forms that ask for secrets alone are sent."""
    return {**body.secrets, **({"ends_on": body.ends_on} if body.ends_on else {})}


def _secret(field: str) -> str:
    return field if field in ("ends_on", "version") else f"secrets.{field}"


@router.post(
    "/connections/{slug:link_name}/reconnect",
    response={200: answers.ConnectionOut, 202: answers.ConnectionOut},
    summary="Give new credentials",
    **may_refuse(PreconditionFailed),
)
def reconnect_connection(
    request: Call,
    response: HttpResponse,
    link_name: str,
    body: SecretsIn,
    environment: Place = "",
    if_match: IfMatch = None,
):
    """New secrets alone. Where a person signs in at the service, 202 and `authorize_url`: where to.

    Where each user signs in for themself, it opens a revoked connection again.
    """
    connection, place = _placed(request, link_name, "reconnect")
    if connection.login_user:
        if connection.status != Status.CONNECTED:
            login_users.reopen(connection, by=request.user)
        return Answer(HTTPStatus.OK, answer(request, response, link_name))
    if is_interactive(connection.auth_method):
        url = page_to_authorize(connection, place)
        return Answer(HTTPStatus.ACCEPTED, answer(request, response, link_name, authorize_url=url))
    said = _typed(body)
    sent = query_of(said | {"version": seen_by(if_match, connection)})
    form = ReconnectForm(sent, connection=connection, environment=place)
    require_valid(form, said, _secret)
    editing.reconnect(
        connection,
        form.secrets,
        by=request.user,
        environment=place,
        seen=form.cleaned_data["version"],
        ends_at=form.ends_at,
    )
    return Answer(HTTPStatus.OK, answer(request, response, link_name))


@router.put(
    "/connections/{slug:link_name}/environments/{slug:slug}",
    response={200: answers.ConnectionOut, 202: answers.ConnectionOut},
    summary="Give one environment its own",
    **may_refuse(PreconditionFailed),
)
def set_environment(
    request: Call,
    response: HttpResponse,
    link_name: str,
    slug: str,
    body: OwnIn,
    if_match: IfMatch = None,
):
    """Endpoint, parameters and secrets in place of those for all environments.

    Where a person signs in at the service, it takes effect with that: 202 and `authorize_url`.
    """
    connection, stage = _stage(request, link_name, slug)
    shown = shown_by(OwnForm(connection=connection, environment=stage))
    said = fields_of(body)
    version = {"version": seen_by(if_match, connection)}
    form = OwnForm(query_of(shown | said | version), connection=connection, environment=stage)
    require_valid(form, said, named)
    pending = own_settings.give(connection, stage, **form.given, by=request.user)
    if not pending:
        return Answer(HTTPStatus.OK, answer(request, response, link_name))
    url = page_to_authorize(connection, stage, sign_change(request, connection, pending))
    return Answer(HTTPStatus.ACCEPTED, answer(request, response, link_name, authorize_url=url))


@router.delete(
    "/connections/{slug:link_name}/environments/{slug:slug}",
    response=answers.ConnectionOut,
    summary="Have one environment use what is for all",
)
def drop_environment(request: Call, response: HttpResponse, link_name: str, slug: str):
    """Its own secret is destroyed, here and at the service."""
    connection, stage = _stage(request, link_name, slug)
    own_settings.drop(connection, stage, by=request.user)
    return answer(request, response, link_name)


def _stage(request: Call, link_name: str, slug: str) -> tuple[Connection, Environment]:
    connection = administered(request, link_name, to="set_environment")
    connection.auth_method.service = connection.service
    stage = get_object_or_404(Environment, slug=slug)
    require(request.user, "environment.connect_in", stage)
    return connection, stage


class RotationOut(Schema):
    """What the second slot of a credential holds."""

    phase: str = Field(description="next: the value that comes; old: the one kept for a while.")
    stored_at: datetime | None
    grace_ends_at: datetime | None
    tested_at: datetime | None
    test: answers.TestOut | None


def _slot(connection: Connection, place: Environment | None) -> dict:
    slot = rotation.going_on(connection, place)
    if slot is None:
        raise Http404
    return {
        "phase": slot.phase,
        "stored_at": slot.stored_at,
        "grace_ends_at": slot.grace_ends_at,
        "tested_at": slot.tested_at,
        "test": slot.test_report or None,
    }


ROTATION = "/connections/{slug:link_name}/rotation"


@router.get(ROTATION, response=RotationOut, summary="The rotation under way")
def get_rotation(request: Call, link_name: str, environment: Place = ""):
    """Not found, if there is none."""
    return _slot(*_placed(request, link_name, "rotate"))


@router.put(ROTATION, response=RotationOut, summary="Give the next value")
def give_next_value(request: Call, link_name: str, body: SecretsIn, environment: Place = ""):
    """Calls go on with the value that there is."""
    connection, place = _placed(request, link_name, "rotate")
    said = _typed(body)
    form = NextValueForm(query_of(said), connection=connection, environment=place)
    require_valid(form, said, _secret)
    rotation.give(
        connection, form.secrets, by=request.user, environment=place, ends_at=form.ends_at
    )
    return _slot(connection, place)


@router.post(f"{ROTATION}/test", response=answers.TestOut, summary="Test the next value")
def test_next_value(request: Call, link_name: str, environment: Place = ""):
    """As a connection is tested, with the value that comes."""
    connection, place = _placed(request, link_name, "rotate")
    return rotation.test(connection, by=request.user, environment=place).as_json()


class SwitchIn(Body):
    hours: int = Field(24, description="For how long the old value is kept: 1, 24 or 168.")


@router.post(f"{ROTATION}/switch", response=RotationOut, summary="Switch to the next value")
def switch_value(request: Call, link_name: str, body: SwitchIn, environment: Place = ""):
    """Calls use it from now on; the old one is kept, to roll back to."""
    connection, place = _placed(request, link_name, "rotate")
    form = GraceForm(query_of({"hours": body.hours}))
    require_valid(form)
    rotation.switch(connection, by=request.user, environment=place, grace=form.grace)
    return _slot(connection, place)


@router.post(f"{ROTATION}/roll-back", response=RotationOut, summary="Roll back to the old value")
def roll_back_value(request: Call, link_name: str, environment: Place = ""):
    """The other one becomes the next value."""
    connection, place = _placed(request, link_name, "rotate")
    rotation.roll_back(connection, by=request.user, environment=place)
    return _slot(connection, place)


@router.delete(ROTATION, response={204: None}, summary="End the rotation")
def end_rotation(request: Call, link_name: str, environment: Place = ""):
    """Destroys what the second slot holds: the next value, or the old one before its time."""
    connection, place = _placed(request, link_name, "rotate")
    rotation.discard(connection, by=request.user, environment=place)
