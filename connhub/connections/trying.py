"""Trying calls over a connection: an operation of its service, or any other call."""

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import quote, urlencode

from django.db.models import QuerySet

from connhub.accounts.models import Environment, User
from connhub.services.models import Operation, Service
from connhub.services.operations import VARIABLE
from connhub.sharing import roles

from . import sending
from .answers import Answer
from .models import Connection
from .sending import Asked


@dataclass(frozen=True, slots=True)
class Given:
    """What a person filled in: parameters as (name, value) pairs, and the body's text."""

    path: Mapping[str, str]
    query: tuple[tuple[str, str], ...] = ()
    headers: tuple[tuple[str, str], ...] = ()
    body: str = ""


def offered(service: Service, *, by: User) -> QuerySet[Connection]:
    """The connections of the service that the person administers."""
    mine = Connection.objects.live().filter(roles.administered_by(by, Connection))
    return mine.filter(service=service)


def try_operation(
    operation: Operation,
    connection: Connection,
    given: Given,
    *,
    environment: Environment,
    by: User,
) -> Answer:
    """Make the call that an operation describes; the record names its path template.

    Raises: as `sending.send` does.
    """
    path = VARIABLE.sub(lambda match: quote(given.path.get(match[1], ""), safe=""), operation.path)
    asked = Asked(
        operation.method,
        path.removeprefix("/"),
        urlencode(given.query, quote_via=quote),
        given.headers,
        given.body,
        operation.body_type,
    )
    return sending.send(
        asked,
        connection,
        environment=environment,
        by=by,
        action="connection.operation_tried",
        template=operation.path,
    )


def try_call(asked: Asked, connection: Connection, *, environment: Environment, by: User) -> Answer:
    """Make any call to the service; the record names its path, without the query.

    Raises: as `sending.send` does.
    """
    return sending.send(
        asked, connection, environment=environment, by=by, action="connection.call_tried"
    )
