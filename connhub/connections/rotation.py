"""Two-slot rotation of a secret: give the next value, test it, switch, keep the old one a while.

Both values are sealed, each in its own slot; calls use the one of the credential itself. At the end
of its grace time the old value is destroyed. Rolling back exchanges the two again.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta

from django.db import transaction
from django.utils import timezone

from connhub.accounts import people
from connhub.accounts.models import Environment, User
from connhub.accounts.permissions import require
from connhub.audit.log import record
from connhub.errors import Refusal
from connhub.vault.keyring import CantOpen

from . import testing
from .access import CredentialUnreadable, base_url_for, require_open, settings_for
from .auth import METHODS, is_interactive
from .auth.base import Granted
from .connecting import given_back_unless_kept, obtain
from .editing import EachUsersOwn, SecretAskedAgain, asked_of
from .keeping import fill
from .models import Connection, Credential, Rotation
from .reports import Report
from .revocation import secrets_of
from .slots import Phase
from .telling import providers as telling

DEFAULT_GRACE = timedelta(hours=24)
GRACES = (timedelta(hours=1), DEFAULT_GRACE, timedelta(days=7))


class NothingToRotate(Refusal):
    code = "nothing-to-rotate"
    text = "There is no stored secret here that a next one could follow. Reconnect instead."


class NoNextValue(Refusal):
    code = "no-next-value"
    text = "This next value is not there any more. Reload the page."


class NoOldValue(Refusal):
    code = "no-old-value"
    text = "The old value is destroyed: its grace time is over, or somebody ended it."


class OldValueKept(Refusal):
    code = "old-value-kept"
    text = "The old value is still kept. Destroy it before you give a next one."


def may_rotate(connection: Connection) -> bool:
    """Whether the connection is of a kind whose secrets a person gives, and holds them itself."""
    if connection.login_user or is_interactive(connection.auth_method):
        return False
    method = connection.auth_method
    return any(item.secret for item in METHODS[method.kind].fields(method))


def going_on(connection: Connection, environment: Environment | None) -> Rotation | None:
    """What the second slot of the environment's own credential (None: that for all) holds."""
    rows = Rotation.objects.going_on().select_related("credential__environment", "stored_by")
    return rows.filter(
        credential__user=None,
        credential__connection=connection,
        credential__environment=environment,
    ).first()


def give(
    connection: Connection,
    secrets: Mapping[str, str],
    *,
    by: User,
    environment: Environment | None = None,
    ends_at: datetime | None = None,
) -> None:
    """Seal the value that comes next; calls go on with the one there is. The service isn't asked.

    A next value that was given before is destroyed.

    Raises:
        PermissionDenied: `by` is no admin of the connection, or may not connect there.
        EachUsersOwn: it uses the credentials of login users.
        NothingToRotate: the environment (None: all) has no credential of its own with a secret.
        SecretAskedAgain: one that the method needs is missing.
        OldValueKept: the slot holds an old value, whose grace time isn't over.
    """
    _require_may(connection, environment, by)
    if connection.login_user:
        raise EachUsersOwn
    if not may_rotate(connection):
        raise NothingToRotate
    asked = [item for item in asked_of(connection) if item.secret]
    given = {item.name: secrets[item.name] for item in asked if secrets.get(item.name)}
    if not given or any(item.required and item.name not in given for item in asked):
        raise SecretAskedAgain
    _give(connection, Granted(given, ends_at=ends_at), by, environment)


@transaction.atomic
def _give(
    connection: Connection, granted: Granted, by: User, environment: Environment | None
) -> None:
    connection = _locked(connection, environment, by)
    credential = _live(connection, environment)
    rotation = getattr(credential, "rotation", None) or Rotation(credential=credential)
    if rotation.is_in_grace:
        raise OldValueKept
    rotation.fill(granted, Phase.NEXT, stored_at=timezone.now(), stored_by_id=by.pk)
    rotation.save()
    _record("connection.next_secret_given", connection, environment, by, granted.secrets)


def test(connection: Connection, *, by: User, environment: Environment | None = None) -> Report:
    """Test the next value as Test Connection does, and keep the report beside it.

    Raises:
        PermissionDenied: `by` is no admin of the connection.
        NoTest, TooManyTests: it can't be tested, or not now.
        NoNextValue: there is none.
        Refusal: the connection is disabled, or the value can't be opened.
    """
    require(by, "connection.rotate", connection)
    if not testing.has_test(connection.service):
        raise testing.NoTest
    require_open(connection)
    rotation = _waiting(going_on(connection, environment))
    stored = settings_for(connection, environment)
    report = testing.run(
        connection.service,
        connection.auth_method,
        stored.parameters | _typed(connection, _opened(rotation)),
        base_url_for(connection, stored, environment),
        connection.scopes,
    )
    _note(rotation, report, connection, environment, by)
    return report


@transaction.atomic
def _note(
    rotation: Rotation,
    report: Report,
    connection: Connection,
    environment: Environment | None,
    by: User,
) -> None:
    same = Rotation.objects.filter(pk=rotation.pk, slot_version=rotation.slot_version)
    same.update(tested_at=timezone.now(), test_report=report.as_json())
    record(
        "connection.next_secret_tested",
        by=by,
        on=connection,
        outcome="ok" if report.ok else "failed",
        detail={"took_ms": report.took_ms, "environment": _slug(environment)},
        change=False,
    )


def switch(
    connection: Connection,
    *,
    by: User,
    environment: Environment | None = None,
    grace: timedelta = DEFAULT_GRACE,
) -> None:
    """Have calls use the next value from now on; the old one is kept for the grace time.

    Where the method asks the service for a token, that comes first.

    Raises:
        PermissionDenied: `by` is no admin of the connection, or may not connect there.
        NoNextValue: there is none, or it became another one meanwhile.
        ConnectFailed: the service gave no token for it; nothing was changed.
    """
    if not METHODS[connection.auth_method.kind].connects:
        _switch(connection, None, None, by, environment, grace)
        return
    _require_may(connection, environment, by)
    rotation = _waiting(going_on(connection, environment))
    waiting = _opened(rotation)
    parameters = settings_for(connection, environment).parameters
    typed = _typed(connection, waiting)
    # Before the transaction: a slow service must not hold its locks.
    granted = obtain(connection.auth_method, parameters, typed, connection.scopes)
    granted.ends_at = waiting.ends_at
    with given_back_unless_kept(connection, parameters, granted):
        _switch(connection, rotation, granted, by, environment, grace)


@transaction.atomic
def _switch(
    connection: Connection,
    asked_with: Rotation | None,
    granted: Granted | None,
    by: User,
    environment: Environment | None,
    grace: timedelta,
) -> None:
    connection = _locked(connection, environment, by)
    own = connection.lock_own()
    rotation = _waiting(_slot_among(own, environment))
    now = (rotation.pk, rotation.slot_version)
    if asked_with and now != (asked_with.pk, asked_with.slot_version):
        raise NoNextValue
    granted = granted or _opened(rotation)
    until = timezone.now() + grace
    _exchange(connection, own, rotation, granted, Phase.OLD, grace_ends_at=until)
    _record("connection.secret_switched", connection, environment, by, granted.secrets)


@transaction.atomic
def roll_back(connection: Connection, *, by: User, environment: Environment | None = None) -> None:
    """Have calls use the old value again; the other one becomes the next value.

    Raises:
        PermissionDenied: `by` is no admin of the connection, or may not connect there.
        NoOldValue: its grace time is over, or it was destroyed.
    """
    connection = _locked(connection, environment, by)
    own = connection.lock_own()
    rotation = _slot_among(own, environment)
    if rotation is None or rotation.phase != Phase.OLD:
        raise NoOldValue
    old = _opened(rotation)
    _exchange(connection, own, rotation, old, Phase.NEXT)
    _record("connection.secret_rolled_back", connection, environment, by, old.secrets)


@transaction.atomic
def discard(connection: Connection, *, by: User, environment: Environment | None = None) -> None:
    """Destroy what the second slot holds: the next value, or the old one before its time.

    Raises:
        PermissionDenied: `by` is no admin of the connection, or may not connect there.
        NoNextValue: it holds nothing any more.
    """
    connection = _locked(connection, environment, by)
    rotation = going_on(connection, environment)
    if rotation is None:
        raise NoNextValue
    _destroy(rotation, connection, by)


def destroy_over() -> None:
    """Destroy the old values whose grace time has ended."""
    for pk, connection in Rotation.objects.over().values_list("pk", "credential__connection"):
        _destroy_if_over(pk, connection)


@transaction.atomic
def _destroy_if_over(pk: object, connection_pk: int) -> None:
    connection = Connection.objects.locked(connection_pk)
    for rotation in Rotation.objects.over().filter(pk=pk):
        _destroy(rotation, connection, None)


def _destroy(rotation: Rotation, connection: Connection, by: User | None) -> None:
    credential = rotation.credential
    try:
        secrets = rotation.open().secrets
    except CantOpen:
        secrets = {}
    rotation.delete()
    if "access_token" in secrets:
        telling.tell([(credential, secrets)], by=by)
    was_next = rotation.phase == Phase.NEXT
    action = "connection.next_secret_discarded" if was_next else "connection.old_secret_destroyed"
    _record(action, connection, credential.environment, by, secrets)


def _exchange(
    connection: Connection,
    own: list[Credential],
    rotation: Rotation,
    granted: Granted,
    phase: Phase,
    *,
    grace_ends_at: datetime | None = None,
) -> None:
    """Make the slot's value the credential's; what that was before goes into the slot."""
    credential = rotation.credential
    replaced = Granted(
        secrets_of(credential),
        credential.expires_at,
        credential.renewable,
        credential.scopes_granted,
        credential.account,
        credential.ends_at,
    )
    since, stored_by_id = credential.connected_at or timezone.now(), credential.connected_by_id
    fill(credential, granted)
    credential.connected_at, credential.connected_by_id = rotation.stored_at, rotation.stored_by_id
    if rotation.test_report.get("ok"):
        credential.tested_at, credential.test_report = rotation.tested_at, rotation.test_report
    credential.save()
    if replaced.secrets:
        rotation.fill(
            replaced,
            phase,
            stored_at=since,
            stored_by_id=stored_by_id,
            grace_ends_at=grace_ends_at,
        )
        rotation.save()
    else:  # one that can't be opened is not worth keeping
        rotation.delete()
    if connection.take_worst(own):
        connection.save(update_fields=["status"])


def _require_may(connection: Connection, environment: Environment | None, by: User) -> None:
    require(by, "connection.rotate", connection)
    require(by, "environment.connect_in", environment)


def _locked(connection: Connection, environment: Environment | None, by: User) -> Connection:
    by = people.locked(by)
    connection = Connection.objects.locked(connection.pk)
    _require_may(connection, environment, by)
    return connection


def _live(connection: Connection, environment: Environment | None) -> Credential:
    """The environment's own credential, locked. Raises: NothingToRotate, if it holds no secret."""
    own = connection.credentials.own().live().filter(environment=environment)
    credential = own.select_related("rotation").select_for_update(of=("self",), no_key=True).first()
    if credential is None:
        raise NothingToRotate
    return credential


def _slot_among(own: list[Credential], environment: Environment | None) -> Rotation | None:
    """What `going_on` finds, of a connection's own credentials, locked."""
    place = environment.pk if environment else None
    there = next((c for c in own if c.environment_id == place), None)
    rotation = getattr(there, "rotation", None)
    return rotation if rotation and rotation.is_going_on else None


def _waiting(rotation: Rotation | None) -> Rotation:
    if rotation is None or rotation.phase != Phase.NEXT:
        raise NoNextValue
    return rotation


def _typed(connection: Connection, granted: Granted) -> dict[str, str]:
    """What a person typed of it; a token that it brought once comes anew."""
    method = connection.auth_method
    names = {item.name for item in METHODS[method.kind].fields(method)}
    return {name: value for name, value in granted.secrets.items() if name in names}


def _opened(rotation: Rotation) -> Granted:
    try:
        return rotation.open()
    except CantOpen:
        raise CredentialUnreadable from None


def _record(
    action: str,
    connection: Connection,
    environment: Environment | None,
    by: User | None,
    secrets: Mapping[str, str],
) -> None:
    record(action, by=by, on=connection, fields=secrets, detail={"environment": _slug(environment)})


def _slug(environment: Environment | None) -> str:
    return environment.slug if environment else "all"
