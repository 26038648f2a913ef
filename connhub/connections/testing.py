"""Test Connection: what it did, how long it took and what came back; never the secret."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from threading import BoundedSemaphore

from django.db import transaction
from django.utils import timezone

from connhub.accounts.models import Environment, User
from connhub.accounts.permissions import require
from connhub.audit.log import record
from connhub.errors import Refusal
from connhub.services.models import AuthMethod, Service

from .access import base_url_for, settings_for
from .auth.base import Granted
from .databases import DRIVERS
from .models import Connection, ConnectLink, Credential, Status
from .probing import Scopes, probe
from .refresh import fresh_access
from .reports import Report

QUEUE_S = 5
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
    wait_s = 5


def has_test(service: Service) -> bool:
    """Whether connections can be tested; an auth method's own test replaces the service's."""
    return bool(service.driver or service.test)


def test(connection: Connection, *, by: User, environment: Environment | None = None) -> Report:
    """Test a stored connection in one environment and keep the report as its last test.

    Where the connection uses the credentials of login users, `by`'s own is tested.

    Raises:
        PermissionDenied: `by` is no admin of the connection.
        NoTest, TooManyTests: it can't be tested, or not now.
        Refusal: there is nothing to test with (revoked, not connected …).
    """
    require(by, "connection.test", connection)
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
        connection.scopes,
        access.credential.scopes_granted if access.credential else (),
    )
    note(connection, report, by=by, credential=access.credential)
    return report


def run(
    service: Service,
    method: AuthMethod,
    values: Mapping[str, str],
    base_url: str = "",
    scopes: Sequence[str] = (),
    granted: Sequence[str] = (),
) -> Report:
    """Make the service's test with these values; nothing is stored.

    A method that gets its token by a request of its own makes that first, unless there is one.

    Failures take about as long whatever the reason, so that nobody can map a network by them.
    """
    with turn():
        if service.driver:
            return _probe_database(service, method, values)
        return probe(method, {}, values, base_url or service.base_url, Scopes(scopes, granted))[0]


def rehearse(
    method: AuthMethod,
    parameters: Mapping[str, str],
    secrets: Mapping[str, str],
    base_url: str,
    scopes: Sequence[str],
) -> tuple[Report, Granted | None]:
    """The test of a connection before it is saved, and the token that it was made with, if any.

    Raises: TooManyTests.
    """
    service = method.service
    with turn():
        if service.driver:
            return _probe_database(service, method, {**parameters, **secrets}), None
        return probe(method, parameters, secrets, base_url, Scopes(scopes))


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


@transaction.atomic
def note(
    connection: Connection, report: Report, *, by: User | ConnectLink, credential: Credential | None
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
            **_certificate(report),
        )
        connection.sum_up()
    record(
        "connection.tested",
        by=by,
        on=connection,
        outcome="ok" if report.ok else "failed",
        detail={"took_ms": report.took_ms},
    )


def _certificate(report: Report) -> dict[str, datetime]:
    """What a test saw of it; one that did not get that far says nothing about the last one."""
    return {"certificate_ends_at": report.certificate_ends_at} if report.certificate_ends_at else {}
