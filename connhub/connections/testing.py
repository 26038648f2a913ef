"""Test Connection: what it did, how long it took and what came back; never the secret."""

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from threading import BoundedSemaphore
from typing import Any

from django.db import transaction
from django.utils import timezone
from requests import Response

from connhub.accounts.models import Environment, User
from connhub.audit.log import record
from connhub.egress import guard
from connhub.egress.http import AnswerTooLarge, Unreachable, Unsendable
from connhub.egress.timing import even_timing
from connhub.errors import Refusal
from connhub.services.addresses import Unfilled, fill
from connhub.services.models import AuthMethod, Service

from . import policies
from .access import base_url_for, injection_for, settings_for
from .auth import METHODS
from .auth.base import Granted
from .auth.provider import at
from .connecting import obtain
from .databases import DRIVERS
from .lifecycle import Details
from .models import Connection, Credential, Status
from .refresh import fresh_access
from .reports import Report, Step
from .sample_call import send

DEADLINE_S, QUEUE_S = 15, 5
_slots = BoundedSemaphore(4)


class NoTest(Refusal):
    code = "no-test"
    text = "This service has no test. The first call of a flow will show whether it works."


class SignInFirst(Refusal):
    code = "sign-in-first"
    text = "This connection is tested with your own credential. Sign in first, under Your sign-ins."


class TooManyTests(Refusal):
    code = "busy"
    text = "Several tests are running already. Try again in a few seconds."
    status = 503


def has_test(service: Service) -> bool:
    """Whether connections can be tested; an auth method's own test replaces the service's."""
    return bool(service.driver or service.test)


def test_of(method: AuthMethod) -> dict[str, Any]:
    """The request that tests connections of this method."""
    return method.config.get("test") or method.service.test


def test(connection: Connection, *, by: User, environment: Environment | None = None) -> Report:
    """Test a stored connection in one environment and keep the report as its last test.

    Where the connection uses the credentials of login users, `by`'s own is tested.

    Raises:
        PermissionDenied: `by` is no admin of the connection.
        NoTest, TooManyTests: it can't be tested, or not now.
        Refusal: there is nothing to test with (revoked, not connected …).
    """
    policies.require_admin(by, connection)
    if not has_test(connection.service):
        raise NoTest
    if connection.login_user and connection.credential_for(environment, by) is None:
        raise SignInFirst
    access = fresh_access(connection, environment, by)
    connection = access.connection
    stored = settings_for(connection, environment)
    report = run(
        connection.service,
        connection.auth_method,
        access.values,
        base_url_for(connection, stored, environment),
    )
    note(connection, report, by=by, credential=access.credential)
    return report


def run(
    service: Service,
    method: AuthMethod,
    values: Mapping[str, str],
    base_url: str = "",
    scopes: Sequence[str] = (),
) -> Report:
    """Make the service's test with these values; nothing is stored.

    A method that gets its token by a request of its own makes that first, unless there is one.

    Failures take about as long whatever the reason, so that nobody can map a network by them.
    """
    with turn():
        if service.driver:
            return _probe_database(service, method, values)
        return _call(method, {}, values, base_url or service.base_url, scopes)[0]


def rehearse(method: AuthMethod, details: Details) -> tuple[Report, Granted | None]:
    """The test of a connection before it is saved, and the token that it was made with, if any.

    Raises: TooManyTests.
    """
    service = method.service
    with turn():
        if service.driver:
            values = {**details.parameters, **details.secrets}
            return _probe_database(service, method, values), None
        return _call(method, details.parameters, details.secrets, service.base_url, details.scopes)


@contextmanager
def turn() -> Iterator[None]:
    """One of the four calls that people may make at once. Raises: TooManyTests, after 5 s."""
    if not _slots.acquire(timeout=QUEUE_S):
        raise TooManyTests
    try:
        yield
    finally:
        _slots.release()


def _probe_database(service: Service, method: AuthMethod, values: Mapping[str, str]) -> Report:
    driver = DRIVERS[service.driver]
    return driver.probe(*driver.parted(values))


def _call(
    method: AuthMethod,
    parameters: Mapping[str, str],
    secrets: Mapping[str, str],
    base_url: str,
    scopes: Sequence[str],
) -> tuple[Report, Granted | None]:
    test, values, granted = test_of(method), {**parameters, **secrets}, None
    started = time.monotonic()
    try:
        url = fill(base_url, values) + test["path"]
        target = guard.parse_url(url, ports=guard.ANY_PORT)
    except (Unfilled, guard.BadAddress) as error:
        return Report([Step("Address", "failed", _ms(started), str(error))]), None
    steps = [Step("Address", "ok", _ms(started), f"{target.host}, port {target.port}.")]

    if METHODS[method.kind].connects and "access_token" not in values:
        started = time.monotonic()
        try:
            with even_timing():
                granted = obtain(method, parameters, secrets, scopes)
        except Refusal as refusal:
            step = Step("Sign-in", "failed", _ms(started), refusal.text)
            return Report([*steps, step]), None
        values |= granted.secrets
        steps.append(Step("Sign-in", "ok", _ms(started), "The service gave a token."))
    injection = injection_for(method, values)
    started = time.monotonic()
    try:
        with even_timing():
            answer = send(test, url, injection, deadline_s=DEADLINE_S)
    except (Unreachable, Unsendable, AnswerTooLarge) as error:
        last = Step("Sample call", "failed", _ms(started), str(error))
    else:
        last = _judge(test, answer, _ms(started))
    return Report([*steps, last]), granted


def _judge(test: Mapping[str, Any], answer: Response, took_ms: int) -> Step:
    """Whether the answer is as expected; nothing of its body is told."""
    status = answer.status_code
    call = f"{test.get('method', 'GET')} {test['path']} answered {status}."
    if status in (test.get("expect") or range(200, 300)):
        if _says_so(test.get("expect_json"), answer):
            return Step("Sample call", "ok", took_ms, call)
        hint = "It says that it failed. Check the credentials, and their rights or scopes."
        return Step("Sample call", "failed", took_ms, call, hint)
    hints = {
        401: "The service doesn't accept the credentials. Check them for typing errors or reconnect.",
        403: "The credentials are known, but not allowed to do this. Check their rights or scopes.",
        404: "There is nothing at this address. Check the parameters.",
        429: "The service asks to slow down. Try again in a minute.",
    }
    hint = hints.get(status, "The service has a problem of its own." if status >= 500 else "")
    return Step("Sample call", "failed", took_ms, call, hint)


def _says_so(expected: Mapping[str, Any] | None, answer: Response) -> bool:
    """Whether the JSON of the answer holds what is expected of it."""
    if not expected:
        return True
    try:
        found = at(answer.json(), expected["path"])
    except (ValueError, RecursionError):
        return False
    return found == expected["equals"] if "equals" in expected else found is not None


@transaction.atomic
def note(
    connection: Connection, report: Report, *, by: User, credential: Credential | None
) -> None:
    """Keep the report as the last test of the credential, if it is still the one that was tested."""
    failure = report.failure
    if credential is not None:
        Connection.objects.locked(connection.pk)
        Credential.objects.filter(
            pk=credential.pk,
            payload_version=credential.payload_version,
            status__in=(Status.CONNECTED, Status.FAILING),
        ).update(
            tested_at=timezone.now(),
            test_report=report.as_json(),
            status=Status.FAILING if failure else Status.CONNECTED,
            last_error=failure.said[:300] if failure else "",
        )
        connection.sum_up()
    record(
        "connection.tested",
        by=by,
        on=connection,
        outcome="ok" if report.ok else "failed",
        detail={"took_ms": report.took_ms},
    )


def _ms(started: float) -> int:
    return round((time.monotonic() - started) * 1000)
