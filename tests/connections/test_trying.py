import json

import pytest
from django.core.exceptions import PermissionDenied
from django.urls import reverse

from connhub.accounts.models import Environment
from connhub.audit import log
from connhub.audit.models import Event
from connhub.connections import answers, lifecycle, login_users, sending, trying
from connhub.connections.access import (
    AddressIncomplete,
    ConnectionRevoked,
    NotConnected,
    ReconnectNeeded,
)
from connhub.connections.calling.refusals import (
    BadPath,
    FormNeeded,
    MethodNotAllowed,
    PathNotAllowed,
)
from connhub.connections.models import Credential, Status
from connhub.connections.sending import NotAnswered
from connhub.connections.testing import SignInFirst
from connhub.connections.trying import Given
from connhub.egress.errors import UNREACHABLE
from tests.conftest import CANARY
from tests.connections.steps import actions, expire
from tests.factories import AuthMethodFactory, ServiceFactory, connect

pytestmark = pytest.mark.django_db

JSON, FORM = "application/json", "application/x-www-form-urlencoded"


@pytest.fixture
def keyed(upstream, allow):
    """An auth method of a service at `upstream`, with a path prefix."""
    allow(upstream.port)
    return AuthMethodFactory(service=ServiceFactory(base_url=upstream.url + "/echo"))


@pytest.fixture
def connection(ada, keyed):
    return connect(ada, method=keyed, secret=CANARY)


@pytest.fixture
def stage(db):
    return Environment.objects.first()


def operation(connection, method="GET", path="/pets", **more):
    return connection.service.operations.create(method=method, path=path, **more)


def send(made, over, stage, given=None, *, by):
    return trying.try_operation(made, over, given or Given({}), environment=stage, by=by)


def echoed(answer) -> dict:
    return json.loads(answer.body)


def header(answer, name) -> list[str]:
    return [value for given, value in echoed(answer)["headers"] if given.lower() == name]


def at(upstream, ada, path, method="GET", **config):
    """A connection to another part of upstream, and an operation there."""
    keys = config or {"keys": [{"name": "X-Api-Key", "in": "header"}]}
    service = ServiceFactory(base_url=upstream.url)
    made = connect(ada, method=AuthMethodFactory(service=service, config=keys), secret=CANARY)
    return operation(made, method, path), made


def test_the_service_s_limits_hold_here_too(ada, connection, stage, upstream):
    connection.service.allowed_methods = ["GET"]
    connection.service.allowed_paths = ["/pets"]
    connection.service.save()
    upstream.reset()

    with pytest.raises(MethodNotAllowed):
        send(operation(connection, "DELETE", "/pets/7"), connection, stage, by=ada)
    with pytest.raises(PathNotAllowed):
        send(operation(connection, "GET", "/toys"), connection, stage, by=ada)

    assert upstream.counts()["requests"] == 0
    assert send(operation(connection, "GET", "/pets/7"), connection, stage, by=ada).ok


# --- What is sent -----------------------------------------------------------------------------------


def test_an_operation_is_called_with_the_credential_and_what_was_filled_in(ada, connection, stage):
    made = operation(connection, "POST", "/pets/{id}/toys", body_type=JSON)
    given = Given(
        {"id": "a b&c"},
        query=(("tag", "x&y=z"), ("sort by", "é")),
        headers=(("X-Trace", "7"),),
        body='{"name": "Ball"}',
    )

    answer = send(made, connection, stage, given, by=ada)

    assert (answer.status, echoed(answer)["method"]) == (200, "POST")
    assert echoed(answer)["path"] == "/echo/pets/a%20b%26c/toys"
    assert echoed(answer)["query"] == "tag=x%26y%3Dz&sort%20by=%C3%A9"
    assert echoed(answer)["body_start"] == '{"name": "Ball"}'
    assert (header(answer, "content-type"), header(answer, "x-trace")) == ([JSON], ["7"])
    assert header(answer, "x-api-key") == ["*" * len(CANARY)]


def test_the_request_is_shown_with_placeholders_for_secrets(ada, connection, stage, upstream):
    made = operation(connection, "POST", "/pets", body_type=JSON)

    answer = send(made, connection, stage, Given({}, body=f'["{CANARY}"]'), by=ada)

    lines = answer.sent.splitlines()
    assert lines[0] == f"POST {upstream.url}/echo/pets"
    assert "X-Api-Key: ‹secret›" in lines
    assert lines[-1] == f'["{"*" * len(CANARY)}"]'


def test_keys_in_query_and_form_win_over_what_was_typed(ada, connection, stage, upstream):
    keys = [
        {"name": "key", "in": "query", "label": "Key"},
        {"name": "sid", "in": "form", "label": "Session"},
    ]
    method = AuthMethodFactory(service=connection.service, config={"keys": keys}, label="Two")
    both = {"key_1": CANARY, "key_2": "f0rm-secret"}
    two = connect(ada, method=method, link_name="two", secrets=both)
    made = operation(two, "POST", "/login", body_type=FORM)

    answer = send(
        made, two, stage, Given({}, query=(("KEY", "mine"),), body="sid=mine&a=1"), by=ada
    )

    assert echoed(answer)["query"] == f"key={'*' * len(CANARY)}"
    assert echoed(answer)["body_start"] == f"a=1&sid={'*' * len('f0rm-secret')}"
    assert f"{upstream.url}/echo/login?key=‹secret›" in answer.sent
    assert answer.sent.endswith("a=1&sid=‹secret›")


def test_a_typed_header_never_replaces_the_credential(ada, connection, stage):
    given = Given({}, headers=(("X-Api-Key", "mine"), ("Host", "evil.example"), ("Cookie", "a=b")))

    answer = send(operation(connection), connection, stage, given, by=ada)

    assert header(answer, "x-api-key") == ["*" * len(CANARY)]
    assert header(answer, "host") != ["evil.example"]
    assert header(answer, "cookie") == []


@pytest.mark.parametrize(
    ("path", "values"),
    [
        ("/pets/{id}", {"id": "../admin"}),
        ("/pets/{id}", {"id": ".."}),
        ("/pets/{id}", {"id": "a/b"}),
        ("/pets/{id}/x", {"id": ""}),
        ("/pets/{id}/x", {}),
        ("/pets/{id}", {"id": "a\r\nb"}),
        ("/pets/{id}", {"id": "%2e%2e"}),
        ("/a//b", {}),
        ("/a/../b", {}),
        ("/a b", {}),
        ("/a?x=1", {}),
        ("/a#b", {}),
        ("/ä", {}),
        ("//evil.example/", {}),
    ],
)
def test_a_path_that_could_mean_another_is_refused_and_nothing_is_sent(
    ada, connection, stage, upstream, path, values
):
    with pytest.raises(BadPath):
        send(operation(connection, path=path), connection, stage, Given(values), by=ada)

    assert upstream.counts()["requests"] == 0
    assert "connection.operation_tried" not in actions(connection)


def test_the_environment_decides_where_it_goes(ada, connection, stage, upstream):
    connection.service.endpoints.create(environment=stage, base_url=upstream.url + "/echo/dev")

    answer = send(operation(connection), connection, stage, by=ada)

    assert echoed(answer)["path"] == "/echo/dev/pets"


def test_a_body_that_is_no_form_can_not_carry_a_key(ada, stage, upstream, allow):
    allow(upstream.port)
    _, made = at(upstream, ada, "/echo", keys=[{"name": "key", "in": "form"}])

    with pytest.raises(FormNeeded):
        send(operation(made, "POST", "/echo", body_type=JSON), made, stage, by=ada)


# --- What comes back --------------------------------------------------------------------------------


@pytest.mark.parametrize("where", ["header", "body"])
def test_a_secret_that_comes_back_is_redacted_and_that_is_on_record(
    ada, stage, upstream, allow, where
):
    allow(upstream.port)
    made, leaky = at(upstream, ada, "/leak")
    given = Given({}, query=(("header", "X-Api-Key"), ("where", where)))

    answer = send(made, leaky, stage, given, by=ada)

    assert CANARY not in repr(answer)
    assert answer.status == 200
    assert actions(leaky)[-3:] == [
        "connection.operation_tried",
        "credential.redacted",
        "connection.try_ended",
    ]


def test_only_harmless_headers_are_shown(ada, stage, upstream, allow):
    allow(upstream.port)
    made, connection = at(upstream, ada, "/cookies")

    names = {name.lower() for name, _ in send(made, connection, stage, by=ada).headers}

    assert {"etag", "retry-after", "link", "x-ratelimit-remaining", "x-request-id"} <= names
    assert not names & {"set-cookie", "refresh", "content-security-policy", "clear-site-data"}


@pytest.mark.parametrize(
    ("path", "status", "length", "note"),
    [
        ("/status/404", 404, len("Status 404"), ""),
        ("/status/500", 500, len("Status 500"), ""),
        ("/status/204", 204, 0, "There is no body."),
        ("/redirect", 302, 0, "There is no body."),
        ("/bytes/300", 200, 0, "The body is no text in UTF-8 and is not shown: 300 bytes."),
        ("/gzip", 200, 0, "The body is no text in UTF-8 and is not shown: 1,000 bytes."),
    ],
)
def test_any_answer_is_told_as_it_came(ada, stage, upstream, allow, path, status, length, note):
    allow(upstream.port)
    made, connection = at(upstream, ada, path)

    answer = send(made, connection, stage, by=ada)

    assert (answer.status, len(answer.body), answer.note) == (status, length, note)
    assert upstream.counts()["requests"] == 1


@pytest.mark.parametrize(
    ("body", "shown"),
    [
        (b"plain", ("plain", "")),
        (b"\xef\xbb\xbfwith a mark", ("with a mark", "")),
        (b"x" * 70_000, ("x" * 65_536, "Cut here: the body has 70,000 bytes.")),
        ("secret".encode("utf-16-le"), ("", "The body is no text in UTF-8 and is not shown: 12 bytes.")),
        (b"\xff\xfe", ("", "The body is no text in UTF-8 and is not shown: 2 bytes.")),
    ],
)  # fmt: skip
def test_of_a_body_that_much_is_shown(body, shown):
    assert answers.text_of(body) == shown


@pytest.mark.parametrize("path", ["/bytes/3000000", "/drip"])
def test_an_answer_that_is_too_long_or_too_slow_is_not_waited_for(
    ada, stage, upstream, allow, monkeypatch, path
):
    monkeypatch.setattr(sending, "DEADLINE_S", 1)
    allow(upstream.port)
    made, connection = at(upstream, ada, path)

    with pytest.raises(NotAnswered):
        send(made, connection, stage, Given({}, query=(("seconds", "9"),)), by=ada)


def test_an_address_that_may_not_be_reached_reads_like_any_other(ada, connection, stage, settings):
    settings.CONNHUB_EGRESS_ALLOW = []
    connection.service.base_url = "https://169.254.169.254/latest"
    connection.service.save()

    with pytest.raises(NotAnswered) as refused:
        send(operation(connection), connection, stage, by=ada)

    assert refused.value.text == UNREACHABLE


# --- Who may, and what is on record -----------------------------------------------------------------


@pytest.mark.parametrize("who", ["eve", "root"])
def test_only_admins_of_the_connection_may_try(request, connection, stage, upstream, who):
    with pytest.raises(PermissionDenied):
        send(operation(connection), connection, stage, by=request.getfixturevalue(who))

    assert upstream.counts()["requests"] == 0


def test_method_and_path_template_are_on_record_and_no_value_is(ada, connection, stage):
    made = operation(connection, "PUT", "/pets/{id}", body_type="text/plain")

    send(made, connection, stage, Given({"id": "rex"}, body="woof"), by=ada)

    event = Event.objects.about(connection).get(action="connection.operation_tried")
    detail = {"method": "PUT", "path": "/pets/{id}", "environment": stage.slug}
    assert (event.actor_id, event.detail) == (str(ada.pk), detail)
    assert "rex" not in str(vars(event))
    assert "woof" not in str(list(Event.objects.values()))


def test_what_can_not_be_put_on_record_is_not_sent(ada, connection, stage, upstream, monkeypatch):
    def fail(event, change):
        raise log.AuditUnavailable

    monkeypatch.setattr(log, "_append", fail)
    with pytest.raises(log.AuditUnavailable):
        send(operation(connection), connection, stage, by=ada)

    assert upstream.counts()["requests"] == 0


def test_a_connection_that_acts_for_its_users_is_tried_with_ones_own_sign_in(ada, keyed, stage):
    made = connect(ada, method=keyed, secrets={}, login_user=True)

    with pytest.raises(SignInFirst):
        send(operation(made), made, stage, by=ada)
    login_users.sign_in(made, {"key_1": CANARY}, by=ada)
    answer = send(operation(made, path="/mine"), made, stage, by=ada)

    assert header(answer, "x-api-key") == ["*" * len(CANARY)]


def test_a_revoked_connection_is_refused(ada, connection, stage):
    lifecycle.revoke(connection, by=ada)

    with pytest.raises(ConnectionRevoked):
        send(operation(connection), connection, stage, by=ada)


def test_an_environment_without_credential_is_refused(ada, keyed):
    stages = list(Environment.objects.all())
    made = connect(ada, method=keyed, environment=stages[0])

    with pytest.raises(NotConnected):
        send(operation(made), made, stages[1], by=ada)


def test_a_service_without_address_is_refused(ada, connection, stage):
    connection.service.base_url = ""
    connection.service.save()

    with pytest.raises(AddressIncomplete):
        send(operation(connection), connection, stage, by=ada)


def test_a_token_that_ends_is_renewed_first(ada, connected, stage, oauth_server):
    made = operation(connected.connection, path="/me")
    before = expire(connected).payload_version

    answer = send(made, connected.connection, stage, by=ada)

    assert answer.status == 200
    assert Credential.objects.get(pk=connected.pk).payload_version == before + 1


def test_a_grant_that_is_dead_is_refused(ada, connected, stage):
    Credential.objects.update(status=Status.RECONNECT_NEEDED)
    made = operation(connected.connection, path="/me")

    with pytest.raises(ReconnectNeeded):
        send(made, connected.connection, stage, by=ada)


def test_a_signed_call_is_sent_once_and_shows_no_signature(ada, stage, upstream, allow):
    allow(upstream.port)
    service = ServiceFactory(base_url=upstream.url)
    method = AuthMethodFactory(
        service=service, kind="aws_sigv4", config={"service": "execute-api", "region": "eu-west-1"}
    )
    made = connect(
        ada,
        method=method,
        parameters={"access_key_id": "AKIDEXAMPLE"},
        secrets={"secret_access_key": CANARY},
    )

    answer = send(operation(made, path="/echo"), made, stage, by=ada)

    assert header(answer, "authorization")[0].startswith("AWS4-HMAC-SHA256 ")
    assert "Authorization: ‹secret›" in answer.sent.splitlines()


# --- The page ---------------------------------------------------------------------------------------


@pytest.fixture
def signed_in(client, ada):
    client.force_login(ada)
    return client


def page_of(made) -> str:
    return reverse("connections:try_operation", args=[made.pk])


def fill(connection, **values) -> dict:
    return {"connection": connection.link_name, "environment": "development", **values}


def test_the_page_asks_for_what_the_operation_takes(signed_in, connection):
    parameters = [
        {"name": "id", "in": "path", "required": True, "about": "Which one"},
        {"name": "limit", "in": "query", "required": False, "about": ""},
    ]
    made = operation(connection, "POST", "/pets/{id}", parameters=parameters, body_type=JSON)

    form = signed_in.get(page_of(made)).context["form"]

    asked = [(field.label, field.field.required) for field in form]
    assert asked == [
        ("Connection", True), ("Environment", True), ("id", True), ("limit", False), ("Body", False)
    ]  # fmt: skip
    assert form["p0"].help_text == "in the path · Which one"


def test_the_answer_is_shown_as_text(signed_in, connection, upstream):
    connection.service.base_url = upstream.url
    connection.service.save()
    made = operation(connection, "POST", "/echo", body_type="text/html")

    response = signed_in.post(page_of(made), fill(connection, body="<b>bold</b>"))

    page = response.content.decode()
    assert "&lt;b&gt;bold&lt;/b&gt;&quot;" in page
    assert "<b>bold" not in page
    assert CANARY not in page


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"p0": "a/b"}, "p0"),
        ({"p0": ""}, "p0"),
        ({"p0": "x" * 2001}, "p0"),
        ({"p1": "a\nb"}, "p1"),
        ({"body": "{no"}, "body"),
        ({"body": "[" * 60_000}, "body"),
        ({"body": "x" * 70_000}, "body"),
        ({"body": ""}, "body"),
        ({"connection": "other"}, "connection"),
        ({"environment": "moon"}, "environment"),
    ],
)
def test_bad_input_is_told_at_its_field_and_nothing_is_sent(
    signed_in, connection, upstream, values, field
):
    parameters = [
        {"name": "id", "in": "path", "required": True, "about": ""},
        {"name": "q", "in": "query", "required": False, "about": ""},
    ]
    made = operation(
        connection, "POST", "/{id}", parameters=parameters, body_type=JSON, body_required=True
    )
    sent = fill(connection, p0="1", p1="", body="{}") | values

    response = signed_in.post(page_of(made), sent)

    assert (response.status_code, list(response.context["form"].errors)) == (200, [field])
    assert upstream.counts()["requests"] == 0


def test_a_refusal_is_told_on_the_page(signed_in, ada, connection):
    lifecycle.revoke(connection, by=ada)

    response = signed_in.post(page_of(operation(connection)), fill(connection))

    assert response.context["form"].non_field_errors() == [ConnectionRevoked.text]


def test_a_call_that_changes_something_says_so_first(signed_in, connection):
    safe, unsafe = operation(connection), operation(connection, "DELETE")

    warned = ["no rehearsal" in signed_in.get(page_of(m)).content.decode() for m in (safe, unsafe)]

    assert warned == [False, True]


def test_a_body_that_is_a_file_is_left_to_flows(signed_in, connection, upstream):
    made = operation(connection, "POST", body_type="multipart/form-data")

    response = signed_in.post(page_of(made), fill(connection))

    assert "A flow can send it." in response.content.decode()
    assert upstream.counts()["requests"] == 0


@pytest.mark.parametrize(
    ("who", "offered"), [("ada", ["billing"]), ("eve", []), ("root", []), ("bob", [])]
)
def test_only_connections_that_one_administers_are_offered(
    client, request, connection, who, offered
):
    client.force_login(request.getfixturevalue(who))
    made = operation(connection)

    response = client.get(page_of(made))

    assert response.status_code == 200
    assert list(response.context["form"].connections) == offered
    assert (connection.name in response.content.decode()) == bool(offered)


def test_a_connection_of_another_service_is_not_offered(signed_in, ada, connection):
    connect(ada, link_name="other")

    form = signed_in.get(page_of(operation(connection))).context["form"]

    assert list(form.connections) == ["billing"]


def test_an_operation_that_is_not_there_is_not_found(signed_in):
    assert signed_in.get("/connections/try/999999/").status_code == 404
