"""Trying one operation of a service over a connection, by somebody who administers it."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from urllib.parse import quote, urlencode

from django.db import transaction
from django.db.models import QuerySet
from requests import Response

from connhub.accounts.models import Environment, User
from connhub.accounts.permissions import require
from connhub.audit.log import record
from connhub.egress import guard
from connhub.egress.http import (
    AnswerTooLarge,
    BadAddress,
    GuardedSession,
    Unreachable,
    Unsendable,
)
from connhub.egress.timing import even_timing
from connhub.errors import Refusal
from connhub.services.limits import Limits
from connhub.services.models import Operation, Service
from connhub.services.operations import FORM, VARIABLE
from connhub.sharing import roles

from .access import Access, AddressIncomplete
from .auth import METHODS
from .auth.base import Injection
from .calling.injection import Injector
from .calling.limits import require_allowed
from .calling.paths import Base, require_canonical, require_query
from .calling.redaction import Redactor
from .calling.refusals import FormNeeded
from .models import Connection
from .refresh import fresh_access
from .testing import turn

DEADLINE_S = 30
MOST_READ = 2 * 2**20  # bytes of an answer, decompressed
MOST_SHOWN = 64 * 1024  # characters of it
MASK = "__secret__"  # stands for a secret where it is encoded, `SHOWN` where people read it
SHOWN = "‹secret›"
SHOWN_HEADERS = frozenset(
    [
        "content-type",
        "content-length",
        "content-language",
        "date",
        "etag",
        "last-modified",
        "location",
        "link",
        "allow",
        "retry-after",
        "vary",
        "cache-control",
        "expires",
        "x-request-id",
        "www-authenticate",
        "deprecation",
        "sunset",
    ]
)
SHOWN_PREFIXES = ("x-ratelimit-", "ratelimit", "x-rate-limit-", "x-total-")


class ActsForUsers(Refusal):
    code = "acts-for-users"
    text = "This connection acts for each login user, so its operations can't be tried here."


class NotAnswered(Refusal):
    code = "not-answered"


@dataclass(frozen=True, slots=True)
class Given:
    """What a person filled in: parameters as (name, value) pairs, and the body's text."""

    path: Mapping[str, str]
    query: tuple[tuple[str, str], ...] = ()
    headers: tuple[tuple[str, str], ...] = ()
    body: str = ""


@dataclass(frozen=True, slots=True, repr=False)
class Request:
    """One request as it is sent."""

    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes

    def __str__(self) -> str:
        lines = [f"{self.method} {self.url}"]
        lines += [f"{name}: {value}" for name, value in self.headers.items()]
        lines += ["", self.body.decode()] if self.body else []
        return "\n".join(lines)


@dataclass(frozen=True, slots=True)
class Answer:
    """What was sent, secrets replaced, and what came back of it, for the page alone."""

    sent: str
    status: int
    reason: str
    took_ms: int
    headers: list[tuple[str, str]]
    body: str
    note: str

    @property
    def ok(self) -> bool:
        return self.status < 400


def offered(service: Service, *, by: User) -> QuerySet[Connection]:
    """The connections of the service that the person administers."""
    mine = Connection.objects.live().filter(roles.administered_by(by, Connection))
    return mine.filter(service=service)


def send(
    operation: Operation,
    connection: Connection,
    given: Given,
    *,
    environment: Environment,
    by: User,
) -> Answer:
    """Make the call once, with the connection's credential, within 30 s; redirects come back as such.

    Nothing of the request or the answer is kept; the record names method and path template.

    Raises:
        PermissionDenied: `by` is no admin of the connection.
        ActsForUsers: the connection has no credential of its own.
        BadPath, FormNeeded: what was filled in can't be sent.
        MethodNotAllowed, PathNotAllowed: the service is limited to others.
        NotAnswered, TooManyTests: it was sent to no avail, or not at all.
        Refusal: the connection can't be used as it stands.
    """
    require(by, "connection.try_operation", connection)
    if connection.login_user:
        raise ActsForUsers
    access = fresh_access(connection, environment)
    base, injector = _base(access), Injector(access.injection)
    request = _signed(_request(operation, given, base, injector), injector)
    shown = _shown(_request(operation, given, base, Injector(_masked(access))), request)
    _note(operation, connection, environment, by)
    started = time.monotonic()
    with turn():
        response = _send(request)
    answer = _answer(response, shown, round((time.monotonic() - started) * 1000))
    return _redacted(answer, response, injector.redactor, connection, by)


def _base(access: Access) -> Base:
    service = access.connection.service
    if not METHODS[access.connection.auth_method.kind].is_http:
        raise AddressIncomplete
    try:
        return Base.parse(access.base_url, plain_http=service.base_url.startswith("http://"))
    except guard.BadAddress:
        raise AddressIncomplete from None


def _request(operation: Operation, given: Given, base: Base, injector: Injector) -> Request:
    path = VARIABLE.sub(lambda match: quote(given.path.get(match[1], ""), safe=""), operation.path)
    path = path.removeprefix("/")
    require_canonical(path.encode())
    require_allowed(Limits.of(operation.service), operation.method, path)
    query = urlencode(given.query, quote_via=quote)
    require_query(query.encode())
    body, body_type = given.body.encode(), operation.body_type
    if injector.needs_form:
        if body_type not in ("", FORM):
            raise FormNeeded
        body, body_type = injector.form(body), FORM
    headers = {"accept": "application/json, */*;q=0.5", "user-agent": "ConnHub"}
    headers |= {name.lower(): value for name, value in given.headers}
    headers |= {"content-type": body_type} if body else {}
    raw = [(name.encode(), value.encode()) for name, value in headers.items()]
    url = str(base.url(path, injector.query(query)))
    return Request(operation.method, url, dict(injector.headers(raw)), body)


def _signed(request: Request, injector: Injector) -> Request:
    if injector.sign is None:
        return request
    headers = list(request.headers.items())
    signed = injector.sign(request.method, request.url, headers, request.body)
    return replace(request, headers={**request.headers, **dict(signed)})


def _masked(access: Access) -> Injection:
    """The injection with nothing in it that is secret; header defaults as the service states them."""
    real = access.injection
    defaults = access.connection.auth_method.config.get("headers", {})
    return Injection(
        headers=tuple((name, MASK) for name, _ in real.headers),
        query=tuple((name, MASK) for name, _ in real.query),
        form=tuple((name, MASK) for name, _ in real.form),
        defaults=tuple(defaults.items()),
    )


def _shown(masked: Request, sent: Request) -> str:
    known = {name.lower() for name in masked.headers}
    added = {name: MASK for name in sent.headers if name.lower() not in known}
    shown = replace(masked, headers={**masked.headers, **added})
    return str(shown).replace(MASK, SHOWN)


@transaction.atomic
def _note(operation: Operation, connection: Connection, environment: Environment, by: User) -> None:
    """Before the call: what can't be put on record is not sent."""
    detail = {"method": operation.method, "path": operation.path, "environment": environment.slug}
    record("connection.operation_tried", by=by, on=connection, detail=detail, change=False)


def _send(request: Request) -> Response:
    try:
        with (
            even_timing(),
            GuardedSession(
                schemes=("https", "http"),  # as the base URL was allowed
                ports=guard.ANY_PORT,
                deadline=DEADLINE_S,
                max_bytes=MOST_READ,
            ) as session,
        ):
            return session.request(
                request.method, request.url, headers=request.headers, data=request.body or None
            )
    except (Unreachable, Unsendable, AnswerTooLarge, BadAddress) as error:
        raise NotAnswered(str(error)) from None


def _answer(response: Response, sent: str, took_ms: int) -> Answer:
    headers = [
        (name, value)
        for name, value in response.headers.items()
        if name.lower() in SHOWN_HEADERS or name.lower().startswith(SHOWN_PREFIXES)
    ]
    return Answer(sent, response.status_code, response.reason or "", took_ms, headers, "", "")


def _redacted(
    answer: Answer, response: Response, redactor: Redactor, connection: Connection, by: User
) -> Answer:
    """The answer with its body, and without the secret wherever that came back."""
    came_back = [response.reason or "", *response.headers.values()]
    if redactor.found_in("\n".join(came_back).encode() + response.content):
        with transaction.atomic():
            record("credential.redacted", by=by, on=connection, change=False)

    def clean(text: str) -> str:
        return redactor.clean(text.encode()).decode(errors="replace")

    body, note = _text_of(redactor.clean(response.content))
    return replace(
        answer,
        sent=clean(answer.sent),
        reason=clean(answer.reason),
        headers=[(name, clean(value)) for name, value in answer.headers],
        body=body,
        note=note,
    )


def _text_of(body: bytes) -> tuple[str, str]:
    """The body as far as it is text, and what there is to say about the rest."""
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = "\0"
    # In another coding a secret would not have been found.
    if "\0" in text:
        return "", f"The body is no text in UTF-8 and is not shown: {len(body):,} bytes."
    if len(text) > MOST_SHOWN:
        return text[:MOST_SHOWN], f"Cut here: the body has {len(body):,} bytes."
    return text, "" if text else "There is no body."
