"""Who may call what through the runtime API's hot path, and what stops at the very next call."""

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta

import pytest
import requests
from django.db import connection as database
from django.utils import timezone

from connhub.accounts import environments
from connhub.accounts.models import Environment
from connhub.audit.log import AuditUnavailable, record
from connhub.audit.models import Event
from connhub.connections import lifecycle
from connhub.connections.auth.base import Granted
from connhub.connections.called import Total, totals
from connhub.connections.models import Connection, Status
from connhub.sharing import roles
from connhub.usage import callers, gateway, keys, records, registration, routes
from connhub.usage.calls import log as calls
from connhub.usage.calls.entry import Entry
from connhub.usage.calls.log import CallLog
from connhub.usage.models import Availability, Call, Flow, IntegrationKey, Step
from connhub.usage.problems import RateLimited
from connhub.usage.revision import DatabaseAway, Revision
from connhub.vault.keyring import digest
from tests.conftest import CANARY
from tests.connections.steps import in_own_connection
from tests.factories import IntegrationFactory, connect
from tests.servers.app import running_app
from tests.usage.conftest import Flow as Caller
from tests.usage.conftest import problem, replace_secret, wait_for_event

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.xdist_group("app")]


def changed(thing) -> None:
    """Put on record that something was changed past the operations."""
    record("test.changed", on=thing)


# --- Keys ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "Bearer",
        "Bearer chk_short",
        "Basic {token}",
        "{token}",
        "Bearer {token}x",
        "Bearer {token} {token}",
        "Bearer chk_" + "x" * 43,
    ],
)
def test_call_without_a_valid_key_is_refused(reach, flow, header):
    reach()
    headers = {"Authorization": header.format(token=flow.token)} if header is not None else {}

    answer = requests.get(flow.server.proxy("crm", "/echo"), headers=headers, timeout=10)

    assert problem(answer) == (401, "unauthorized")
    assert answer.headers["WWW-Authenticate"] == 'Bearer realm="ConnHub"'


@pytest.mark.parametrize("place", ["?access_token={token}", "?token={token}", "?key={token}"])
def test_key_is_taken_from_the_authorization_header_alone(reach, flow, place):
    reach()
    url = flow.server.proxy("crm", "/echo" + place.format(token=flow.token))

    answer = requests.get(url, headers={"X-Api-Key": flow.token}, timeout=10)

    assert problem(answer) == (401, "unauthorized")


def test_expired_key_is_refused_when_its_time_comes(ada, reach, integration, app_server):
    reach()
    issued = keys.issue(
        integration,
        environments.lowest(),
        name="short",
        by=ada,
        expires_in=timedelta(seconds=2),
    )
    flow = Caller(app_server, *issued)

    before = flow("GET", "crm", "/echo")
    time.sleep(2)
    after = flow("GET", "crm", "/echo")

    assert before.status_code == 200
    assert problem(after) == (401, "unauthorized")


# --- Which connections -----------------------------------------------------------------------------


@pytest.fixture
def elsewhere(ada):
    made = IntegrationFactory(name="Elsewhere", slug="elsewhere")
    roles.grant(made, ada, by=ada)
    return made


def unregistered(made, integration, ada):
    registration.deregister(integration, made, by=ada)
    return made


def test_absent_and_unusable_connections_look_alike(ada, reach, flow, integration, elsewhere):
    unregistered(reach("unregistered"), integration, ada)
    of_other_project = reach("narrowed")
    Availability.objects.create(connection=of_other_project, project=elsewhere.project)
    of_other_integration = reach("narrower")
    Availability.objects.create(connection=of_other_integration, integration=elsewhere)
    gone = reach("gone")
    Connection.objects.filter(pk=gone.pk).update(deleted_at=timezone.now())

    names = ["absent", "unregistered", "narrowed", "narrower", "gone", "Bad-Name", "x" * 300]
    answers = [flow("GET", name, "/echo") for name in names]
    answers += [flow.credentials(name) for name in names]

    assert {problem(answer) for answer in answers} == {(404, "not-registered")}
    assert len({(a.json()["detail"], *sorted(a.json())) for a in answers}) == 1
    assert {len(answer.content) for answer in answers} == {len(answers[0].content)}


def test_connection_of_the_project_needs_no_registration(ada, reach, flow, integration):
    made = unregistered(reach(), integration, ada)
    Availability.objects.create(connection=made, project=integration.project)

    assert flow("GET", "crm", "/echo").status_code == 200


def test_connection_that_a_saved_flow_uses_works_on_after_deregistration(
    ada, reach, flow, flow_in, integration, elsewhere
):
    made = reach()
    saved = Flow.objects.create(slug="nightly", name="Nightly", integration=integration)
    Step.objects.create(flow=saved, kind="export", name="Orders", connection=made)
    unregistered(made, integration, ada)

    assert flow("GET", "crm", "/echo").status_code == 200
    assert problem(flow_in(elsewhere)("GET", "crm", "/echo")) == (404, "not-registered")


def test_key_of_another_integration_sees_nothing(reach, flow_in, elsewhere):
    reach()

    assert problem(flow_in(elsewhere)("GET", "crm", "/echo")) == (404, "not-registered")


def test_environments_stay_apart(ada, reach, integration, flow_in):
    lowest, production = environments.lowest(), Environment.objects.get(slug="production")
    made = reach(secrets={"key_1": "the-key-of-production"}, environment=production)

    in_production = flow_in(integration, production)("GET", "crm", "/leak?header=X-Api-Key")
    without = flow_in(integration, lowest)("GET", "crm", "/echo")
    replace_secret(made, Granted({"key_1": "the-longer-key-of-development"}), lowest)
    with_own = flow_in(integration, lowest)("GET", "crm", "/leak?header=X-Api-Key")

    assert problem(without) == (409, "not-connected")
    assert in_production.text.splitlines()[0] == "Raw: " + "*" * len("the-key-of-production")
    assert with_own.text.splitlines()[0] == "Raw: " + "*" * len("the-longer-key-of-development")


# --- What stands in the way -------------------------------------------------------------------------


def revoke(made, ada):
    lifecycle.revoke(made, by=ada)


def lose_grant(made, ada):
    made.credentials.update(status=Status.RECONNECT_NEEDED)
    changed(made)


def disable(made, ada):
    Connection.objects.filter(pk=made.pk).update(disabled_at=timezone.now())
    changed(made)


def use_login_user(made, ada):
    Connection.objects.filter(pk=made.pk).update(login_user=True)
    changed(made)


def break_address(made, ada):
    made.settings.update(base_url="https://api.example.com/a/../b")
    changed(made)


@pytest.mark.parametrize(
    ("happens", "code"),
    [
        (revoke, "connection-revoked"),
        (lose_grant, "reconnect-needed"),
        (disable, "connection-disabled"),
        (use_login_user, "authorize-as-user"),
        (break_address, "address-incomplete"),
    ],
)
def test_next_call_says_what_stands_in_the_way_and_where_to_mend_it(
    ada, reach, flow, happens, code
):
    made = reach(access_mode="credentials")
    assert flow("GET", "crm", "/echo").status_code == 200

    happens(made, ada)
    answers = [flow("GET", "crm", "/echo"), flow.credentials("crm")]

    assert [problem(answer) for answer in answers] == [(409, code)] * 2
    for answer in answers:
        assert answer.json()["mend_url"].startswith(f"{flow.server.url}/connections/crm/")
        assert answer.headers["X-ConnHub-Problem"] == code


@pytest.fixture
def two_processes(flow, upstream):
    """The same flow, at two processes of ConnHub."""
    allow = f"127.0.0.1:{upstream.port}"
    with running_app(CONNHUB_EGRESS_ALLOW=allow) as second:
        yield [flow, Caller(second, flow.key, flow.token)]


def test_change_ends_the_very_next_call_in_every_process(ada, reach, two_processes, integration):
    for name in ("crm", "mail", "billing"):
        reach(name)

    def statuses(name):
        return [flow("GET", name, "/echo").status_code for flow in two_processes]

    assert [statuses(name) for name in ("crm", "mail", "billing")] == [[200, 200]] * 3
    lifecycle.revoke(Connection.objects.get(link_name="crm"), by=ada)
    assert [statuses("crm"), statuses("mail")] == [[409, 409], [200, 200]]
    registration.deregister(integration, Connection.objects.get(link_name="mail"), by=ada)
    assert [statuses("mail"), statuses("billing")] == [[404, 404], [200, 200]]
    keys.revoke(two_processes[0].key, by=ada)
    assert statuses("billing") == [401, 401]


def test_replaced_secret_is_used_by_the_very_next_call(reach, flow):
    made = reach()
    flow("GET", "crm", "/echo")

    replace_secret(made, Granted({"key_1": "another, longer than before"}))
    answer = flow("GET", "crm", "/leak?header=X-Api-Key")

    assert answer.text.splitlines()[0] == "Raw: " + "*" * len("another, longer than before")


# --- Credentials ------------------------------------------------------------------------------------


def test_credentials_call_hands_out_what_a_flow_can_use_and_puts_it_on_record(reach, flow):
    made = reach(kind="basic", access_mode="credentials")

    answer = flow.credentials("crm")

    assert answer.json() == {
        "connection": "crm",
        "environment": "development",
        "kind": "basic",
        "credentials": {"username": "grace", "password": CANARY},
        "expires_at": None,
    }
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["Cross-Origin-Resource-Policy"] == "same-origin"
    event = Event.objects.get(action="credential.read", actor_id=str(flow.key.pk))
    assert (event.actor_id, event.object_id, event.outcome, event.ip) == (
        str(flow.key.pk),
        str(made.pk),
        "ok",
        "127.0.0.1",
    )


def test_credentials_of_a_proxy_only_connection_are_not_handed_out(reach, flow):
    reach()

    answer = flow.credentials("crm")

    assert problem(answer) == (403, "credentials-not-allowed")
    assert CANARY not in answer.text
    assert (
        Event.objects.get(action="credential.read", actor_id=str(flow.key.pk)).outcome == "denied"
    )


def test_refused_credentials_are_on_record_once_a_minute_with_how_often_it_was(
    reach, flow, monkeypatch
):
    reach()

    async def go():
        gate = gateway.Gateway()
        await gate.open()
        try:
            within_a_minute = [await ask_for_credentials(gate, "crm", flow.token) for _ in range(5)]
            monkeypatch.setattr(gateway, "RARELY_S", 0)
            return [*within_a_minute, await ask_for_credentials(gate, "crm", flow.token)]
        finally:
            await gate.close()

    statuses = asyncio.run(go())

    refused = Event.objects.filter(action="credential.read", outcome="denied").order_by("sequence")
    assert statuses == [403] * 6
    assert [event.detail for event in refused] == [{}, {"times": 5}]


async def ask_for_credentials(gate, link_name, token):
    """The status of the answer, without a server between."""
    sent = []
    bearer = (b"authorization", f"Bearer {token}".encode())
    scope = {"method": "GET", "headers": [bearer], "query_string": b"", "client": ("192.0.2.1", 1)}

    async def send(message):
        sent.append(message)

    await gate.serve(gateway.Addressed(link_name, False, None), scope, send, send)
    return sent[0]["status"]


@pytest.mark.parametrize("method", ["POST", "HEAD", "PUT", "DELETE"])
def test_credentials_are_only_got(reach, flow, method):
    reach(access_mode="credentials")

    answer = flow.credentials("crm", method=method)

    assert (answer.status_code, answer.headers["Allow"]) == (405, "GET")


def test_a_key_that_may_not_use_a_connection_is_on_record_once_a_minute(ada, flow):
    connect(ada, link_name="elsewhere")

    answers = [flow("GET", name) for name in ("elsewhere", "elsewhere", "nowhere")]

    assert [problem(answer) for answer in answers] == [(404, "not-registered")] * 3
    wait_for_event("call.denied", by=flow.key)
    flow("GET", "last")
    wait_until(lambda: denials().count() == 3)
    assert [(event.object, event.detail["link_name"]) for event in denials()] == [
        ("Billing", "elsewhere"),
        ("", "nowhere"),
        ("", "last"),
    ]


def denials():
    return Event.objects.filter(action="call.denied").order_by("sequence")


def wait_until(true) -> None:
    for _ in range(100):
        if true():
            return
        time.sleep(0.05)
    raise AssertionError


def test_what_an_unknown_key_and_a_revoked_one_leave_on_record(ada, connection, integration):
    key, token = keys.issue(integration, environments.lowest(), name="old", by=ada)
    keys.revoke(key, by=ada)

    records.call_denied(digest("chk_unknown"), "billing", "unauthorized")
    records.call_denied(digest(token), "billing", "unauthorized")

    said = Event.objects.filter(outcome="denied").order_by("sequence")
    assert [event.sentence for event in said] == [
        "ConnHub refused calls with an unknown integration key (billing, unauthorized)",
        f"{key} was refused a call to Billing (billing, unauthorized)",
    ]


def test_unknown_keys_are_counted_as_django_s_calls_count_them(client, db, monkeypatch):
    monkeypatch.setattr(callers, "MOST_UNKNOWN", 1)
    unknown = {"Authorization": "Bearer chk_" + "A" * 43}
    client.get("/api/v1/connections", headers=unknown, REMOTE_ADDR="")

    with pytest.raises(RateLimited):
        routes.look_up(digest("chk_unknown"), "billing", "", None)


@contextmanager
def record_unwritable():
    """No event can be put on record while the block lasts."""
    with database.cursor() as cursor:
        cursor.execute("ALTER TABLE audit_event RENAME TO audit_event_away")
        try:
            yield
        finally:
            cursor.execute("ALTER TABLE audit_event_away RENAME TO audit_event")


def test_no_secret_leaves_without_a_record(reach, flow):
    reach(access_mode="credentials")

    with record_unwritable():
        read, used = flow.credentials("crm"), flow("GET", "crm", "/echo")
    afterwards = flow.credentials("crm")

    assert [problem(answer)[0] for answer in (read, used)] == [503, 503]
    assert CANARY not in read.text
    assert afterwards.status_code == 200


# --- What is kept of it ------------------------------------------------------------------------------


def test_first_use_of_a_connection_by_a_key_is_on_record_once(reach, two_processes):
    made = reach()

    for _ in range(2):
        for flow in two_processes:
            flow("GET", "crm", "/echo")

    event = Event.objects.get(action="credential.first_used")
    assert (event.actor_id, event.object_id) == (str(two_processes[0].key.pk), str(made.pk))


def logged(flow, count):
    """The calls that the log has of the flow, once there are so many."""
    for _ in range(60):
        found = list(Call.objects.filter(key=flow.key).order_by("at"))
        if len(found) >= count:
            return found
        time.sleep(0.05)
    raise AssertionError(f"{len(found)} calls logged")


def test_calls_are_logged_and_summed_up_within_a_second(ada, reach, flow, integration):
    made = reach(access_mode="credentials")

    said = {"X-ConnHub-Flow": "nightly", "X-ConnHub-Step": "Orders"}
    flow("POST", "crm", "/echo/a?secret=1", data=b"hello", headers=said)
    flow("GET", "crm", "/status/503")
    flow.credentials("crm")
    flow("GET", "crm", "/a%2Fb")

    rows = logged(flow, 4)
    assert [(c.method, c.path, c.status, c.problem, c.flow, c.step) for c in rows] == [
        ("POST", "/echo/a", 200, "", "nightly", "Orders"),
        ("GET", "/status/503", 503, "", "", ""),
        ("GET", "credentials", 200, "", "", ""),
        ("GET", "/a%2Fb", 400, "bad-path", "", ""),
    ]
    assert (rows[0].bytes_in, rows[0].bytes_out > 0) == (5, True)
    found = totals("environment_id", connection=made, integration=integration)
    assert found == {(flow.key.environment_id,): Total(2, 2, rows[-1].at)}
    assert IntegrationKey.objects.get(pk=flow.key.pk).last_used_at == rows[-1].at


def entry(key, **more):
    return Entry(
        **{
            "at": time.time(),
            "connection": 1,
            "integration": 1,
            "environment": 1,
            "key": key.pk,
            "flow": "",
            "step": "",
            "user": "",
            "method": "GET",
            "path": "/x" * 400,
            "status": 200,
            "problem": "",
            "took_ms": 1,
            "bytes_in": 0,
            "bytes_out": 0,
        }
        | more
    )


def test_unwritable_call_log_stops_all_calls_until_it_can_be_written_again(flow, monkeypatch):
    log, write = CallLog(), calls.write
    monkeypatch.setattr(calls, "MOST_BEHIND_S", 0.05)

    def fail(entries):
        raise RuntimeError

    monkeypatch.setattr(calls, "write", fail)
    log.add(entry(flow.key))
    log.flush()
    log.require_writable()
    time.sleep(0.1)
    with pytest.raises(AuditUnavailable):
        log.require_writable()
    monkeypatch.setattr(calls, "write", write)
    log.flush()
    log.require_writable()

    assert Call.objects.filter(key=flow.key).count() == 1


# --- The cost of a call ---------------------------------------------------------------------------


def test_route_is_looked_up_once_and_opened_once_until_something_changes(reach, flow, monkeypatch):
    looked_up, opened = [], []
    look_up, prepare = routes.look_up, routes.prepare
    monkeypatch.setattr(routes, "look_up", lambda *a: looked_up.append(a) or look_up(*a))
    monkeypatch.setattr(routes, "prepare", lambda *a: opened.append(a) or prepare(*a))
    made = reach()

    async def find(known, times=1):
        for _ in range(times):
            await known.find(flow.key.digest, "crm", time.time())
        return len(looked_up), len(opened)

    async def go():
        threads, revision = ThreadPoolExecutor(2), Revision()
        known = routes.Routes(revision, threads, threads)
        seen = [await find(known, times=3)]
        await asyncio.to_thread(in_own_connection(changed), flow.key)
        seen.append(await find(known, times=3))
        await asyncio.to_thread(in_own_connection(replace_secret), made, Granted({"key_1": "new"}))
        seen.append(await find(known, times=3))
        await revision.close()
        return seen

    assert asyncio.run(go()) == [(1, 1), (2, 1), (3, 2)]


def test_many_calls_at_once_look_up_once(reach, flow, monkeypatch):
    looked_up, look_up = [], routes.look_up
    monkeypatch.setattr(routes, "look_up", lambda *a: looked_up.append(a) or look_up(*a))
    reach()

    async def go():
        threads, revision = ThreadPoolExecutor(4), Revision()
        known = routes.Routes(revision, threads, threads)
        calls = [known.find(flow.key.digest, "crm", time.time()) for _ in range(20)]
        found = await asyncio.gather(*calls)
        await revision.close()
        return len({id(route) for route in found})

    assert asyncio.run(go()) == 1
    assert len(looked_up) == 1


def test_revision_moves_with_every_change_and_survives_a_lost_connection(connection):
    async def go():
        revision = Revision()
        seen = [await revision.read()]
        await asyncio.to_thread(in_own_connection(changed), connection)
        seen.append(await revision.read())
        await revision._source.close()
        with pytest.raises(DatabaseAway):
            await revision.read()
        seen.append(await revision.read())
        await revision.close()
        return [each - seen[0] for each in seen]

    assert asyncio.run(go()) == [0, 1, 1]
