"""What somebody does who came by a connect link: open it, sign in or type secrets; nothing else."""

from collections.abc import Mapping
from datetime import timedelta
from http import HTTPStatus
from typing import Any

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from connhub.audit.context import current
from connhub.audit.log import record
from connhub.audit.models import Event
from connhub.connections import authorize, testing
from connhub.connections.access import (
    AddressIncomplete,
    AppMissing,
    CredentialIncomplete,
    CredentialUnreadable,
    base_url_for,
    settings_for,
)
from connhub.connections.attempts import note_failure
from connhub.connections.auth.base import Granted
from connhub.connections.connecting import ConnectFailed, given_back_unless_kept, obtain
from connhub.connections.editing import SecretAskedAgain, require_all
from connhub.connections.keeping import keep_anew
from connhub.connections.models import ConnectLink, Settings
from connhub.connections.pending import NothingToAuthorize
from connhub.connections.reports import Report
from connhub.errors import Refusal
from connhub.vault.keyring import digest

from . import validity
from .validity import LinkDead

TRIES, WITHIN = 10, timedelta(minutes=15)
REFUSED = "connect_link.refused"
COUNTED = ("connect_link.failed", "connection.authorization_started")
NOT_THEIRS = (
    *(AddressIncomplete, AppMissing, CredentialIncomplete, CredentialUnreadable),
    *(NothingToAuthorize, SecretAskedAgain),
)


class TooManyTries(Refusal):
    code = "too-many-tries"
    text = "Too many tries. Wait a quarter of an hour, then try again."
    status = HTTPStatus.TOO_MANY_REQUESTS
    wait_s = int(WITHIN.total_seconds())


class NotReady(Refusal):
    code = "connect-link-not-ready"
    text = "This can't be connected as it stands. Tell the person who sent you the link."


def open_link(token: str) -> ConnectLink:
    """The link that a token belongs to; that it was opened for the first time is on record.

    Raises:
        TooManyTries: ten were refused to this address within 15 minutes; nothing was looked up.
        LinkDead: it is unknown, or good for nothing any more; that is on record.
    """
    _require_patience(Q(action=REFUSED, ip=current.get().ip))
    link = ConnectLink.objects.for_use().filter(digest=digest(token)).first()
    try:
        if link is None:
            raise LinkDead("unknown")
        validity.require_valid(link, link.connection)
    except LinkDead as dead:
        _note_refusal(dead)
        raise
    _note_opening(link)
    return link


def _require_patience(tries: Q) -> None:
    if Event.objects.filter(tries, at__gt=timezone.now() - WITHIN).count() >= TRIES:
        raise TooManyTries


def _note_refusal(dead: LinkDead) -> None:
    on = dead.link.connection if dead.link else None
    record(REFUSED, by=dead.link, on=on, outcome="failed", detail={"why": dead.why}, change=False)


@transaction.atomic
def _note_opening(link: ConnectLink) -> None:
    if ConnectLink.objects.filter(pk=link.pk, opened_at=None).update(opened_at=timezone.now()):
        record("connect_link.opened", by=link, on=link.connection, change=False)


def valid(pk: str) -> ConnectLink:
    """The link, if it may still be used. Raises: LinkDead."""
    link = ConnectLink.objects.for_use().filter(pk=pk).first()
    if link is None:
        raise LinkDead("it is gone")
    validity.require_valid(link, link.connection)
    return link


def begin(link: ConnectLink, *, session_key: str, used_by: str = "") -> str:
    """The provider's URL for one attempt, bound to this session and link.

    Raises:
        LinkDead, TooManyTries: it may not be used, or not now.
        NotBegun: the provider refused, or gave no usable answer.
        NotReady: an admin of the connection has to mend it first.
    """
    _prepare(link, used_by)
    try:
        return authorize.start(
            link.connection, by=link, session_key=session_key, environment=link.environment
        )
    except NOT_THEIRS:
        raise NotReady from None


def give(link: ConnectLink, secrets: Mapping[str, str], *, used_by: str = "") -> None:
    """Take in what was typed, if the service lets it in; where it has a test, that says so.

    The service is asked for up to 35 s, with no lock held; of two people at once, one wins.

    Raises:
        LinkDead, TooManyTries: it may not be used, or not now.
        ConnectFailed: the service did not accept it; nothing was stored.
        NotReady: an admin of the connection has to mend it first.
    """
    _prepare(link, used_by)
    given = {name: value for name, value in secrets.items() if value}
    stored = settings_for(link.connection, link.environment)
    try:
        require_all(link.connection, given)
        method, scopes = link.connection.auth_method, link.connection.scopes
        granted = obtain(method, stored.parameters, given, scopes)
        with given_back_unless_kept(link.connection, stored.parameters, granted):
            report = _tested(link, stored, granted)
            _take_in(link, granted, report, stored, given)
    except ConnectFailed as failure:
        note_failure(link.connection, link, failure.text)
        raise
    except LinkDead as dead:
        note_failure(link.connection, link, dead.why)
        raise
    except NOT_THEIRS:
        raise NotReady from None


def _prepare(link: ConnectLink, used_by: str) -> None:
    """That there may be another try, and who says that they make it. Raises: as `begin` does."""
    validity.require_valid(link, link.connection)
    _require_patience(Q(actor_type="connectlink", actor_id=str(link.pk), action__in=COUNTED))
    ConnectLink.objects.open().filter(pk=link.pk).update(used_by=used_by)


def _tested(link: ConnectLink, stored: Settings, granted: Granted) -> Report | None:
    """The test that it passed, if the service has one. Raises: ConnectFailed."""
    connection = link.connection
    if not testing.has_test(connection.service):
        return None
    report = testing.run(
        connection.service,
        connection.auth_method,
        {**stored.parameters, **granted.secrets},
        base_url_for(connection, stored, link.environment),
        connection.scopes,
        granted.scopes,
    )
    if failure := report.failure:
        raise ConnectFailed(f"{failure.said} {failure.hint} Nothing was saved.".replace("  ", " "))
    return report


@transaction.atomic
def _take_in(
    link: ConnectLink,
    granted: Granted,
    report: Report | None,
    tried_with: Settings,
    given: Mapping[str, Any],
) -> None:
    link, connection = validity.locked(link)
    validity.require_valid(link, connection)
    stored = settings_for(connection, link.environment)
    if (stored.parameters, stored.base_url) != (tried_with.parameters, tried_with.base_url):
        raise ConnectFailed("The connection was changed meanwhile. Nothing was saved; try again.")
    credential = keep_anew(connection, granted, environment=link.environment, by=link, fields=given)
    if report:
        testing.note(connection, report, by=link, credential=credential)
    validity.use_up(link, connection)
