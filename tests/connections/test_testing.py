import ssl
import threading
import time
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import pytest
from django.core.exceptions import PermissionDenied
from django.db import DatabaseError
from django.utils import timezone

from connhub.accounts.models import Environment
from connhub.audit import log
from connhub.audit.log import AuditUnavailable
from connhub.audit.models import Event
from connhub.connections import lifecycle, probing, testing
from connhub.connections.access import AddressIncomplete, ConnectionRevoked, NotConnected
from connhub.connections.auth.base import Granted
from connhub.connections.keeping import keep
from connhub.connections.models import Connection, Credential, Settings, Status
from connhub.connections.refresh import RenewalFailed
from connhub.connections.testing import NoTest, TooManyTests
from connhub.egress.errors import UNREACHABLE
from tests.conftest import CANARY
from tests.connections.steps import actions, again, expire, in_own_connection
from tests.factories import AuthMethodFactory, ServiceFactory, connect
from tests.servers.certificates import make_certificate

pytestmark = pytest.mark.django_db

HINTS = {
    401: "The service doesn't accept the credentials. Check them for typing errors or reconnect.",
    403: "The credentials are known, but not allowed to do this. Check their rights or scopes.",
    404: "There is nothing at this address. Check the parameters.",
    429: "The service asks to slow down. Try again in a minute.",
    500: "The service has a problem of its own.",
    418: "",
}


@pytest.fixture
def keyed(upstream, allow):
    """An auth method of a service whose test wants the API key of `upstream`."""
    allow(upstream.port)
    service = ServiceFactory(base_url=upstream.url, test={"method": "GET", "path": "/key"})
    return AuthMethodFactory(service=service)


@pytest.fixture
def connection(ada, keyed, upstream):
    return connect(ada, method=keyed, secret=upstream.api_key)


def method_at(base_url, path="/key", **test):
    service = ServiceFactory(base_url=base_url, test={"method": "GET", "path": path} | test)
    return AuthMethodFactory(service=service)


def run(method, **values):
    return testing.run(method.service, method, {"key_1": CANARY} | values)


def outcome(report):
    last = report.steps[-1]
    return last.name, last.outcome, last.said, last.hint


# --- Over HTTP ------------------------------------------------------------------------------------


def test_working_connection(ada, connection, upstream):
    report = testing.test(connection, by=ada)

    assert report.ok
    port = upstream.port
    assert [(step.name, step.outcome, step.said) for step in report.steps] == [
        ("Parameters", "ok", f"127.0.0.1, port {port}."),
        ("Name resolution", "ok", "1 in your own network."),
        ("Egress policy", "ok", "Allowed by an exception that whoever runs ConnHub made."),
        ("TCP", "ok", f"Port {port} is open."),
        ("TLS", "skipped", "Not encrypted: the operator allows this for the address."),
        ("Authentication", "ok", "Added to the call: header X-Api-Key."),
        ("Sample call", "ok", "GET /key answered 200."),
    ]


def test_report_is_stored_and_the_test_on_record(ada, connection):
    report = testing.test(connection, by=ada)

    credential = connection.credentials.get()
    event = Event.objects.about(connection)[0]
    assert credential.test_report == report.as_json()
    assert credential.tested_at
    assert (event.action, event.outcome, event.actor) == ("connection.tested", "ok", "Ada")
    assert event.detail == {"took_ms": report.took_ms}


def test_refused_credentials_are_told_with_a_hint(ada, keyed):
    made = connect(ada, method=keyed, secret=CANARY)

    report = testing.test(made, by=ada)

    made.refresh_from_db()
    credential = made.credentials.get()
    assert outcome(report) == ("Sample call", "failed", "GET /key answered 401.", HINTS[401])
    assert (made.status, credential.status) == (Status.FAILING, Status.FAILING)
    assert credential.last_error == "GET /key answered 401."
    assert Event.objects.about(made)[0].outcome == "failed"
    assert CANARY not in str(credential.test_report)


def test_failing_connection_is_connected_once_a_test_works(ada, connection):
    Credential.objects.update(status=Status.FAILING, last_error="It failed.")
    Connection.objects.update(status=Status.FAILING)

    testing.test(connection, by=ada)

    connection.refresh_from_db()
    assert (connection.status, connection.credentials.get().last_error) == (Status.CONNECTED, "")


@pytest.mark.parametrize("status", HINTS)
def test_each_status_has_its_hint(upstream, allow, status):
    allow(upstream.port)

    report = run(method_at(upstream.url, f"/status/{status}"))

    said = f"GET /status/{status} answered {status}."
    assert outcome(report) == ("Sample call", "failed", said, HINTS[status])


def test_service_may_expect_another_status(upstream, allow):
    allow(upstream.port)

    assert run(method_at(upstream.url, "/status/418", expect=[418])).ok
    assert not run(method_at(upstream.url, "/status/200", expect=[418])).ok


def test_redirect_is_no_success(upstream, allow):
    allow(upstream.port)

    assert not run(method_at(upstream.url, "/redirect")).ok


@pytest.mark.parametrize("place", ["header", "query", "form"])
def test_credential_is_sent_where_the_service_wants_it(token_endpoint, place):
    method = method_at(f"http://127.0.0.1:{token_endpoint.port}", "/test", method="POST")
    method.config = {"keys": [{"name": "api_key", "in": place}]}

    assert run(method).ok
    asked = token_endpoint.asked[0]
    query = parse_qs(urlsplit(asked.path).query)
    sent = {
        "header": asked.headers.get("api_key"),
        "query": query.get("api_key", [None])[0],
        "form": asked.form.get("api_key"),
    }
    assert sent == dict.fromkeys(sent) | {place: CANARY}


@pytest.mark.parametrize(
    "base_url",
    [
        "https://127.0.0.1:9",
        "https://169.254.169.254",
        "https://nowhere.invalid",
        "https://[::1]:5432",
    ],
    ids=["closed", "forbidden", "unresolvable", "loopback"],
)
def test_what_cannot_be_reached_is_told_alike(allow, base_url):
    allow(9)

    report = run(method_at(base_url))

    assert outcome(report) == ("Connection", "failed", UNREACHABLE, "")
    assert [step.name for step in report.steps] == ["Parameters", "Connection"]


@pytest.mark.parametrize(
    "base_url", ["http://service.example", "https://{shop}.example", "https://a@b"]
)
def test_bad_address_is_told(base_url):
    report = run(method_at(base_url))

    assert [(step.name, step.outcome) for step in report.steps] == [("Parameters", "failed")]


def test_secret_that_no_header_can_hold_is_told_without_it(upstream, allow):
    allow(upstream.port)

    report = run(method_at(upstream.url), key_1=f"{CANARY}\r\nX-Evil: 1")

    assert not report.ok
    assert CANARY not in str(report.as_json())


def test_slow_service_is_waited_for_only_so_long(upstream, allow, monkeypatch):
    monkeypatch.setattr(probing, "DEADLINE_S", 0.3)
    allow(upstream.port)

    report = run(method_at(upstream.url, "/drip?wait=1&seconds=2"))

    assert outcome(report)[:2] == ("Sample call", "failed")


def test_huge_answer_is_not_read_to_its_end(upstream, allow):
    allow(upstream.port)

    assert not run(method_at(upstream.url, "/bytes/2000000")).ok


# --- TLS and scopes -------------------------------------------------------------------------------


@pytest.fixture
def secured(tmp_path, settings, allow, ada):
    """A connection to an HTTPS server whose certificate holds for a day; it answers 501 to all."""
    files = make_certificate(tmp_path)
    settings.CONNHUB_CA_FILE = str(files.ca)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(files.certificate, files.key)
    server = ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    allow(server.server_port)
    yield connect(ada, method=method_at(f"https://127.0.0.1:{server.server_port}", expect=[501]))
    server.shutdown()
    thread.join()
    server.server_close()


def tls_step(report):
    return next(step for step in report.steps if step.name == "TLS")


def test_certificate_that_ends_soon_is_warned_of_and_its_end_kept(ada, secured):
    report = testing.test(secured, by=ada)

    step, ends_at = tls_step(report), secured.credentials.get().certificate_ends_at
    assert (report.ok, step.outcome) == (True, "warned")
    assert step.hint == "It ends in less than 30 days. Tell whoever runs the service."
    assert step.said.startswith("TLSv1.3, certificate of 127.0.0.1 until ")
    assert ends_at == report.certificate_ends_at
    assert timedelta(0) < ends_at - timezone.now() < timedelta(days=2)


def test_certificate_that_holds_for_long_is_told(ada, secured, monkeypatch):
    monkeypatch.setattr(probing, "SOON", timedelta(0))

    assert (tls_step(testing.test(secured, by=ada)).outcome) == "ok"


def test_untrusted_certificate_ends_the_test_with_a_hint(ada, secured, settings):
    settings.CONNHUB_CA_FILE = None

    report = testing.test(secured, by=ada)

    assert outcome(report)[:2] == ("TLS", "failed")
    assert report.steps[-1].hint == probing.CERTIFICATE
    assert [step.name for step in report.steps][:4] == [
        *("Parameters", "Name resolution", "Egress policy", "TCP"),
    ]
    assert secured.credentials.get().certificate_ends_at is None


@pytest.mark.parametrize(
    ("granted", "result", "said"),
    [
        (["read"], "ok", "All that was asked for: read."),
        (["read", "more"], "ok", "All that was asked for: read. Besides: more."),
        (["more"], "warned", "Asked for, but not granted: read. Besides: more."),
        ([], "skipped", "The service did not say which it granted."),
    ],
)
def test_drift_of_scopes_is_named(ada, connected, crm, granted, result, said):
    Credential.objects.update(scopes_granted=granted)

    report = testing.test(crm, by=ada)

    step = next(step for step in report.steps if step.name == "Granted scopes")
    assert (report.ok, step.outcome, step.said) == (True, result, said)
    assert bool(step.hint) == (result == "warned")


# --- Databases ------------------------------------------------------------------------------------


def test_database(ada, redis_server, allow):
    allow(redis_server.port)
    service = ServiceFactory(driver="redis", base_url="")
    method = AuthMethodFactory(service=service, kind="database", label="Database", config={})
    parameters = {
        "host": "127.0.0.1",
        "port": str(redis_server.port),
        "database": "0",
        "tls": "off",
    }
    parameters["user"] = redis_server.user
    made = connect(
        ada, method=method, parameters=parameters, secrets={"password": redis_server.password}
    )

    works = testing.test(made, by=ada)
    Credential.objects.all().delete()
    keep(made, Granted({"password": CANARY}), environment=None)
    fails = testing.test(made, by=ada)

    assert (works.ok, fails.ok) == (True, False)
    assert made.credentials.get().test_report == fails.as_json()
    assert made.credentials.get().status == Status.FAILING
    assert CANARY not in str(fails.as_json())


# --- What a test may say besides method and path ---------------------------------------------------


def echo(upstream, **test):
    return method_at(upstream.url, "/echo", **test)


@pytest.mark.parametrize(
    ("expected", "ok"),
    [
        ({"path": "method"}, True),
        ({"path": "method", "equals": "POST"}, True),
        ({"path": "method", "equals": "GET"}, False),
        ({"path": "nothing.0.there"}, False),
    ],
)
def test_answer_must_hold_what_is_expected_of_it(upstream, allow, expected, ok):
    allow(upstream.port)

    report = run(echo(upstream, method="POST", json={"query": "{me}"}, expect_json=expected))

    assert report.ok == ok
    hint = "It says that it failed. Check the credentials, and their rights or scopes."
    assert report.steps[-1].hint == ("" if ok else hint)
    assert CANARY not in str(report.as_json())


def test_answer_that_is_no_json_is_not_what_was_expected(upstream, allow):
    allow(upstream.port)

    report = run(method_at(upstream.url, "/status/200", expect_json={"path": "ok"}))

    assert not report.ok


def test_body_and_headers_of_a_test_are_sent(upstream, allow, monkeypatch):
    allow(upstream.port)
    answers, judge = [], probing._judge

    def look(test, answer):
        answers.append(answer.json())
        return judge(test, answer)

    monkeypatch.setattr(probing, "_judge", look)
    run(echo(upstream, method="POST", json={"a": 1}, headers={"X-Acme": "2"}))

    headers = {name.lower(): value for name, value in answers[0]["headers"]}
    assert (headers["x-acme"], headers["content-type"]) == ("2", "application/json")
    assert answers[0]["body_start"] == '{"a": 1}'


def test_a_method_s_own_test_replaces_the_service_s(keyed, upstream):
    keyed.config["test"] = {"method": "GET", "path": "/status/204"}

    report = run(keyed)

    assert outcome(report)[2] == "GET /status/204 answered 204."


# --- With OAuth -----------------------------------------------------------------------------------


def test_oauth_connection_is_tested_with_its_token(ada, connected, crm):
    assert testing.test(crm, by=ada).ok


def test_expired_token_is_renewed_for_the_test(ada, connected, crm, oauth_server):
    expire(connected)

    report = testing.test(crm, by=ada)

    assert report.ok
    assert [r.grant_type for r in oauth_server.token_requests][-1] == "refresh_token"
    assert again(connected).tested_at


def test_token_that_cannot_be_renewed_is_told(ada, connected, crm, oauth_server):
    expire(connected)
    oauth_server.fail_next("500")

    with pytest.raises(RenewalFailed):
        testing.test(crm, by=ada)


def test_test_of_an_old_token_does_not_judge_a_newer_one(ada, connected, crm, monkeypatch):
    run = testing.run

    def meanwhile(*args):
        report = run(*args)
        keep(crm, Granted({"access_token": "newer"}), environment=None)
        return report

    monkeypatch.setattr(testing, "run", meanwhile)
    testing.test(crm, by=ada)

    newer = again(connected)
    assert (newer.tested_at, newer.test_report) == (None, {})


def test_test_never_hides_that_the_grant_is_dead(ada, connected, crm, monkeypatch):
    run = testing.run

    def meanwhile(*args):
        Credential.objects.update(status=Status.RECONNECT_NEEDED)
        return run(*args)

    monkeypatch.setattr(testing, "run", meanwhile)
    testing.test(crm, by=ada)

    assert again(connected).status == Status.RECONNECT_NEEDED


# --- What can't be tested -------------------------------------------------------------------------


@pytest.mark.parametrize("who", ["eve", "root"])
def test_only_admins_of_the_connection_may(request, connection, upstream, who):
    with pytest.raises(PermissionDenied):
        testing.test(connection, by=request.getfixturevalue(who))

    assert upstream.counts()["requests"] == 0


def test_service_without_a_test(ada):
    made = connect(ada)

    with pytest.raises(NoTest):
        testing.test(made, by=ada)


def test_revoked_connection(ada, connection, upstream):
    lifecycle.revoke(connection, by=ada)

    with pytest.raises(ConnectionRevoked):
        testing.test(connection, by=ada)
    assert upstream.counts()["requests"] == 0


def test_connection_without_credential_in_that_environment(ada, keyed):
    development, staging, _ = Environment.objects.all()
    made = connect(ada, method=keyed, environment=development)

    with pytest.raises(NotConnected):
        testing.test(made, by=ada, environment=staging)


def test_missing_parameter(ada, upstream):
    service = ServiceFactory(base_url="https://{shop}.example", test={"path": "/"})
    made = connect(ada, method=AuthMethodFactory(service=service), parameters={"shop": "acme"})
    Settings.objects.update(parameters={})

    with pytest.raises(AddressIncomplete):
        testing.test(made, by=ada)


def test_test_that_cannot_be_put_on_record_leaves_no_report(ada, connection, monkeypatch):
    append = log._append

    def unwritable(event, change):
        if event.action == "connection.tested":
            raise DatabaseError
        append(event, change)

    monkeypatch.setattr(log, "_append", unwritable)

    with pytest.raises(AuditUnavailable):
        testing.test(connection, by=ada)

    assert connection.credentials.get().test_report == {}


def test_test_before_saving_stores_nothing(upstream, keyed):
    report = testing.run(keyed.service, keyed, {"key_1": upstream.api_key})

    assert report.ok
    assert not Connection.objects.exists()
    assert set(Event.objects.values_list("action", flat=True)) == {"egress.exception_used"}


@pytest.mark.django_db(transaction=True)
def test_no_more_than_four_run_at_once(upstream, allow, monkeypatch):
    monkeypatch.setattr(testing, "QUEUE_S", 0.1)
    allow(upstream.port)
    method = method_at(upstream.url, "/drip?wait=1&seconds=1.5")
    reports = []
    running = [
        threading.Thread(target=in_own_connection(lambda: reports.append(run(method))))
        for _ in range(4)
    ]
    for thread in running:
        thread.start()
    deadline = time.monotonic() + 10
    while upstream.counts()["requests"] < 4 and time.monotonic() < deadline:
        time.sleep(0.02)

    with pytest.raises(TooManyTests):
        run(method)
    for thread in running:
        thread.join()

    assert [report.ok for report in reports] == [True] * 4
    assert run(method_at(upstream.url, "/echo")).ok


def test_tests_of_each_environment_are_kept_apart(ada, keyed, upstream):
    development, staging, _ = Environment.objects.all()
    made = connect(ada, method=keyed, secret=upstream.api_key)
    keep(made, Granted({"key_1": "wrong"}), environment=staging)

    testing.test(made, by=ada, environment=development)
    testing.test(made, by=ada, environment=staging)

    made.refresh_from_db()
    found = dict(made.credentials.values_list("environment__slug", "status"))
    assert found == {None: Status.CONNECTED, "staging": Status.FAILING}
    assert made.status == Status.FAILING
    assert actions(made).count("connection.tested") == 2
