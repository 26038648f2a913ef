"""A new connection with all that its form says: for all environments, for some, and for whom."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from django.db import transaction

from connhub.accounts import people
from connhub.accounts.models import Environment, User
from connhub.accounts.permissions import require
from connhub.services.models import AuthMethod

from . import lifecycle, own_settings, testing
from .access import base_url_for
from .auth import is_interactive
from .auth.base import Granted
from .connecting import ConnectFailed, obtain
from .inside import Inside
from .lifecycle import Details
from .models import Connection, Settings
from .reports import Report


@dataclass(repr=False)
class Own:
    """What one environment has in place of what is for all; secrets are in clear."""

    environment: Environment
    parameters: Mapping[str, str] = field(default_factory=dict)
    secrets: Mapping[str, str] = field(default_factory=dict)
    base_url: str = ""
    ends_at: datetime | None = None


@dataclass(repr=False)
class Rehearsal:
    """The test of one place (None: all environments) before it is saved, and the token it took."""

    environment: Environment | None
    report: Report
    granted: Granted | None


def rehearse(
    method: AuthMethod,
    details: Details,
    *,
    environment: Environment | None = None,
    owns: Sequence[Own] = (),
) -> list[Rehearsal]:
    """Test what is for all, or for the environment, then each environment's own; nothing is stored.

    Each takes up to 20 s. Raises: TooManyTests.
    """
    unsaved = Connection(service=method.service, auth_method=method)
    places = [
        (environment, details.parameters, details.secrets, ""),
        *((own.environment, own.parameters, own.secrets, own.base_url) for own in owns),
    ]
    return [
        Rehearsal(
            place,
            *testing.rehearse(
                method,
                parameters,
                secrets,
                base_url_for(unsaved, Settings(base_url=base_url), place),
                details.scopes,
            ),
        )
        for place, parameters, secrets, base_url in places
    ]


def create(
    method: AuthMethod,
    details: Details,
    *,
    link_name: str,
    by: User,
    environment: Environment | None = None,
    owns: Sequence[Own] = (),
    rehearsals: Sequence[Rehearsal] = (),
    inside: Inside | None = None,
    settle: Callable[[Connection], None],
) -> Connection:
    """Make a connection, what environments have of their own, and what `settle` adds, or nothing.

    It is made `inside` a thing of another room, if one is given. Where people sign in at the
    service, an environment with its own waits for that, too. Tokens that `rehearsals` took serve
    here; the reports are kept as last tests.

    Raises:
        PermissionDenied: `by` may not connect in one of the environments.
        ConnectFailed: the service gave no token for one of them.
        Refusal: as `lifecycle.create`, `inside` and `settle` do.
    """
    for place in (environment, *(own.environment for own in owns)):
        require(by, "environment.connect_in", place)
    taken = {each.environment: each.granted for each in rehearsals}
    # Before the transaction: a slow service must not hold its locks.
    granted = taken.get(environment)
    if granted is None and not details.login_user:
        granted = obtain(method, details.parameters, details.secrets, details.scopes)
    brought = [taken.get(own.environment) or _obtain(method, own, details) for own in owns]
    with transaction.atomic():
        by = people.locked(by)
        if inside:
            inside.lock(by=by)
        connection = lifecycle.create(
            method, details, link_name=link_name, by=by, environment=environment, granted=granted
        )
        for own, theirs in zip(owns, brought, strict=True):
            theirs.ends_at = own.ends_at
            own_settings.store(
                connection,
                own.environment,
                settings={"parameters": dict(own.parameters), "base_url": own.base_url},
                granted=None if is_interactive(method) else theirs,
                fields=[*own.parameters, *own.secrets],
                by=by,
            )
        if inside:
            inside.settle(connection, by=by)
        settle(connection)
    for each in rehearsals:
        credential = connection.credential_for(each.environment)
        testing.note(connection, each.report, by=by, credential=credential)
    return connection


def _obtain(method: AuthMethod, own: Own, details: Details) -> Granted:
    try:
        return obtain(method, own.parameters, own.secrets, details.scopes)
    except ConnectFailed as failure:
        raise ConnectFailed(f"{own.environment}: {failure.text}") from None
