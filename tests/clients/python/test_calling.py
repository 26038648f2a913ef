"""Calls through a running ConnHub to a real service, by both clients."""

import asyncio
import logging
import traceback
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
import time_machine
from django.utils import timezone

from connhub.accounts.models import Environment
from connhub.audit.models import Event
from connhub.connections import lifecycle, login_users
from connhub.connections.auth.base import Granted
from connhub.connections.models import Connection, Status
from connhub.usage import projects, registration
from connhub.usage.models import Flow
from connhub_client import AsyncConnHub, ConnHub, Step, errors
from connhub_client.documents import ConnectionInfo
from tests.factories import AuthMethodFactory, IntegrationFactory, ServiceFactory, connect
from tests.usage.conftest import replace_secret
from tests.usage.test_gateway import logged

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.xdist_group("app")]

WRONG_KEY = "chk_" + "x" * 43


def refusal(call, *args, **options) -> errors.ConnHubError:
    """What the call raises."""
    with pytest.raises(errors.ConnHubError) as raised:
        call(*args, **options)
    return raised.value


# --- Calls ----------------------------------------------------------------------------------------


def test_call_reaches_the_service_as_it_is_made(reach, hub, flow):
    reach("crm", where={"path": "/echo"})
    crm = hub.connection("crm", flow="nightly", step="Aufträge")

    said = crm.get("/a%20b/c;x=1?q=%20x&q=", headers={"X-Own": "1"}).json()
    asked = crm.get("/a?b=1", params={"c": [2, 3]}).json()
    sent = [getattr(crm, name)("/x", json={"a": 1}).json() for name in ("post", "put", "patch")]

    assert (said["path"], said["query"]) == ("/echo/a%20b/c;x=1", "q=%20x&q=")
    assert ["x-own", "1"] in [[name.lower(), value] for name, value in said["headers"]]
    assert (asked["path"], asked["query"]) == ("/echo/a", "b=1&c=2&c=3")
    assert [(each["method"], each["body_start"]) for each in sent] == [
        ("POST", '{"a":1}'),
        ("PUT", '{"a":1}'),
        ("PATCH", '{"a":1}'),
    ]
    assert crm.delete().json()["method"] == "DELETE"
    assert {(c.flow, c.step) for c in logged(flow, 6)} == {("nightly", "Aufträge")}


def test_what_the_service_refuses_is_an_answer(reach, hub):
    reach()
    crm = hub.connection("crm")

    paths = ["/status/401", "/status/404", "/status/409", "/status/500", "/redirect"]
    answers = [crm.get(path) for path in paths]

    assert [answer.status_code for answer in answers] == [401, 404, 409, 500, 302]
    assert answers[1].text == "Status 404"
    assert answers[-1].headers["Location"] == "/echo"


def test_stream_gives_the_body_as_it_comes_and_refuses_before_it(reach, flow):
    reach()

    with ConnHub(flow.server.url, flow.token) as hub:
        with hub.connection("crm").stream("GET", "/bytes/200000?chunked") as answer:
            pieces = list(answer.iter_bytes())
        with pytest.raises(errors.BadPath), hub.connection("crm").stream("GET", "/a%2Fb"):
            pass

    assert (len(pieces) > 1, sum(map(len, pieces))) == (True, 200_000)


def test_async_stream_does_too(reach, flow):
    reach()

    async def go():
        async with AsyncConnHub(flow.server.url, flow.token) as hub:
            async with hub.connection("crm").stream("GET", "/bytes/200000?chunked") as answer:
                pieces = [piece async for piece in answer.aiter_bytes()]
            with pytest.raises(errors.BadPath):
                async with hub.connection("crm").stream("GET", "/a%2Fb"):
                    pass
        return pieces

    pieces = asyncio.run(go())

    assert (len(pieces) > 1, sum(map(len, pieces))) == (True, 200_000)


def test_only_what_is_asked_for_and_does_no_harm_is_tried_again(
    reach, open_hub, flow, upstream, monkeypatch
):
    reach()
    monkeypatch.setattr("connhub_client.exchange.random.uniform", lambda *bounds: 0)

    once = open_hub(flow.server.url, flow.token)
    thrice = open_hub(flow.server.url, flow.token, retries=2)

    def tries(method, path="/status/503", hub=thrice, **options):
        before = upstream.counts()["requests"]
        status = hub.connection("crm").request(method, path, **options).status_code
        return status, upstream.counts()["requests"] - before

    assert [tries(method) for method in ("GET", "PUT", "DELETE")] == [(503, 3)] * 3
    assert tries("GET", "/status/429") == (429, 3)
    assert tries("PUT", content=b"x") == (503, 3)
    assert [tries(method) for method in ("POST", "PATCH")] == [(503, 1)] * 2
    assert tries("GET", "/status/500") == (500, 1)
    assert tries("GET", hub=once) == (503, 1)


# --- What ConnHub refuses ---------------------------------------------------------------------------


def revoked(made, ada):
    lifecycle.revoke(made, by=ada)


def lost(made, ada):
    made.credentials.update(status=Status.RECONNECT_NEEDED)


def disabled(made, ada):
    Connection.objects.filter(pk=made.pk).update(disabled_at=timezone.now())


def personal(made, ada):
    Connection.objects.filter(pk=made.pk).update(login_user=True)


def misplaced(made, ada):
    made.settings.update(base_url="https://api.example.com/a/../b")


STATES = {
    revoked: (errors.ConnectionRevoked, "/connections/revoked/reconnect/"),
    lost: (errors.ReconnectNeeded, "/connections/lost/authorize/"),
    disabled: (errors.ConnectionDisabled, "/connections/disabled/"),
    personal: (errors.AuthorizeAsUser, "/profile/sign-ins/personal/"),
    misplaced: (errors.AddressIncomplete, "/connections/misplaced/edit/"),
}


def test_connection_in_the_way_is_an_exception_with_the_page_that_mends_it(ada, reach, hub, flow):
    for happen in STATES:
        happen(reach(happen.__name__), ada)
    production = Environment.objects.get(slug="production")
    reach("unconnected", secrets={"key_1": "x"}, environment=production)

    refused = {happen: refusal(hub.connection(happen.__name__).get, "/echo") for happen in STATES}
    unconnected = refusal(hub.connection("unconnected").get, "/echo")

    said = {happen: (type(e), e.url.removeprefix(flow.server.url)) for happen, e in refused.items()}
    assert said == STATES
    assert isinstance(unconnected, errors.NotConnected)
    revoked_now = refused[revoked]
    assert (revoked_now.code, revoked_now.status) == ("connection-revoked", 409)
    assert revoked_now.title == "Connection revoked"
    assert revoked_now.detail == "This connection was revoked. Reconnect it to use it again."
    assert len(revoked_now.request_id) == 32
    assert str(revoked_now) == (
        "connection-revoked: This connection was revoked. Reconnect it to use it again."
        f" See {flow.server.url}/connections/revoked/reconnect/"
    )


def test_call_that_can_not_be_passed_on_is_an_exception(ada, reach, hub, open_hub, flow):
    reach()
    form = {"keys": [{"name": "key", "in": "form", "label": "API key"}]}
    reach("form", config=form)
    Flow.objects.create(slug="theirs", name="Theirs", integration=IntegrationFactory())
    database_for(ada, flow.key.integration)
    crm = hub.connection("crm")

    refused = [
        refusal(open_hub(flow.server.url, WRONG_KEY).connection("crm").get),
        refusal(hub.connection("absent").get, "/echo"),
        refusal(crm.request, "HEAD", "/a%2Fb"),
        refusal(hub.connection("crm", flow="no slug").get, "/echo"),
        refusal(crm.get, "/echo", headers={f"X-{n}": "1" for n in range(101)}),
        refusal(crm.request, "TRACE", "/echo"),
        refusal(crm.get, f"/bytes/{100 * 2**20 + 1}"),
        refusal(crm.credentials),
        refusal(hub.connection("form").post, "/echo", json={}),
        refusal(hub.connection("warehouse").get, "/echo"),
        refusal(lambda: list(hub.connections(page_size=1000))),
        refusal(hub.declare_flow, "theirs", name="Mine", steps=[]),
    ]

    assert [type(each) for each in refused] == [
        errors.Unauthorized,
        errors.NotRegistered,
        errors.BadPath,
        errors.BadHeader,
        errors.HeadersTooLarge,
        errors.MethodNotAllowed,
        errors.AnswerTooLarge,
        errors.CredentialsNotAllowed,
        errors.FormNeeded,
        errors.NotHTTP,
        errors.InvalidRequest,
        errors.FlowSlugTaken,
    ]
    assert refused[2].detail == "Bad path"  # an answer to HEAD has no document


# --- Credentials ------------------------------------------------------------------------------------


def database_for(ada, integration) -> Connection:
    """A PostgreSQL called `warehouse`, registered; nobody connects to it."""
    service = ServiceFactory(driver="postgresql", base_url="")
    made = connect(
        ada,
        method=AuthMethodFactory(service=service, kind="database", config={}),
        link_name="warehouse",
        parameters={"host": "db.example", "database": "orders", "user": "flow"},
        secrets={"password": "p"},
        access_mode="credentials",
    )
    registration.register(integration, [made], by=ada)
    return made


def reads() -> int:
    """How often a secret was handed out."""
    return Event.objects.filter(action="credential.read", outcome="ok").count()


def test_credentials_are_asked_for_once_until_they_end_or_fresh_ones_are_wanted(reach, hub):
    made = reach(access_mode="credentials")
    crm = hub.connection("crm")

    first = [crm.credentials()["key_1"], hub.connection("crm").credentials()["key_1"], reads()]
    ends = timezone.now() + timedelta(hours=1)
    replace_secret(made, Granted({"key_1": "the second"}, ends))
    kept = crm.credentials()["key_1"]
    fresh = [crm.credentials(fresh=True)["key_1"], crm.credentials()["key_1"], reads()]
    with time_machine.travel(ends - timedelta(seconds=31)):
        crm.credentials()
        before_the_end = reads()
    with time_machine.travel(ends - timedelta(seconds=29)):
        at_the_end = [crm.credentials().expires_at == ends, reads()]

    assert first[0] == first[1] == kept
    assert fresh == ["the second", "the second", 2]
    assert (first[2], before_the_end, at_the_end) == (1, 2, [True, 3])
    assert (crm.credentials().kind, crm.credentials().environment) == ("api_key", "development")


def test_credentials_without_an_end_are_kept_for_five_minutes(reach, flow):
    reach(access_mode="credentials")

    def reads_in(**time):
        with time_machine.travel(timezone.now() + timedelta(**time)):
            hub.connection("crm").credentials()
        return reads()

    with ConnHub(flow.server.url, flow.token) as hub:
        counted = [reads_in(), reads_in(minutes=4, seconds=55), reads_in(minutes=5, seconds=1)]

    assert counted == [1, 1, 2]


def test_credentials_are_kept_apart_for_each_login_user(ada, bob, eve, reach, hub, integration):
    made = reach("personal", secrets={}, login_user=True, access_mode="credentials")
    for person in (bob, eve):
        projects.add_member(integration, person, by=ada)
        login_users.sign_in(made, {"key_1": f"of {person.name}"}, by=person)

    of_both = [
        hub.connection("personal", as_user=person.email).credentials()
        for person in (bob, eve, bob, eve)
    ]

    assert [each["key_1"] for each in of_both] == ["of Bob", "of Eve"] * 2
    assert (of_both[0].user, reads()) == (bob.email, 2)


def test_no_credentials_stay_once_fresh_ones_were_refused(ada, reach, flow):
    made = reach(access_mode="credentials")

    with ConnHub(flow.server.url, flow.token) as hub:
        crm = hub.connection("crm")
        crm.credentials()
        lifecycle.revoke(made, by=ada)
        refused = [refusal(crm.credentials, fresh=True), refusal(crm.credentials)]

    assert [type(each) for each in refused] == [errors.ConnectionRevoked] * 2


def test_all_who_want_the_same_credentials_at_once_cost_one_call(reach, flow):
    reach(access_mode="credentials")

    async def tasks():
        async with AsyncConnHub(flow.server.url, flow.token) as hub:
            crm = hub.connection("crm")
            return await asyncio.gather(*(crm.credentials() for _ in range(8)))

    with ConnHub(flow.server.url, flow.token) as hub, ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda _: hub.connection("crm").credentials(), range(8)))
    by_threads = reads()
    asyncio.run(tasks())

    assert (by_threads, reads()) == (1, 2)


# --- What ConnHub knows -----------------------------------------------------------------------------


def test_connections_come_from_all_pages(reach, hub):
    for name in ("a", "b", "c", "d", "e"):
        reach(name)

    found = list(hub.connections(page_size=2))

    assert [each.link_name for each in found] == ["a", "b", "c", "d", "e"]
    assert found == list(hub.connections())
    assert found[0] == ConnectionInfo(
        link_name="a",
        name="A",
        service=Connection.objects.get(link_name="a").service.slug,
        kind="api_key",
        environment="development",
        status="connected",
        access_mode="proxy",
        login_user=False,
    )


def test_flow_is_declared(reach, hub, integration):
    reach()

    steps = [Step("Orders", kind="export", connection="crm")]
    declared = hub.declare_flow("nightly", name="Nightly", steps=steps)

    assert (declared.slug, declared.name, declared.registered) == ("nightly", "Nightly", [])
    saved = Flow.objects.get(slug="nightly")
    assert [(step.name, step.kind) for step in saved.steps.all()] == [("Orders", "export")]


def test_data_object_and_function_are_declared(reach, hub, integration):
    reach()

    made = hub.declare_data_object("desk", "Orders & more", connection="crm", app_name="Desk")
    function = hub.declare_function("sync", connections=["crm"])

    assert (made.app, made.app_name, made.name) == ("desk", "Desk", "Orders & more")
    assert (function.name, function.connections, function.registered) == ("sync", ["crm"], [])
    assert integration.apps.get().data_objects.get().name == "Orders & more"
    assert integration.functions.get().name == "sync"


# --- The key ----------------------------------------------------------------------------------------


def test_key_shows_nowhere(reach, hub, flow, caplog):
    caplog.set_level(logging.DEBUG)
    reach(access_mode="credentials")
    crm = hub.connection("crm")

    answers = [crm.get("/echo"), crm.get("/redirect")]
    credentials = crm.credentials()
    failed = [refusal(crm.get, "/a%2Fb"), refusal(hub.connection("absent").get)]
    shown = [repr(each) for each in (hub, crm, credentials, vars(crm), *failed, *answers)]
    shown += ["".join(traceback.format_exception(error)) for error in failed]
    shown += [str(dict(answer.request.headers)) for answer in answers]

    assert flow.token not in caplog.text + "".join(shown)
    assert credentials["key_1"] not in caplog.text + "".join(shown)
    assert [answer.next_request for answer in answers] == [None, None]
