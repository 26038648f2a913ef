"""Try it, on the guide of a connection: one real call that a person types."""

import json

import pytest

from connhub import throttle
from connhub.accounts.models import Environment
from connhub.audit import log
from connhub.audit.models import Event
from connhub.connections import answers, lifecycle, login_users, sending, testing
from connhub.connections.calling.refusals import BadPath, PathNotAllowed
from connhub.sharing import roles
from tests.conftest import CANARY
from tests.connections.steps import actions
from tests.factories import AuthMethodFactory, ServiceFactory, connect
from tests.test_secrets_never_leak import leaks

pytestmark = pytest.mark.django_db

TRY = "/connections/billing/try/"


def keyed(upstream, path="/echo", place="header"):
    keys = [{"name": "X-Api-Key", "in": place, "label": "API key"}]
    return AuthMethodFactory(
        service=ServiceFactory(base_url=upstream.url + path), config={"keys": keys}
    )


@pytest.fixture
def connection(ada, upstream, allow):
    """To what echoes the request, credential and all."""
    allow(upstream.port)
    return connect(ada, method=keyed(upstream), secret=CANARY)


@pytest.fixture
def signed_in(client, ada):
    client.force_login(ada)
    return client


def send(client, path="/pets", method="GET", *, environment="development", **more):
    """What Send answers; `more` are other fields, or headers by HTTP_…"""
    headers = {name: more.pop(name) for name in list(more) if name.startswith("HTTP_")}
    typed = {"method": method, "path": path, "body": ""} | more
    return client.post(f"{TRY}?environment={environment}", typed, **headers)


def agree(client, asked):
    """Send once more what has to be agreed to, as the second button does."""
    form = asked.context["form"].data.dict()
    sent = form | {"confirmed": asked.context["to_confirm"]}
    return client.post(asked.wsgi_request.get_full_path(), sent)


def echoed(response) -> dict:
    return json.loads(response.context["answer"].body)


# --- What is sent, and what is shown --------------------------------------------------------------


def test_a_call_is_made_with_the_credential_and_its_answer_shown_as_text(signed_in, connection):
    response = send(signed_in, "/pets/<b>?q=%3Cb%3E".replace("<b>", "b"))

    answer, page = response.context["answer"], response.content.decode()
    assert (answer.status, echoed(response)["method"]) == (200, "GET")
    assert (echoed(response)["path"], echoed(response)["query"]) == ("/echo/pets/b", "q=%3Cb%3E")
    assert ["X-Api-Key", "*" * len(CANARY)] in echoed(response)["headers"]
    assert "&quot;method&quot;: &quot;GET&quot;,\n" in page
    assert "‹secret›" in page
    assert leaks(page, {CANARY}) == []


@pytest.mark.parametrize("headers", [{}, {"HTTP_HX_REQUEST": "true"}])
def test_the_answer_is_a_page_or_a_part_of_it(signed_in, connection, headers):
    page = send(signed_in, **headers).content.decode()

    assert "200 OK" in page
    assert ("<!doctype html>" in page.lower()) == (not headers)
    assert ("Use it" in page or "How a flow uses it" in page) == (not headers)


def test_looked_at_it_is_the_guide_with_the_example_filled_in(signed_in, connection):
    test = {"method": "POST", "path": "/graphql", "json": {"query": "{ me }"}}
    connection.service.test = test
    connection.service.save()

    form = signed_in.get(TRY).context["form"]

    assert (form["method"].value(), form["path"].value()) == ("POST", "/graphql")
    assert json.loads(form["body"].value()) == test["json"]


@pytest.mark.parametrize(
    ("path", "query"),
    [("/leak", "?header=X-Api-Key&where=header"), ("/leak", "?header=X-Api-Key&where=body")],
)
def test_a_secret_that_the_service_sends_back_is_never_shown(
    signed_in, connection, upstream, path, query
):
    connection.service.base_url = upstream.url
    connection.service.save()

    response = send(signed_in, path + query)

    assert response.context["answer"].status == 200
    assert leaks(response.content.decode(), {CANARY}) == []
    assert "*" * len(CANARY) in response.content.decode() or "where=header" in query
    assert actions(connection)[-3:] == [
        "connection.call_tried",
        "credential.redacted",
        "connection.try_ended",
    ]


def test_a_secret_that_is_spelt_with_escapes_is_found_in_json(signed_in, connection):
    spelt = "".join(f"\\u{ord(character):04x}" for character in CANARY)

    text, _ = answers.text_of(f'{{"a":"{spelt}"}}'.encode(), is_json=True)

    assert spelt in text  # as it came, and not as the secret that it stands for


@pytest.mark.parametrize("path", ["/me?token=" + CANARY, f"/{CANARY}/me"])
def test_a_secret_that_is_typed_is_on_no_record_and_not_shown(signed_in, connection, path):
    response = send(signed_in, path)

    assert CANARY not in response.context["answer"].sent
    assert leaks(str(list(Event.objects.values())), {CANARY}) == []


@pytest.mark.parametrize(
    ("came", "laid_out"),
    [
        ('{"a":[1,2.50,{}],"b":"x: {[,\\\\\\"]}"}',
         '{\n  "a": [\n    1,\n    2.50,\n    {}\n  ],\n  "b": "x: {[,\\\\\\"]}"\n}'),
        ("[ ]", "[]"),
        ('[1e400, -0.0, true,null,""]', '[\n  1e400,\n  -0.0,\n  true,\n  null,\n  ""\n]'),
        ('"text"', '"text"'),
        ("{no json", "{no json"),
        ("[" * 5000, "[" * 5000),
    ],
)  # fmt: skip
def test_json_is_laid_out_with_its_values_as_they_came(came, laid_out):
    assert answers.text_of(came.encode(), is_json=True) == (laid_out, "")


def test_deep_json_is_laid_out_no_further_than_it_is_shown():
    deep = "[" * 400 + "1," * 500_000 + "1" + "]" * 400

    text, note = answers.text_of(deep.encode(), is_json=True)

    assert (len(text), note) == (65_536, f"Cut here: the body has {len(deep):,} bytes.")


@pytest.mark.parametrize("media_type", ["text/html", "image/svg+xml"])
def test_what_a_browser_would_run_is_shown_as_text(signed_in, connection, media_type):
    response = agree(
        signed_in, send(signed_in, "/x", "POST", body='{"x": "<script>alert(1)</script>"}')
    )

    page = response.content.decode()
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert(1)" in page


# --- What has to be agreed to ---------------------------------------------------------------------


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_what_may_change_something_is_sent_only_once_it_was_agreed_to(
    signed_in, connection, upstream, method
):
    asked = send(signed_in, "/pets/7", method, body='{"a": 1}')
    before = upstream.counts()["requests"]
    answered = agree(signed_in, asked)

    assert "This is no rehearsal." in asked.content.decode()
    assert "can change or delete what is there" in asked.content.decode()
    assert (before, upstream.counts()["requests"]) == (0, 1)
    assert (echoed(answered)["method"], echoed(answered)["body_start"]) == (method, '{"a": 1}')


@pytest.mark.parametrize("environment", ["staging", "production"])
def test_above_the_lowest_environment_everything_has_to_be_agreed_to(
    signed_in, connection, upstream, environment
):
    asked = send(signed_in, environment=environment)
    before = upstream.counts()["requests"]
    answered = agree(signed_in, asked)

    assert f"Send GET to {environment.title()}" in asked.content.decode()
    assert "can change or delete" not in asked.content.decode()
    assert (before, answered.context["answer"].status) == (0, 200)


@pytest.mark.parametrize(
    "other",
    [{"method": "DELETE"}, {"path": "/pets/8"}, {"body": '{"a": 2}'}, {"environment": "staging"}],
)
def test_agreeing_to_one_call_agrees_to_no_other(signed_in, connection, upstream, other):
    typed = {"path": "/pets/7", "method": "POST", "body": '{"a": 1}'}
    agreed = send(signed_in, **typed).context["to_confirm"]

    response = send(signed_in, **typed | other, confirmed=agreed)

    assert "answer" not in response.context
    assert upstream.counts()["requests"] == 0


# --- What can't be sent -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path",
    ["/../admin", "/a/%2e%2e/b", "//evil.example/", "/a//b", "/a b", "/a#b", "/ä", "/a%2Fb",
     "https://evil.example/", "/a?b=c d", '/a?b="c"', "/a;/../b"],
)  # fmt: skip
def test_a_path_that_the_proxy_would_refuse_is_refused_at_its_field(
    signed_in, connection, upstream, path
):
    response = send(signed_in, path)

    assert response.context["form"].errors == {"path": [BadPath.text]}
    assert upstream.counts()["requests"] == 0


@pytest.mark.parametrize(
    ("typed", "field"),
    [
        ({"method": "TRACE"}, "method"),
        ({"method": "get"}, "method"),
        ({"path": ""}, "path"),
        ({"path": "/a\nb"}, "path"),
        ({"path": "/" + "x" * 2000}, "path"),
        ({"method": "POST", "body": "{no"}, "body"),
        ({"method": "POST", "body": "x" * 70_000}, "body"),
        ({"body": "{}"}, "body"),
    ],
)
def test_bad_input_is_told_at_its_field(signed_in, connection, upstream, typed, field):
    response = send(signed_in, **typed)

    assert (response.status_code, list(response.context["form"].errors)) == (200, [field])
    assert upstream.counts()["requests"] == 0


def test_where_keys_go_into_a_form_the_body_is_one(signed_in, ada, connection, upstream):
    connect(ada, method=keyed(upstream, place="form"), link_name="form", secret=CANARY)

    def post(**more):
        return signed_in.post(
            "/connections/form/try/", {"method": "POST", "path": "/x", "body": "a=1", **more}
        )

    answered = post(confirmed=post().context["to_confirm"])

    assert echoed(answered)["body_start"] == f"a=1&X-Api-Key={'*' * len(CANARY)}"


def test_a_refusal_is_told_on_the_page(signed_in, ada, connection, upstream):
    lifecycle.revoke(connection, by=ada)

    assert "This connection was revoked." in send(signed_in).content.decode()
    assert upstream.counts()["requests"] == 0


def test_what_the_service_is_not_to_be_called_with_is_refused(signed_in, connection, upstream):
    connection.service.allowed_paths = ["/cats"]
    connection.service.save()

    refused, answered = send(signed_in, "/pets"), send(signed_in, "/cats/7")

    assert PathNotAllowed.text in refused.content.decode()
    assert (answered.context["answer"].status, upstream.counts()["requests"]) == (200, 1)


def test_an_address_that_may_not_be_reached_reads_like_any_other(signed_in, connection, settings):
    settings.CONNHUB_EGRESS_ALLOW = []
    connection.service.base_url = "https://169.254.169.254/latest"
    connection.service.save()

    response = send(signed_in)

    assert "could not be reached" in response.content.decode().lower()
    ended = Event.objects.about(connection).get(action="connection.try_ended")
    assert (ended.outcome, ended.detail["path"]) == ("failed", "/pets")


def test_so_many_in_a_minute_and_no_more(signed_in, connection, upstream, ada):
    throttle.count(f"tries of {ada.pk}", by=sending.MOST_A_MINUTE - 1)

    last, one_more = send(signed_in), send(signed_in)

    assert last.context["answer"].status == 200
    assert "30 calls in this minute" in one_more.content.decode()
    assert upstream.counts()["requests"] == 1


# --- Who may, and what is on record ---------------------------------------------------------------


@pytest.mark.parametrize(("who", "status"), [("ada", 200), ("root", 403), ("eve", 404)])
def test_admins_of_the_connection_may(request, client, connection, upstream, who, status):
    client.force_login(request.getfixturevalue(who))

    assert send(client).status_code == status
    assert upstream.counts()["requests"] == (1 if status == 200 else 0)


def test_it_is_offered_to_those_who_may(client, request, connection):
    offered = []
    for who in ("ada", "root"):
        client.force_login(request.getfixturevalue(who))
        offered.append('id="try"' in client.get("/connections/billing/guide/").content.decode())

    assert offered == [True, False]


def test_what_was_called_and_what_came_of_it_is_on_record(signed_in, ada, connection):
    response = agree(signed_in, send(signed_in, "/pets/7?name=rex", "POST", body='"woof"'))

    took_ms = response.context["answer"].took_ms
    call = {"method": "POST", "path": "/pets/7", "environment": "development"}
    about = Event.objects.about(connection).exclude(action="credential.redacted")
    events = list(about.order_by("sequence"))[-2:]
    assert [(e.actor, e.action, e.outcome, e.detail) for e in events] == [
        ("Ada", "connection.call_tried", "ok", call),
        ("Ada", "connection.try_ended", "ok", call | {"status": 200, "took_ms": took_ms}),
    ]
    assert "rex" not in str(list(Event.objects.values()))


@pytest.mark.parametrize("lost", ["connection.call_tried", "connection.try_ended"])
def test_without_a_record_nothing_is_sent_or_nothing_shown(
    signed_in, connection, upstream, monkeypatch, lost
):
    append = log._append

    def fail(event, change):
        if event.action == lost:
            raise log.AuditUnavailable
        append(event, change)

    monkeypatch.setattr(log, "_append", fail)
    response = send(signed_in)

    assert "answer" not in response.context
    assert "put on record" in response.content.decode()
    assert upstream.counts()["requests"] == (lost == "connection.try_ended")


# --- Environments, login users, databases ---------------------------------------------------------


def test_the_environment_decides_where_it_goes(signed_in, connection, upstream):
    there = Environment.objects.get(slug="staging")
    connection.service.endpoints.create(environment=there, base_url=upstream.url + "/echo/stg")

    answered = agree(signed_in, send(signed_in, environment="staging"))

    assert echoed(answered)["path"] == "/echo/stg/pets"


def test_where_login_users_sign_in_it_is_made_with_ones_own(signed_in, ada, bob, upstream, allow):
    allow(upstream.port)
    made = connect(ada, method=keyed(upstream), secrets={}, login_user=True)
    roles.grant(made, bob, by=ada)
    login_users.sign_in(made, {"key_1": "of bob alone"}, by=bob)

    before = send(signed_in).content.decode()
    login_users.sign_in(made, {"key_1": CANARY}, by=ada)

    assert testing.SignInFirst.text in before
    assert ["X-Api-Key", "*" * len(CANARY)] in echoed(send(signed_in))["headers"]


def test_what_is_not_called_over_http_is_tested_instead(signed_in, ada, postgresql_server, allow):
    allow(postgresql_server.port)
    service = ServiceFactory(driver="postgresql", base_url="")
    made = connect(
        ada,
        method=AuthMethodFactory(kind="database", config={}, service=service),
        parameters={
            "host": postgresql_server.host, "port": str(postgresql_server.port), "tls": "off",
            "database": postgresql_server.database, "user": postgresql_server.user,
        },
        secrets={"password": postgresql_server.password},
    )  # fmt: skip

    asked = signed_in.get("/connections/billing/guide/").content.decode()
    answered = signed_in.post(TRY, {})

    assert "Test Connection" in asked
    assert "It works." in answered.content.decode()
    assert actions(made)[-1] == "connection.tested"
