import os
import subprocess
import threading
import time
from contextlib import ExitStack, contextmanager
from datetime import timedelta

import pytest
from django.db import DatabaseError, transaction
from django.db import connection as database
from django.utils import timezone

from connhub.audit import log
from connhub.audit.models import Event
from connhub.connections import lifecycle, refresh
from connhub.connections.access import ReconnectNeeded
from connhub.connections.auth.base import Granted
from connhub.connections.keeping import keep
from connhub.connections.models import Credential, Status
from connhub.connections.refresh import RenewalFailed, ensure_fresh
from connhub.errors import Refusal
from connhub.services.models import OAuthApp
from tests.connections.renewing import KILLED
from tests.connections.steps import actions, again, expire, in_own_connection, secrets
from tests.factories import AuthMethodFactory, connect
from tests.servers.process import ROOT, python

pytestmark = pytest.mark.django_db
with_real_transactions = pytest.mark.django_db(transaction=True)
MANY = 6


def renewals(oauth_server) -> list[int | None]:
    """The statuses of the answers to refresh requests."""
    return [r.status for r in oauth_server.token_requests if r.grant_type == "refresh_token"]


def rest(credential) -> Credential:
    """As if the time to wait after a failure were over."""
    Credential.objects.update(next_refresh_at=timezone.now() - timedelta(seconds=1))
    return again(credential)


# --- Alone ----------------------------------------------------------------------------------------


def test_token_that_lasts_is_left_alone(connected, oauth_server):
    fresh = ensure_fresh(connected)

    assert fresh == connected
    assert renewals(oauth_server) == []


def test_expired_token_is_renewed_and_on_record(connected, oauth_server):
    before = secrets(connected)

    fresh = ensure_fresh(expire(connected))

    after = fresh.payload.open().reveal()
    assert renewals(oauth_server) == [200]
    assert {name for name in after if after[name] == before[name]} == set()
    assert fresh.payload_version == connected.payload_version + 1
    assert fresh.expires_at > timezone.now() + timedelta(minutes=50)
    assert (fresh.lease_until, fresh.intent_version) == (None, None)
    assert actions(fresh.connection)[-1] == "connection.renewed"


def test_token_is_renewed_a_minute_before_it_ends(connected, oauth_server):
    ensure_fresh(expire(connected, seconds_ago=-30))

    assert renewals(oauth_server) == [200]


def test_rotated_tokens_can_be_renewed_again_and_again(connected, oauth_server):
    for _ in range(3):
        ensure_fresh(expire(connected))

    assert renewals(oauth_server) == [200, 200, 200]


def test_grant_that_is_gone_needs_a_reconnect_and_is_kept(connected, crm, oauth_server):
    before = secrets(connected)
    oauth_server.revoke_all()

    with pytest.raises(ReconnectNeeded):
        ensure_fresh(expire(connected))

    crm.refresh_from_db()
    event = Event.objects.about(crm)[0]
    assert (crm.status, again(connected).status) == (Status.RECONNECT_NEEDED,) * 2
    assert again(connected).last_error == "127.0.0.1 no longer accepts this authorization."
    assert secrets(connected) == before
    assert (event.action, event.outcome, event.detail, event.actor) == (
        "connection.reconnect_needed",
        "failed",
        {"error": "invalid_grant"},
        "ConnHub",
    )


def test_dead_grant_is_not_asked_for_again(connected, oauth_server):
    oauth_server.revoke_all()
    for _ in range(2):
        with pytest.raises(ReconnectNeeded):
            ensure_fresh(expire(connected))

    assert renewals(oauth_server) == [400]


@pytest.mark.parametrize("fault", ["500", "429", "html", "malformed"])
def test_passing_failure_keeps_the_grant_and_backs_off(connected, oauth_server, fault):
    before = secrets(connected)
    oauth_server.fail_next(fault)

    for _ in range(2):
        with pytest.raises(RenewalFailed):
            ensure_fresh(expire(connected))

    failed = again(connected)
    assert len(renewals(oauth_server)) == 1
    assert (failed.status, failed.refresh_failures, secrets(failed)) == (
        Status.CONNECTED,
        1,
        before,
    )
    assert timedelta(seconds=25) < failed.next_refresh_at - timezone.now() < timedelta(seconds=38)
    assert actions(failed.connection)[-1] == "connection.renewal_failed"


def test_what_was_read_before_a_failure_asks_no_second_time(connected, oauth_server):
    stale = expire(connected)
    oauth_server.fail_next("500")
    for _ in range(2):
        with pytest.raises(RenewalFailed):
            ensure_fresh(stale)

    assert renewals(oauth_server) == [500]


def test_what_was_read_during_a_retry_that_failed_is_not_taken_for_lost(connected, oauth_server):
    Credential.objects.update(intent_version=connected.payload_version, retried=True, fence=7)
    stale = expire(connected)
    Credential.objects.update(intent_version=None, retried=False, fence=8)

    fresh = ensure_fresh(stale)

    assert (fresh.status, renewals(oauth_server)) == (Status.CONNECTED, [200])


def test_unreachable_provider_keeps_the_grant(connected, settings):
    settings.CONNHUB_EGRESS_ALLOW = []

    with pytest.raises(RenewalFailed):
        ensure_fresh(expire(connected))

    assert again(connected).last_error == "127.0.0.1 could not be reached."


def test_each_failure_waits_longer_up_to_a_quarter_of_an_hour(connected, oauth_server):
    waits = []
    for failures in (0, 1, 4, 5, 1000):
        Credential.objects.update(refresh_failures=failures, next_refresh_at=None)
        oauth_server.fail_next("500")
        with pytest.raises(RenewalFailed):
            ensure_fresh(expire(connected))
        waits.append((again(connected).next_refresh_at - timezone.now()).total_seconds())

    least = (30, 60, 480, 900, 900)
    assert [
        least <= wait + 2 <= least * 1.25 + 2 for wait, least in zip(waits, least, strict=True)
    ] == [True] * 5


def test_success_after_failures_starts_from_zero(connected, oauth_server):
    oauth_server.fail_next("500")
    with pytest.raises(RenewalFailed):
        ensure_fresh(expire(connected))

    fresh = ensure_fresh(rest(connected))

    assert (fresh.refresh_failures, fresh.next_refresh_at, fresh.last_error) == (0, None, "")


def test_failed_early_renewal_does_not_block_a_token_that_is_valid(connected, oauth_server):
    oauth_server.fail_next("500")
    before = secrets(connected)

    first = ensure_fresh(expire(connected, seconds_ago=-30))
    second = ensure_fresh(again(connected))

    assert first.payload.open().reveal() == second.payload.open().reveal() == before
    assert renewals(oauth_server) == [500]


def test_wrong_client_is_no_reason_to_give_the_grant_up(connected, oauth_server):
    OAuthApp.objects.update(client_id="wrong")

    with pytest.raises(RenewalFailed):
        ensure_fresh(expire(again(connected)))

    assert again(connected).status == Status.CONNECTED


def test_revoked_credential_is_not_renewed(ada, crm, connected, oauth_server):
    lifecycle.revoke(crm, by=ada)

    fresh = ensure_fresh(again(connected))

    assert (fresh.status, renewals(oauth_server)) == (Status.REVOKED, [])


def drop_app(credential):
    credential.connection.oauth_app = None
    credential.connection.save()


def move_endpoint(credential):
    credential.connection.auth_method.config["token_url"] = "https://{shop}.example/token"
    credential.connection.auth_method.save()


@pytest.mark.parametrize(
    ("break_it", "code"),
    [
        (lambda it: OAuthApp.objects.update(client_secret=b"\x01broken"), "credential-unreadable"),
        (lambda it: Credential.objects.update(payload=b"\x01broken"), "credential-unreadable"),
        (drop_app, "app-missing"),
        (move_endpoint, "address-incomplete"),
    ],
    ids=["client secret", "tokens", "app", "parameters"],
)
def test_renewal_that_lacks_something_gives_the_lease_back(connected, oauth_server, break_it, code):
    break_it(connected)

    for _ in range(3):
        with pytest.raises(Refusal) as refusal:
            ensure_fresh(expire(connected))
        assert refusal.value.code == code

    left = again(connected)
    assert (left.lease_until, left.intent_version, left.status) == (None, None, Status.CONNECTED)
    assert renewals(oauth_server) == []


# --- Forced, because the service refused the token ------------------------------------------------


def test_refused_token_is_renewed_although_it_has_not_ended(connected, oauth_server):
    fresh = ensure_fresh(connected, force_version=connected.payload_version)

    assert fresh.payload_version == connected.payload_version + 1
    assert renewals(oauth_server) == [200]


def test_token_that_was_replaced_meanwhile_is_taken_as_it_is(connected, oauth_server):
    fresh = ensure_fresh(connected, force_version=connected.payload_version - 1)

    assert fresh == connected
    assert renewals(oauth_server) == []


def test_refusals_force_one_renewal_a_minute(connected, oauth_server):
    first = ensure_fresh(connected, force_version=connected.payload_version)
    second = ensure_fresh(first, force_version=first.payload_version)
    Credential.objects.update(renewed_at=timezone.now() - timedelta(seconds=61))
    ensure_fresh(again(connected), force_version=second.payload_version)

    assert second.payload_version == first.payload_version
    assert renewals(oauth_server) == [200, 200]


def test_credential_that_cannot_be_renewed_is_taken_as_it_is(ada, oauth_server, connected):
    Credential.objects.update(renewable=False)

    fresh = ensure_fresh(again(connected), force_version=connected.payload_version)

    assert (fresh.payload_version, renewals(oauth_server)) == (connected.payload_version, [])


# --- What the answer may leave out ----------------------------------------------------------------


@pytest.fixture
def granted(ada, token_endpoint):
    """A credential renewed at an endpoint that answers as the test wants."""
    config = {"authorize_url": token_endpoint.url, "token_url": token_endpoint.url}
    method = AuthMethodFactory(kind="oauth2_code", config=config)
    made = connect(ada, method=method, secrets={}, scopes=["read", "write"], client_id="id")
    with transaction.atomic():
        grant = Granted(
            {"access_token": "old", "refresh_token": "r1"}, timezone.now(), True, ["read"]
        )
        return keep(made, grant, environment=None)


def test_old_refresh_token_stays_if_none_comes(granted, token_endpoint):
    fresh = ensure_fresh(again(granted))

    assert fresh.payload.open().reveal() == {"access_token": "t0ken", "refresh_token": "r1"}
    assert fresh.renewable
    assert token_endpoint.asked[0].form == {
        "grant_type": "refresh_token",
        "refresh_token": "r1",
        "client_id": "id",
    }


def test_scopes_stay_as_granted_if_none_come(granted):
    assert ensure_fresh(again(granted)).scopes_granted == ["read"]


@pytest.mark.parametrize("bad", ["soon", -5, 0, 1e400, [], {}, "1e9", 10**12])
def test_bad_lifetime_counts_as_a_short_one(granted, token_endpoint, bad):
    token_endpoint.body |= {"expires_in": bad}

    lasts = ensure_fresh(again(granted)).expires_at - timezone.now()

    assert timedelta(minutes=4) < lasts <= timedelta(minutes=5)


def test_token_without_lifetime_is_not_renewed_any_more(granted, token_endpoint):
    fresh = ensure_fresh(ensure_fresh(again(granted)))

    assert fresh.expires_at is None
    assert len(token_endpoint.asked) == 1


# --- Many at once ---------------------------------------------------------------------------------


@with_real_transactions
def test_many_threads_at_expiry_make_one_request(connected, oauth_server):
    expired = expire(connected)
    start, got = threading.Barrier(MANY), []

    def renew():
        credential = again(expired)
        start.wait()
        got.append(ensure_fresh(credential).payload.open().reveal()["access_token"])

    run_all(renew)

    assert renewals(oauth_server) == [200]
    assert got == [secrets(connected)["access_token"]] * MANY


@with_real_transactions
def test_many_threads_share_a_failure(connected, oauth_server):
    expired = expire(connected)
    oauth_server.fail_next("500", times=MANY)
    start, got = threading.Barrier(MANY), []

    def renew():
        credential = again(expired)
        start.wait()
        try:
            ensure_fresh(credential)
        except RenewalFailed as refusal:
            got.append(refusal.code)

    run_all(renew)

    assert renewals(oauth_server) == [500]
    assert got == ["renewal-failed"] * MANY


@with_real_transactions
def test_many_refused_at_once_wait_for_one_renewal(connected, oauth_server):
    start, got = threading.Barrier(MANY), []

    def renew():
        credential = again(connected)
        start.wait()
        fresh = ensure_fresh(credential, force_version=connected.payload_version)
        got.append(fresh.payload_version)

    run_all(renew)

    assert renewals(oauth_server) == [200]
    assert got == [connected.payload_version + 1] * MANY


def run_all(act):
    threads = [threading.Thread(target=in_own_connection(act)) for _ in range(MANY)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


@with_real_transactions
def test_many_processes_at_expiry_make_one_request(connected, oauth_server):
    expire(connected)

    got = in_processes(connected, oauth_server, [""] * 4)

    assert renewals(oauth_server) == [200]
    assert got == [secrets(connected)["access_token"]] * 4


def in_processes(credential, oauth_server, deaths: list[str]) -> list[str]:
    """What each of several processes gets that ask at the same time; "killed" if it died."""
    with ExitStack() as ending:
        processes = [ending.enter_context(started(credential, oauth_server, d)) for d in deaths]
        assert [process.stdout.readline() for process in processes] == ["ready\n"] * len(deaths)
        for process in processes:
            process.stdin.write("go\n")
            process.stdin.flush()
        said = [process.communicate(timeout=60)[0].strip() for process in processes]
    return [
        "killed" if process.returncode == KILLED else text
        for process, text in zip(processes, said, strict=True)
    ]


@contextmanager
def started(credential, oauth_server, death: str):
    with subprocess.Popen(
        python("tests.connections.renewing", credential.pk, *([death] if death else [])),
        env=environment(oauth_server),
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def environment(oauth_server) -> dict[str, str]:
    """For a process on the database of the tests."""
    at = database.settings_dict
    url = f"sqlite:///{at['NAME']}"
    if database.vendor == "postgresql":
        url = f"postgres://{at['USER']}:{at['PASSWORD']}@{at['HOST']}:{at['PORT']}/{at['NAME']}"
    return os.environ | {
        "DATABASE_URL": url,
        "DJANGO_SETTINGS_MODULE": "tests.settings",
        "CONNHUB_EGRESS_ALLOW": f"127.0.0.1:{oauth_server.port}",
    }


# --- Killed on the way ----------------------------------------------------------------------------


def end_lease() -> None:
    """As if the time that a lease lasts were over."""
    Credential.objects.update(lease_until=timezone.now() - timedelta(seconds=1))


@with_real_transactions
def test_crash_before_the_request_is_made_good_by_the_next_caller(connected, oauth_server):
    expire(connected)

    died = in_processes(connected, oauth_server, ["before"])
    left = again(connected)
    end_lease()
    fresh = ensure_fresh(again(connected))

    assert died == ["killed"]
    assert left.intent_version == connected.payload_version
    assert left.lease_until > timezone.now()
    assert (fresh.status, fresh.intent_version, fresh.retried) == (Status.CONNECTED, None, False)
    assert renewals(oauth_server) == [200]


@with_real_transactions
def test_nobody_asks_while_the_lease_of_the_dead_lasts(connected, oauth_server, monkeypatch):
    monkeypatch.setattr(refresh, "WAIT_S", 0.3)
    expire(connected)
    in_processes(connected, oauth_server, ["before"])

    with pytest.raises(RenewalFailed):
        ensure_fresh(again(connected))

    assert renewals(oauth_server) == []


@with_real_transactions
def test_crash_after_the_answer_needs_a_reconnect(connected, crm, oauth_server):
    expire(connected)

    in_processes(connected, oauth_server, ["after"])
    end_lease()
    with pytest.raises(ReconnectNeeded):
        ensure_fresh(again(connected))

    crm.refresh_from_db()
    assert renewals(oauth_server) == [200, 400]
    assert crm.status == Status.RECONNECT_NEEDED
    assert actions(crm)[-1] == "connection.reconnect_needed"


@with_real_transactions
def test_two_crashes_need_a_reconnect_without_a_third_try(connected, crm, oauth_server):
    expire(connected)

    for _ in range(2):
        in_processes(connected, oauth_server, ["before"])
        end_lease()
    with pytest.raises(ReconnectNeeded):
        ensure_fresh(again(connected))

    assert renewals(oauth_server) == []
    assert Event.objects.about(crm)[0].detail == {"error": "renewal-lost"}


def test_failure_after_a_crash_is_not_counted_as_lost(connected, oauth_server):
    Credential.objects.update(intent_version=connected.payload_version, retried=False)
    oauth_server.fail_next("500")
    with pytest.raises(RenewalFailed):
        ensure_fresh(expire(connected))

    fresh = ensure_fresh(rest(connected))

    assert fresh.status == Status.CONNECTED


# --- Changed on the way ---------------------------------------------------------------------------


@contextmanager
def slow_renewal(credential, oauth_server):
    """While the block runs, the provider has renewed the token but its answer is still on the way."""
    expired = expire(credential)
    oauth_server.fail_next("slow", seconds=1.5)
    got = []

    def renew():
        try:
            got.append(ensure_fresh(expired).status)
        except Exception as error:
            got.append(type(error))

    renewing = threading.Thread(target=in_own_connection(renew))
    renewing.start()
    deadline = time.monotonic() + 10
    while len(renewals(oauth_server)) == 0 and time.monotonic() < deadline:
        time.sleep(0.02)
    yield got
    renewing.join()


@with_real_transactions
def test_revoke_during_a_renewal_wins(ada, connected, crm, oauth_server):
    with slow_renewal(connected, oauth_server) as got:
        lifecycle.revoke(crm, by=ada)

    crm.refresh_from_db()
    assert (crm.status, bool(again(connected).payload)) == (Status.REVOKED, False)
    assert got == [Status.REVOKED]


@with_real_transactions
def test_delete_during_a_renewal_wins(ada, connected, crm, oauth_server):
    with slow_renewal(connected, oauth_server):
        lifecycle.delete(crm, by=ada)

    assert not bool(again(connected).payload)


@with_real_transactions
def test_newer_reconnect_is_not_overwritten(connected, crm, oauth_server):
    newer = {"access_token": "newer", "refresh_token": "newer"}
    ends_at = timezone.now() + timedelta(hours=1)
    with slow_renewal(connected, oauth_server) as got, transaction.atomic():
        keep(crm, Granted(newer, ends_at, True), environment=None)

    assert secrets(connected) == newer
    assert got == [Status.CONNECTED]


@with_real_transactions
def test_refusal_of_an_older_grant_does_not_touch_a_newer_one(connected, crm, oauth_server):
    expired = expire(connected)
    oauth_server.revoke_all()
    newer = {"access_token": "newer", "refresh_token": "newer"}
    ends_at = timezone.now() + timedelta(hours=1)
    real = refresh._ask_provider

    def meanwhile(credential):
        try:
            return real(credential)
        finally:
            with transaction.atomic():
                keep(crm, Granted(newer, ends_at, True), environment=None)

    refresh._ask_provider = meanwhile
    try:
        fresh = ensure_fresh(expired)
    finally:
        refresh._ask_provider = real

    assert fresh.payload.open().reveal() == newer
    assert again(connected).status == Status.CONNECTED


@with_real_transactions
def test_new_tokens_are_kept_even_if_the_record_cannot_be_written(
    connected, oauth_server, monkeypatch
):
    before = secrets(connected)
    append = log._append

    def unwritable(event, change):
        if event.action == "connection.renewed":
            raise DatabaseError
        append(event, change)

    monkeypatch.setattr(log, "_append", unwritable)

    with pytest.raises(log.AuditUnavailable):
        ensure_fresh(expire(connected))

    assert secrets(connected) != before
    assert renewals(oauth_server) == [200]
