"""Opening a connect link without an account: one connection, once, and nothing else of ConnHub."""

import logging
from datetime import timedelta

import pytest
from django.conf import settings as configured
from django.contrib.auth import SESSION_KEY
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from connhub.accounts import people
from connhub.accounts.models import Environment, Role
from connhub.audit.models import Event
from connhub.connections import authorize, editing, lifecycle
from connhub.connections.connect_links import making, using
from connhub.connections.models import Authorization, Connection, ConnectLink, Settings, Status
from connhub.logs import redact
from connhub.sharing import roles
from connhub.vault.keyring import digest
from tests.conftest import CANARY
from tests.connections.connect_links.conftest import send
from tests.connections.steps import actions, again, secrets
from tests.every_url import pages
from tests.factories import AuthMethodFactory, connect
from tests.test_every_url import OPEN, PROGRAMS, SOMETHING

pytestmark = pytest.mark.django_db(transaction=True)

PLAIN = "This link can&#x27;t be used any more. Ask the person who sent it for a new one."


def go(browser, page, **typed) -> str:
    """The provider's URL that Proceed leads to."""
    return browser.post(page, typed).context["url"]


def way_back(oauth_server, url, **how) -> str:
    return oauth_server.authorize(url, **how).removeprefix(configured.CONNHUB_URL)


def outcome_of(browser, answer) -> str:
    return browser.get(answer.headers["Location"]).text


def test_what_comes_for_a_link_used_during_the_exchange_is_revoked(
    visitor, sent, ada, crm, oauth_server, monkeypatch
):
    def over(*asked):
        making.withdraw(sent.link, by=ada)
        return ""

    back = way_back(oauth_server, go(visitor, sent.open(visitor)))
    monkeypatch.setattr(authorize, "account_of", over)

    assert PLAIN in outcome_of(visitor, visitor.get(back))
    assert actions(crm)[-2:] == ["connection.revoked_at_provider", "connect_link.failed"]
    assert not crm.credentials.exists()


# --- Opening ----------------------------------------------------------------------------------------


def test_opening_exchanges_the_token_for_a_url_without_it(visitor, sent):
    answer = visitor.get(sent.url)

    assert (answer.status_code, answer.headers["Location"]) == (302, sent.page)
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    assert answer.headers["Cache-Control"] == "no-store"
    assert sent.token not in sent.page
    assert SESSION_KEY not in visitor.session
    assert visitor.get(sent.page).status_code == 200
    assert visitor.get(sent.page).headers["Cache-Control"] == "no-store"


def test_opening_is_on_record_once_with_the_link_as_who_did_it(visitor, sent, crm):
    sent.open(visitor)
    sent.open(Client())

    opened = Event.objects.about(crm).filter(action="connect_link.opened")
    assert [(e.actor_type, e.actor_id, e.actor) for e in opened] == [
        ("connectlink", str(sent.link.pk), "Connect link of Ada")
    ]


def test_the_session_begins_anew_so_that_nobody_can_have_prepared_it(visitor, ada, crm, sent):
    send(crm, ada).open(visitor)
    before = visitor.session.session_key
    sent.open(visitor)

    assert visitor.session.session_key != before


def test_the_page_says_who_asks_for_what_and_nothing_else(ada, visitor, crm, sent):
    Connection.objects.update(description="Quarterly figures", tags=["finance-only"])

    shown = visitor.get(sent.open(visitor))

    for text in (
        "Ada", configured.CONNHUB_URL, "Acme", "CRM", "Read", "127.0.0.1", "For the nightly sync",
        "All", "Valid until", "Proceed",
    ):  # fmt: skip
        assert text in shown.text
    for text in ("Quarterly", "finance-only", "crm/", "<nav", "search", "sign-in", ada.email):
        assert text not in shown.text


def test_a_page_whose_link_this_session_never_opened_is_over(visitor, ada, crm, sent):
    mine = send(crm, ada)
    mine.open(visitor)

    for browser in (visitor, Client()):
        assert browser.get(sent.page).status_code == 410
        assert browser.post(sent.page).status_code == 410


# --- OAuth 2.0 --------------------------------------------------------------------------------------


def test_a_visitor_connects_it_and_the_link_is_used_up(visitor, sent, crm, oauth_server):
    url = go(visitor, sent.open(visitor), used_by="Grace")
    attempt = Authorization.objects.get()
    answer = visitor.get(way_back(oauth_server, url))

    sent.link.refresh_from_db()
    crm.refresh_from_db()
    credential = crm.credentials.get()
    assert attempt.link == sent.link
    assert attempt.session_digest == digest(visitor.session.session_key)
    assert (answer.status_code, answer.headers["Location"]) == (302, sent.page)
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    assert "CRM is connected to Acme" in outcome_of(visitor, answer)
    assert crm.status == Status.CONNECTED
    assert set(secrets(credential)) == {"access_token", "refresh_token"}
    assert (sent.link.used_by, bool(sent.link.used_at)) == ("Grace", True)
    assert actions(crm)[1:] == [
        "connect_link.created",
        "connect_link.opened",
        "connection.authorization_started",
        "connection.connected",
        "connect_link.used",
    ]
    done = Event.objects.about(crm).exclude(
        action__in=["connection.created", "connect_link.created"]
    )
    assert {event.actor_type for event in done} == {"connectlink"}
    assert not Authorization.objects.exists()


def test_it_opens_once_more_for_nobody(visitor, sent, oauth_server):
    url = go(visitor, sent.open(visitor))
    visitor.get(way_back(oauth_server, url))

    for browser in (visitor, Client()):
        answer = browser.get(sent.url)
        assert (answer.status_code, PLAIN in answer.text) == (410, True)


def test_a_no_at_the_provider_can_be_followed_by_a_yes(visitor, sent, crm, oauth_server):
    page = sent.open(visitor)
    denied = visitor.get(way_back(oauth_server, go(visitor, page), allow=False))
    said = outcome_of(visitor, denied)
    visitor.get(way_back(oauth_server, go(visitor, page)))

    crm.refresh_from_db()
    assert "Access was not allowed at Acme" in said
    assert crm.status == Status.CONNECTED
    failed = Event.objects.about(crm).get(action="connect_link.failed")
    assert (failed.actor_type, failed.outcome) == ("connectlink", "failed")


@pytest.mark.parametrize("who", ["visitor", "eve", "ada"])
def test_an_answer_in_another_session_connects_nothing(
    request, visitor, sent, crm, oauth_server, who
):
    url = go(visitor, sent.open(visitor))
    other = Client()
    if who == "visitor":
        sent.open(other)
    else:
        other.force_login(request.getfixturevalue(who))

    other.get(way_back(oauth_server, url))

    assert oauth_server.token_requests == []
    assert not crm.credentials.exists()
    assert not ConnectLink.objects.exclude(used_at=None).exists()


def test_without_a_link_opened_nobody_reaches_the_callback(sent, visitor, crm, oauth_server):
    url = go(visitor, sent.open(visitor))

    answer = Client().get(way_back(oauth_server, url))

    assert (answer.status_code, answer.headers["Location"]) == (302, "/sign-in/")
    assert Authorization.objects.exists()


def test_somebody_signed_in_who_opens_it_acts_as_the_link(client, eve, sent, crm, oauth_server):
    client.force_login(eve)

    client.get(way_back(oauth_server, go(client, sent.open(client))))

    assert crm.credentials.exists()
    assert not Event.objects.about(crm).filter(actor="Eve").exists()
    assert client.get("/connections/crm/").status_code == 404


def test_the_state_of_a_link_is_good_for_one_answer(visitor, sent, crm, oauth_server):
    target = way_back(oauth_server, go(visitor, sent.open(visitor)))
    visitor.get(target)
    again = visitor.get(target)

    assert again.headers["Location"] == sent.page
    assert len(oauth_server.token_requests) == 1


def test_oauth1_goes_there_and_back_too(ada, visitor, photos, oauth1_server):
    album = photos(ada)
    sent = send(album, ada)

    url = go(visitor, sent.open(visitor))
    visitor.get(oauth1_server.authorize(url).removeprefix(configured.CONNHUB_URL))

    album.refresh_from_db()
    assert album.status == Status.CONNECTED
    assert set(secrets(album.credentials.get())) == {"oauth_token", "oauth_token_secret"}


def test_oauth1_denied_without_a_name_is_the_visitors_own(ada, visitor, photos, oauth1_server):
    album = photos(ada, denial="plain")
    sent = send(album, ada)
    go(visitor, sent.open(visitor))

    answer = visitor.get("/oauth/callback/photos/")

    assert answer.headers["Location"] == sent.page
    assert not Authorization.objects.exists()


def test_what_the_connection_lacks_is_for_its_admins_to_hear(visitor, sent, crm):
    page = sent.open(visitor)
    Connection.objects.update(oauth_app=None)

    for answer in (visitor.get(page), visitor.post(page)):
        assert answer.status_code == 409
        assert "Tell the person who sent you the link" in answer.text


# --- Links that are over ----------------------------------------------------------------------------


def expire(link, ada, root):
    ConnectLink.objects.update(expires_at=timezone.now())


def use(link, ada, root):
    ConnectLink.objects.update(used_at=timezone.now())


def withdraw(link, ada, root):
    making.withdraw(link, by=ada)


def lose_admin(link, ada, root):
    link.connection.user_grants.filter(user=ada).delete()


def lose_role(link, ada, root):
    type(ada).objects.filter(pk=ada.pk).update(role=Role.MEMBER)


def deactivate(link, ada, root):
    roles.grant(link.connection, root, by=ada)
    people.deactivate(ada, by=root)


def delete_maker(link, ada, root):
    roles.grant(link.connection, root, by=ada)
    people.delete(ada, by=root)


def delete(link, ada, root):
    lifecycle.delete(link.connection, by=ada)


def disable(link, ada, root):
    lifecycle.set_disabled(link.connection, True, by=ada)


def turn_to_login_users(link, ada, root):
    Connection.objects.update(login_user=True)


ENDS = [
    expire, use, withdraw, lose_admin, lose_role, deactivate, delete_maker, delete, disable,
    turn_to_login_users,
]  # fmt: skip


@pytest.fixture
def unknown(visitor, db) -> str:
    return Client().get("/connect/open/chl_nobody-ever-made-this-one/").text


@pytest.mark.parametrize("end", ENDS)
def test_a_link_that_is_over_tells_everybody_the_same(
    visitor, sent, ada, root, oauth_server, unknown, end
):
    page = sent.open(visitor)
    target = way_back(oauth_server, go(visitor, page))
    end(sent.link, ada, root)

    answers = [Client().get(sent.url), visitor.get(page), visitor.post(page)]
    back = visitor.get(target)
    answers.append(visitor.get(back.headers["Location"]))

    assert {answer.status_code for answer in answers} == {410}
    assert {answer.text for answer in answers} == {unknown}
    assert PLAIN in unknown
    assert answers[0].headers["Referrer-Policy"] == "no-referrer"
    assert oauth_server.token_requests == []


def test_revoking_the_connection_ends_its_links(ada, visitor, sent, crm, oauth_server):
    first, second = sent, send(crm, ada)
    visitor.get(way_back(oauth_server, go(visitor, first.open(visitor))))
    crm.refresh_from_db()

    lifecycle.revoke(crm, by=ada)

    assert visitor.get(second.url).status_code == 410
    assert actions(crm).count("connect_link.withdrawn") == 1


def test_the_role_is_asked_for_in_the_writing_transaction(ada, visitor, sent, crm, monkeypatch):
    """What happens between the check of the answer and the keeping of the tokens counts."""
    sent.open(visitor)
    link = using.valid(str(sent.link.pk))

    def exchange(attempt, *_):
        crm.user_grants.all().delete()
        return authorize.Granted({"access_token": CANARY})

    monkeypatch.setattr(authorize, "_exchange", exchange)
    page = sent.page
    state = go(visitor, page).partition("state=")[2].partition("&")[0]
    answer = visitor.get(f"/oauth/callback/acme/?state={state}&code=x")

    assert visitor.get(answer.headers["Location"]).status_code == 410
    assert not link.connection.credentials.exists()


def test_ten_refusals_close_the_door_for_a_quarter_of_an_hour(visitor, sent):
    for n in range(10):
        visitor.get(f"/connect/open/chl_guessed-{n}/")
    closed = Client().get(sent.url)
    elsewhere = Client().get(sent.url, REMOTE_ADDR="192.0.2.7")

    assert closed.status_code == 429
    assert closed.headers["Referrer-Policy"] == "no-referrer"
    assert elsewhere.status_code == 302


def test_ten_tries_are_enough_for_a_quarter_of_an_hour(visitor, sent):
    page = sent.open(visitor)
    tries = [visitor.post(page).status_code for _ in range(11)]

    assert tries == [200] * 10 + [429]


# --- Another account than before ----------------------------------------------------------------------


@pytest.fixture
def held(ada, bob, crm, acme, visitor, oauth_server) -> str:
    """The URL of the question, after a visitor came back as linus where grace was connected."""
    acme.config = acme.config | {"identity": {"path": "/me", "field": "user"}}
    acme.save()
    roles.grant(crm, bob, by=ada)
    for user in (oauth_server.user, oauth_server.other_user):
        sent = send(crm, ada)
        url = go(visitor, sent.open(visitor))
        answer = visitor.get(way_back(oauth_server, url, user=user))
    said = outcome_of(visitor, answer)
    assert "You signed in to Acme as <b>linus</b>" in said
    assert "grace" not in said
    return reverse("other_account", args=[Authorization.objects.get().pk])


def test_another_account_waits_for_an_admin(visitor, held, crm):
    left = Authorization.objects.get().expires_at - timezone.now()

    assert crm.credentials.get().account == "grace"
    assert left > timedelta(hours=23)
    assert visitor.get(held).status_code == 302  # to the sign-in page
    assert ConnectLink.objects.open().count() == 0


@pytest.mark.parametrize(("answer", "account"), [("yes", "linus"), ("no", "grace")])
@pytest.mark.parametrize("who", ["ada", "bob"])
def test_any_admin_decides_from_the_summary(request, client, held, crm, who, answer, account):
    client.force_login(request.getfixturevalue(who))

    assert held in client.get("/connections/crm/").text
    client.post(held, {"answer": answer})

    assert crm.credentials.get().account == account
    assert held not in client.get("/connections/crm/").text


def test_nobody_else_hears_of_it(client, eve, root, held):
    for person in (eve, root):
        client.force_login(person)
        assert client.get(held).status_code == 404
        assert client.post(held, {"answer": "yes"}).status_code == 404


# --- Typed secrets ------------------------------------------------------------------------------------


def test_what_is_typed_is_tested_before_it_is_taken(visitor, ada, parcels, upstream, caplog):
    caplog.set_level(logging.DEBUG)
    sent = send(parcels, ada)
    page = sent.open(visitor)

    wrong = visitor.post(page, {"key_1": CANARY, "used_by": "Grace"})
    untouched = secrets(parcels.credentials.get())
    right = visitor.post(page, {"key_1": upstream.api_key, "used_by": "Grace"})

    assert wrong.status_code == 200
    assert "accept the credentials" in wrong.text
    assert untouched == {"key_1": "outdated"}
    assert "Parcels is connected" in outcome_of(visitor, right)
    assert secrets(parcels.credentials.get()) == {"key_1": upstream.api_key}
    assert again(parcels.credentials.get()).tested_at
    assert actions(parcels)[-4:] == [
        "connect_link.failed",
        "connection.reconnected",
        "connection.tested",
        "connect_link.used",
    ]
    told = wrong.text + str(list(Event.objects.values())) + caplog.text + right.text
    assert CANARY not in told and upstream.api_key not in told
    assert visitor.get(sent.url).status_code == 410


def test_without_a_test_it_is_taken_as_it_is(visitor, ada):
    sent = send(connect(ada), ada)

    empty = visitor.post(sent.open(visitor), {"key_1": ""})
    visitor.post(sent.page, {"key_1": CANARY})

    assert empty.context["form"].errors == {"key_1": ["This field is required."]}
    assert secrets(sent.link.connection.credentials.get()) == {"key_1": CANARY}


def test_only_secrets_are_asked_for_and_none_that_is_stored_is_shown(visitor, ada, root):
    method = AuthMethodFactory(kind="basic", config={})
    made = connect(
        ada, method=method, secrets={"password": CANARY}, parameters={"username": "svc-crm"}
    )
    shown = visitor.get(send(made, ada).open(visitor))

    fields = shown.context["form"].visible_fields()
    assert [field.name for field in fields] == ["password", "used_by"]
    assert CANARY not in shown.text and "svc-crm" not in shown.text


def test_what_was_tested_for_one_place_is_not_stored_for_another(
    visitor, ada, connection, monkeypatch
):
    sent = send(connection, ada)

    def obtain(method, parameters, given, scopes):
        Settings.objects.update(parameters={"subdomain": "elsewhere"})
        return authorize.Granted(dict(given))

    monkeypatch.setattr(using, "obtain", obtain)
    answer = visitor.post(sent.open(visitor), {"key_1": "typed"})

    assert "was changed meanwhile" in answer.text
    assert secrets(connection.credentials.get()) == {"key_1": CANARY}


def test_one_environment_alone_gets_what_was_typed(visitor, ada, connection):
    production = Environment.objects.get(slug="production")
    editing.reconnect(connection, {"key_1": "own"}, by=ada, environment=production)
    sent = send(connection, ada, environment=production)

    before = Connection.objects.get(pk=connection.pk).version

    visitor.post(sent.open(visitor), {"key_1": "typed"})

    connection.refresh_from_db()
    assert connection.version == before + 1
    stored = {c.environment: secrets(c) for c in connection.credentials.all()}
    assert stored == {None: {"key_1": CANARY}, production: {"key_1": "typed"}}


# --- Nothing else -------------------------------------------------------------------------------------


def test_the_visitor_finds_the_sign_in_page_wherever_they_go(visitor, ada, crm, connection, sent):
    go(visitor, sent.open(visitor))
    values = SOMETHING | {"link_name": ["crm"], "service": ["acme"]}
    values |= {"connections:withdraw_connect_link.pk": [sent.link.pk]}
    doors = (reverse("accounts:sign_in"), reverse("admin:login"))

    found = {
        (page.name, method)
        for page in pages(values)
        for method in ("get", "post")
        if page.name not in OPEN | PROGRAMS
        if (answer := getattr(visitor, method)(page.url)).status_code != 302
        or answer.url.split("?")[0] not in doors
    }

    assert found == set()


def test_no_log_line_keeps_a_token(sent):
    line = f"Gone: {sent.url}"

    assert sent.token[4:] not in redact(line)


def test_the_token_is_kept_as_a_hash_and_on_record_nowhere(visitor, sent):
    sent.open(visitor)

    assert sent.link.digest == digest(sent.token)
    assert sent.token not in str(list(ConnectLink.objects.values()))
    assert sent.token not in str(list(Event.objects.values()))
    assert sent.token not in str(dict(visitor.session.items()))
