"""Test Connection: what it did, how long it took and what came back; never the secret."""

import time
from collections.abc import Mapping, Sequence
from threading import BoundedSemaphore

from django.db import transaction
from django.utils import timezone

from connhub.accounts.models import Environment, User
from connhub.audit.log import record
from connhub.egress import guard
from connhub.egress.http import AnswerTooLarge, GuardedSession, Unreachable, Unsendable
from connhub.egress.timing import even_timing
from connhub.errors import Refusal
from connhub.services.addresses import Unfilled, fill
from connhub.services.models import AuthMethod, Service

from . import policies
from .access import (
    AddressIncomplete,
    base_url_for,
    injection_for,
    prepare,
    require_usable,
    settings_for,
)
from .auth import METHODS
from .auth.base import Injection
from .connecting import obtain
from .databases import DRIVERS
from .models import Connection, Credential, Status
from .refresh import ensure_fresh
from .reports import Report, Step

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
    return bool(service.driver or service.test)


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
    credential = connection.credential_for(environment, by)
    if connection.login_user and credential is None:
        raise SignInFirst
    require_usable(connection, credential)
    if credential is not None:
        credential = ensure_fresh(credential)
        connection = credential.connection
    try:
        access = prepare(connection, environment, by)
    except Unfilled:
        raise AddressIncomplete from None
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
    if not _slots.acquire(timeout=QUEUE_S):
        raise TooManyTests
    try:
        if service.driver:
            return _probe_database(service, method, values)
        return _call(service, method, values, base_url or service.base_url, scopes)
    finally:
        _slots.release()


def _probe_database(service: Service, method: AuthMethod, values: Mapping[str, str]) -> Report:
    driver = DRIVERS[service.driver]
    secret_names = {item.name for item in driver.fields if item.secret}
    secrets = {name: value for name, value in values.items() if name in secret_names}
    parameters = {name: value for name, value in values.items() if name not in secret_names}
    return driver.probe(parameters, secrets)


def _call(
    service: Service,
    method: AuthMethod,
    values: Mapping[str, str],
    base_url: str,
    scopes: Sequence[str],
) -> Report:
    started = time.monotonic()
    try:
        url = fill(base_url, values) + service.test["path"]
        target = guard.parse_url(url, ports=guard.ANY_PORT)
    except (Unfilled, guard.BadAddress) as error:
        return Report([Step("Address", "failed", _ms(started), str(error))])
    steps = [Step("Address", "ok", _ms(started), f"{target.host}, port {target.port}.")]

    if METHODS[method.kind].connects and "access_token" not in values:
        started = time.monotonic()
        try:
            with even_timing():
                values = obtain(method, {}, values, scopes).secrets
        except Refusal as refusal:
            return Report([*steps, Step("Sign-in", "failed", _ms(started), refusal.text)])
        steps.append(Step("Sign-in", "ok", _ms(started), "The service gave a token."))
    injection = injection_for(method, values)
    started = time.monotonic()
    try:
        with even_timing():
            status = _send(service, url, injection)
    except (Unreachable, Unsendable, AnswerTooLarge) as error:
        return Report([*steps, Step("Sample call", "failed", _ms(started), str(error))])
    return Report([*steps, _judge(service, status, _ms(started))])


def _send(service: Service, url: str, injection: Injection) -> int:
    verb = service.test.get("method", "GET")
    headers = {"Accept": "application/json", "User-Agent": "ConnHub"}
    headers |= dict(injection.defaults) | dict(injection.headers)
    if injection.sign:
        headers |= dict(injection.sign(verb, url, list(headers.items()), b""))
    with GuardedSession(deadline=DEADLINE_S, ports=guard.ANY_PORT, max_bytes=2**20) as session:
        answer = session.request(
            verb,
            url,
            headers=headers,
            params=injection.query,
            data=dict(injection.form) or None,
        )
    return answer.status_code


def _judge(service: Service, status: int, took_ms: int) -> Step:
    call = f"{service.test.get('method', 'GET')} {service.test['path']} answered {status}."
    expected = service.test.get("expect") or range(200, 300)
    if status in expected:
        return Step("Sample call", "ok", took_ms, call)
    hints = {
        401: "The service doesn't accept the credentials. Check them for typing errors or reconnect.",
        403: "The credentials are known, but not allowed to do this. Check their rights or scopes.",
        404: "There is nothing at this address. Check the parameters.",
        429: "The service asks to slow down. Try again in a minute.",
    }
    hint = hints.get(status, "The service has a problem of its own." if status >= 500 else "")
    return Step("Sample call", "failed", took_ms, call, hint)


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
