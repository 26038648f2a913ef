"""One call that a person makes over a connection and is shown: by the rules of the proxy, once."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace

from django.db import transaction
from requests import Response

from connhub import throttle
from connhub.accounts.models import Environment, User
from connhub.accounts.permissions import require
from connhub.audit.log import AuditUnavailable, record
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
from connhub.services.operations import FORM

from .access import Access, AddressIncomplete
from .answers import Answer, answer_of
from .auth import METHODS
from .auth.base import Injection
from .calling.injection import Injector
from .calling.limits import require_allowed
from .calling.paths import Base, require_canonical, require_query
from .calling.redaction import Redactor
from .calling.refusals import FormNeeded
from .models import Connection
from .refresh import fresh_access
from .testing import SignInFirst, turn

SAFE = ("GET", "HEAD", "OPTIONS")
DEADLINE_S = 30
MOST_READ = 2 * 2**20  # bytes of an answer, decompressed
MOST_A_MINUTE = 30
MASK = "__secret__"  # stands for a secret where it is encoded, `SHOWN` where people read it
SHOWN = "‹secret›"
UNRECORDED = "It was sent, but what came of it can't be put on record and is not shown."


class NotAnswered(Refusal):
    code = "not-answered"


class TooManyTries(Refusal):
    code = "too-many-tries"
    text = f"You made {MOST_A_MINUTE} calls in this minute. Wait until it is over."
    status = 429
    wait_s = throttle.MINUTE_S


@dataclass(frozen=True, slots=True)
class Asked:
    """What to call below the base URL; path and query are raw, as they are to be sent."""

    method: str
    path: str  # without its first slash
    query: str = ""
    headers: tuple[tuple[str, str], ...] = ()
    body: str = ""
    body_type: str = ""

    @property
    def is_unsafe(self) -> bool:
        """Whether it may change something (RFC 9110 section 9.2.1)."""
        return self.method not in SAFE


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


def send(
    asked: Asked,
    connection: Connection,
    *,
    environment: Environment,
    by: User,
    action: str,
    template: str = "",
) -> Answer:
    """Make the call once, with the connection's credential, within 30 s; redirects come back as such.

    Where the connection uses the credentials of login users, it is made with `by`'s own. Nothing
    of the request or the answer is kept. It is on record twice: as `action` before it is sent, with
    its path (or `template`, which it was made from), and with what came of it.

    Raises:
        PermissionDenied: `by` is no admin of the connection.
        BadPath, FormNeeded: it can't be sent like this.
        MethodNotAllowed, PathNotAllowed: the service is limited to others.
        TooManyTries, TooManyTests: not now.
        NotAnswered: it was sent to no avail.
        Refusal: the connection can't be used as it stands.
    """
    require(by, "connection.try", connection)
    require_canonical(asked.path.encode())
    require_query(asked.query.encode())
    require_allowed(Limits.of(connection.service), asked.method, asked.path)
    if throttle.count(f"tries of {by.pk}") > MOST_A_MINUTE:
        raise TooManyTries
    if connection.login_user and connection.credential_for(environment, by) is None:
        raise SignInFirst
    access = fresh_access(connection, environment, by)
    base, injector = _base(access), Injector(access.injection)
    request = _signed(_request(asked, base, injector), injector)
    shown = _shown(_request(asked, base, Injector(_masked(access))), request)
    path = injector.redactor.clean(asked.path.encode()).decode()
    detail = {"method": asked.method, "path": template or f"/{path}"}
    with turn():
        trial = Trial(connection, by, detail | {"environment": environment.slug})
        trial.note(action)
        return trial.answered(shown, request, injector.redactor)


@dataclass(frozen=True, slots=True, repr=False)
class Trial:
    """A call on its way, and what is put on record of it."""

    connection: Connection
    by: User
    detail: dict[str, str]

    @transaction.atomic
    def note(self, action: str, **facts: str | int) -> None:
        """Before the call too: what can't be put on record is not sent."""
        outcome = "failed" if "said" in facts else "ok"
        detail = self.detail | facts
        record(action, by=self.by, on=self.connection, outcome=outcome, detail=detail, change=False)

    def answered(self, shown: str, request: Request, redactor: Redactor) -> Answer:
        """Send it; what came of it is on record before anybody sees it. Raises: NotAnswered."""
        started = time.monotonic()
        try:
            response = _send(request)
        except NotAnswered as refusal:
            self.note("connection.try_ended", said=refusal.text)
            raise
        took_ms = round((time.monotonic() - started) * 1000)
        try:
            if redactor.found_in(_all_of(response)):
                self.note("credential.redacted")
            self.note("connection.try_ended", status=response.status_code, took_ms=took_ms)
        except AuditUnavailable:
            raise NotAnswered(UNRECORDED) from None
        return answer_of(response, shown, took_ms, redactor)


def _all_of(response: Response) -> bytes:
    head = "\n".join([response.reason or "", *response.headers.values()])
    return head.encode() + b"\n" + response.content


def _base(access: Access) -> Base:
    service = access.connection.service
    if not METHODS[access.connection.auth_method.kind].is_http:
        raise AddressIncomplete
    try:
        return Base.parse(access.base_url, plain_http=service.base_url.startswith("http://"))
    except guard.BadAddress:
        raise AddressIncomplete from None


def _request(asked: Asked, base: Base, injector: Injector) -> Request:
    body, body_type = asked.body.encode(), asked.body_type
    if injector.needs_form:
        if body_type not in ("", FORM):
            raise FormNeeded
        body, body_type = injector.form(body), FORM
    headers = {"accept": "application/json, */*;q=0.5", "user-agent": "ConnHub"}
    headers |= {name.lower(): value for name, value in asked.headers}
    headers |= {"content-type": body_type} if body else {}
    raw = [(name.encode(), value.encode()) for name, value in headers.items()]
    url = str(base.url(asked.path, injector.query(asked.query)))
    return Request(asked.method, url, dict(injector.headers(raw)), body)


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
