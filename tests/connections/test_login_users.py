"""Connections that use the credentials of login users: made, switched, signed in to, and given up."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import timedelta

import pytest
from django.conf import settings as configured
from django.contrib.messages import get_messages
from django.core.exceptions import PermissionDenied
from django.test import Client
from django.urls import reverse

from connhub.accounts import people
from connhub.accounts.models import Environment, User
from connhub.audit.models import Event
from connhub.connections import authorize, editing, lifecycle, login_users, testing
from connhub.connections.access import ConnectionRevoked, ReconnectNeeded, prepare
from connhub.connections.auth.base import Granted
from connhub.connections.connecting import ConnectFailed
from connhub.connections.create_form import CreateForm
from connhub.connections.edit_form import EditForm
from connhub.connections.keeping import keep
from connhub.connections.models import Connection, Credential, Settings, Status
from connhub.connections.refresh import ensure_fresh
from connhub.connections.telling.providers import tell_next
from connhub.sharing import roles
from connhub.usage import projects, registration
from tests.conftest import CANARY
from tests.connections.steps import actions, again, expire, in_own_connection, secrets
from tests.factories import AuthMethodFactory, ServiceFactory, UserFactory, connect

pytestmark = pytest.mark.django_db

OWN = reverse("sign_ins")


@pytest.fixture
def personal(ada, integration, eve) -> Connection:
    """For login users by API key; ada administers it, eve may use it through the integration."""
    made = connect(ada, name="Personal", link_name="personal", secrets={}, login_user=True)
    registration.register(integration, [made], by=ada)
    projects.add_member(integration, eve, by=ada)
    return made


@pytest.fixture
def own_crm(ada, crm, integration, eve) -> Connection:
    """For login users at the authorization server."""
    editing.edit(crm, of(crm, login_user=True), by=ada)
    registration.register(integration, [crm], by=ada)
    projects.add_member(integration, eve, by=ada)
    crm.refresh_from_db()
    return crm


def of(connection: Connection, **changes) -> lifecycle.Details:
    """The connection as it is, but for the changes."""
    as_it_is = {
        "parameters": connection.settings.get().parameters,
        "scopes": connection.scopes,
        "login_user": connection.login_user,
    }
    return lifecycle.Details(name=connection.name, **as_it_is | changes)


def signed_in(connection: Connection, person: User, key: str = CANARY) -> Credential:
    return login_users.sign_in(connection, {"key_1": key}, by=person)


def browser_of(person: User) -> Client:
    browser = Client()
    browser.force_login(person)
    return browser


def url_of(connection: Connection, query: str = "") -> str:
    return reverse("sign_in_to", args=[connection.link_name]) + query


def to_provider(browser: Client, connection: Connection) -> str:
    answer = browser.post(url_of(connection), headers={"HX-Request": "true"})
    return answer.headers["HX-Redirect"]


def way_back(browser: Client, oauth_server, connection: Connection, user: str = "") -> str:
    target = oauth_server.authorize(to_provider(browser, connection), user=user)
    return target.removeprefix(configured.CONNHUB_URL)


def authorized(person: User, oauth_server, connection: Connection, user: str = "") -> Credential:
    browser = browser_of(person)
    browser.get(way_back(browser, oauth_server, connection, user))
    return connection.credentials.get(user=person)


def said(answer) -> list[str]:
    return [str(message) for message in get_messages(answer.wsgi_request)]


# --- Made -----------------------------------------------------------------------------------------


def test_connection_for_login_users_is_connected_and_holds_no_secret(ada):
    made = connect(ada, secret=CANARY, login_user=True)

    assert (made.status, made.login_user) == (Status.CONNECTED, True)
    assert not made.credentials.exists()


def test_without_an_oauth_app_nobody_could_sign_in(ada):
    method = AuthMethodFactory(kind="oauth2_code", config={})

    made = connect(ada, method=method, secrets={}, login_user=True)

    assert made.status == Status.NOT_CONNECTED


@pytest.mark.parametrize("kind", ["none", "database", "aws_sigv4", "oauth2_client_credentials"])
def test_methods_that_have_no_person_do_not_offer_it(ada, kind):
    config = {"token_url": "https://acme.example/t"}
    method = AuthMethodFactory(
        service=ServiceFactory(driver="postgresql" if kind == "database" else ""),
        kind=kind,
        config=config,
    )

    assert "login_user" not in CreateForm(method=method, by=ada).fields
    with pytest.raises(login_users.LoginUserNotOffered):
        connect(ada, method=method, secrets={}, login_user=True)
    assert not Connection.objects.exists()


def test_create_form_asks_for_no_secret_while_the_switch_is_on(client, ada):
    service = ServiceFactory(slug="partner", test={"method": "GET", "path": "/me"})
    AuthMethodFactory(service=service)
    client.force_login(ada)
    typed = {"name": "Mine", "link_name": "mine", "access_mode": "proxy", "login_user": "on"}

    answer = client.post("/connections/new/partner/", typed | {"s_key_1": CANARY})

    made = Connection.objects.get()
    assert answer.headers["Location"] == "/connections/mine/"
    assert (made.login_user, made.status) == (True, Status.CONNECTED)
    assert not made.credentials.exists()


def test_create_form_has_nothing_to_test_yet(client, ada):
    service = ServiceFactory(slug="partner", test={"method": "GET", "path": "/me"})
    AuthMethodFactory(service=service)
    client.force_login(ada)
    typed = {"name": "Mine", "link_name": "mine", "access_mode": "proxy", "login_user": "on"}

    answer = client.post("/connections/new/partner/", typed | {"test": "1"})

    assert list(answer.context["form"].errors) == ["login_user"]
    assert not Connection.objects.exists()


def test_user_name_is_each_persons_own(ada, eve, integration):
    method = AuthMethodFactory(kind="basic", config={})
    typed = {"name": "B", "link_name": "b", "access_mode": "proxy", "login_user": "on"}
    form = CreateForm(typed | {"p_username": "ada"}, method=method, by=ada)
    assert form.is_valid(), form.errors

    made = lifecycle.create(method, form.details, link_name="b", by=ada)
    registration.register(integration, [made], by=ada)
    projects.add_member(integration, eve, by=ada)
    login_users.sign_in(made, {"username": "eve", "password": "e"}, by=eve)

    assert made.settings.get().parameters == {}
    assert prepare(made, None, eve).values == {"username": "eve", "password": "e"}


def test_connection_stands_as_connected_where_it_has_settings(ada, client):
    staging = Environment.objects.get(slug="staging")
    connect(ada, link_name="here", secrets={}, login_user=True, environment=staging)
    client.force_login(ada)

    row = client.get("/connections/?environment=staging&status=1").context["page"].rows[0]
    elsewhere = client.get("/connections/?environment=production").context["page"].rows
    summary = client.get("/connections/here/")

    stands = {str(stage.environment): stage.status for stage in row.stages}
    assert (stands["Staging"], stands["Production"]) == (Status.CONNECTED, Status.NOT_CONNECTED)
    assert elsewhere == []
    assert {str(s["environment"]): s["status"] for s in summary.context["stages"]} == stands


# --- Switched -------------------------------------------------------------------------------------


def test_turning_it_on_destroys_the_credential_once_that_is_ticked(ada, connection):
    typed = {"name": "Billing", "access_mode": "proxy", "login_user": "on"}

    unticked = EditForm(typed, connection=connection)
    assert list(unticked.errors) == ["give_up"]
    assert unticked["give_up"].label == "Destroy the stored credential"
    ticked = EditForm(typed | {"give_up": "on"}, connection=connection)
    assert ticked.is_valid(), ticked.errors
    editing.edit(connection, ticked.details, by=ada)

    connection.refresh_from_db()
    assert (connection.login_user, connection.status) == (True, Status.CONNECTED)
    assert not connection.credentials.exists()
    assert actions(connection)[-2:] == ["connection.login_user_on", "connection.edited"]
    assert Event.objects.about(connection)[1].detail == {"destroyed": 1}


def test_turning_it_on_revokes_the_grant_at_the_provider(
    ada, crm, connected, oauth_server, django_capture_on_commit_callbacks
):
    with django_capture_on_commit_callbacks(execute=True):
        editing.edit(crm, of(crm, login_user=True), by=ada)

    assert not crm.credentials.exists()
    event = Event.objects.about(crm).get(action="connection.revoked_at_provider")
    assert (event.outcome, event.detail) == ("ok", {"said": "revoked"})


def test_turning_it_off_destroys_every_sign_in_and_disconnects(ada, eve, personal):
    signed_in(personal, eve)
    signed_in(personal, ada)
    typed = {"name": "Personal", "access_mode": "proxy"}

    unticked = EditForm(typed, connection=personal)
    assert list(unticked.errors) == ["give_up"]
    assert unticked["give_up"].label == "Destroy the sign-ins of 2 people"
    ticked = EditForm(typed | {"give_up": "on"}, connection=personal)
    assert ticked.is_valid(), ticked.errors
    editing.edit(personal, ticked.details, by=ada)

    personal.refresh_from_db()
    assert (personal.login_user, personal.status) == (False, Status.NOT_CONNECTED)
    assert not Credential.objects.exists()


def test_turning_it_off_may_connect_it_at_once(ada, personal):
    typed = {"name": "Personal", "access_mode": "proxy", "s_key_1": "its own"}
    form = EditForm(typed, connection=personal)

    assert form.is_valid(), form.errors
    editing.edit(personal, form.details, by=ada)

    personal.refresh_from_db()
    assert personal.status == Status.CONNECTED
    assert secrets(personal.credentials.get()) == {"key_1": "its own"}


def test_turning_it_off_takes_all_secrets_or_none(ada):
    method = AuthMethodFactory(kind="basic", config={})
    made = connect(ada, method=method, secrets={}, login_user=True)

    form = EditForm({"name": "B", "access_mode": "proxy", "p_username": "a"}, connection=made)

    assert form.errors == {"s_password": ["Enter this too, or leave all of them blank."]}


def test_nothing_lost_is_nothing_asked(personal):
    form = EditForm(
        {"name": "New name", "access_mode": "proxy", "login_user": "on"}, connection=personal
    )

    assert form.is_valid(), form.errors
    assert "give_up" not in form.fields


def test_changed_address_takes_new_sign_ins(ada, eve):
    service = ServiceFactory(
        base_url="https://{shop}.example", parameters=[{"name": "shop", "label": "Shop"}]
    )
    made = connect(
        ada, method=AuthMethodFactory(service=service), parameters={"shop": "a"}, login_user=True
    )
    roles.grant(made, eve, by=ada)
    credential = signed_in(made, eve)
    typed = {"name": "B", "access_mode": "proxy", "login_user": "on", "p_shop": "b"}

    assert list(EditForm(typed, connection=made).errors) == ["give_up"]
    form = EditForm(typed | {"give_up": "on"}, connection=made)
    assert form.is_valid()
    editing.edit(made, form.details, by=ada)

    credential = again(credential)
    assert (credential.status, bool(credential.payload)) == (Status.RECONNECT_NEEDED, False)
    assert made.settings.get().parameters == {"shop": "b"}


def test_changed_address_revokes_the_sign_ins_at_the_provider(ada, eve, own_crm, oauth_server):
    credential = authorized(eve, oauth_server, own_crm)

    editing.edit(own_crm, of(own_crm, parameters={"shop": "b"}), by=ada)

    credential = again(credential)
    assert (credential.status, bool(credential.payload)) == (Status.RECONNECT_NEEDED, False)
    assert tell_next()
    event = Event.objects.about(own_crm).get(action="connection.revoked_at_provider")
    assert (event.outcome, event.detail) == ("ok", {"said": "revoked", "user": eve.email})


def test_changed_scopes_hold_for_the_next_sign_in(ada, own_crm):
    pending = editing.edit(own_crm, of(own_crm, scopes=["read", "write"]), by=ada)

    own_crm.refresh_from_db()
    assert (pending, own_crm.scopes) == ({}, ["read", "write"])


# --- Signed in ------------------------------------------------------------------------------------


def test_person_signs_in_at_the_provider_with_their_own_account(eve, own_crm, oauth_server):
    browser = browser_of(eve)
    answer = browser.get(way_back(browser, oauth_server, own_crm))

    credential = own_crm.credentials.get()
    own_crm.refresh_from_db()
    assert (answer.status_code, answer.headers["Location"]) == (302, OWN)
    assert said(answer) == ["You are signed in to CRM."]
    assert (credential.user, credential.status) == (eve, Status.CONNECTED)
    assert set(secrets(credential)) == {"access_token", "refresh_token"}
    assert own_crm.status == Status.CONNECTED
    event = Event.objects.about(own_crm)[0]
    assert (event.action, event.actor) == ("connection.user_connected", "Eve")
    assert event.detail == {"scopes": ["read"], "environment": "all", "user": eve.email}


def test_proceed_of_a_login_user_leads_back_to_their_sign_ins(eve, own_crm):
    page = browser_of(eve).get(url_of(own_crm))

    assert (page.context["host"], page.context["back"]) == ("127.0.0.1", OWN)
    assert "only calls in your name use them" in page.text


def test_two_people_have_a_credential_each(ada, eve, own_crm, oauth_server):
    authorized(eve, oauth_server, own_crm)
    authorized(ada, oauth_server, own_crm, user=oauth_server.other_user)

    tokens = {c.user: secrets(c)["access_token"] for c in own_crm.credentials.all()}
    assert set(tokens) == {ada, eve}
    assert tokens[ada] != tokens[eve]


def test_denied_consent_leads_back_to_their_sign_ins(eve, own_crm, oauth_server):
    browser = browser_of(eve)
    target = oauth_server.authorize(to_provider(browser, own_crm), allow=False)

    answer = browser.get(target.removeprefix(configured.CONNHUB_URL))

    assert answer.headers["Location"] == OWN
    assert said(answer)[0].startswith("Access was not allowed")
    assert not own_crm.credentials.exists()


def test_person_types_their_key_once_and_it_is_not_shown_again(client, eve, personal):
    client.force_login(eve)

    empty = client.post(url_of(personal), {"key_1": ""})
    answer = client.post(url_of(personal), {"key_1": CANARY})
    after = client.get(url_of(personal))

    assert list(empty.context["form"].errors) == ["key_1"]
    assert (answer.status_code, answer.headers["Location"]) == (303, OWN)
    assert secrets(personal.credentials.get(user=eve)) == {"key_1": CANARY}
    assert CANARY not in after.text


def test_sign_in_that_the_service_refuses_is_told_in_the_form(
    client, ada, eve, token_endpoint, integration
):
    config = {
        "fields": [{"name": "password", "label": "Password"}],
        "login": {
            "url": token_endpoint.url, "format": "json", "body": {"p": "{password}"},
            "token_path": "id",
        },
    }  # fmt: skip
    made = connect(
        ada, method=AuthMethodFactory(kind="two_step", config=config), secrets={}, login_user=True
    )
    roles.grant(made, eve, by=ada)
    client.force_login(eve)
    token_endpoint.status = 401

    answer = client.post(url_of(made), {"password": CANARY})

    assert answer.context["form"].non_field_errors() == [
        "127.0.0.1 did not accept the sign-in. Check what you entered."
    ]
    assert CANARY not in answer.text
    assert not made.credentials.exists()
    with pytest.raises(ConnectFailed):
        login_users.sign_in(made, {"password": CANARY}, by=eve)


def test_person_without_access_finds_nothing_and_may_nothing(client, ada, personal):
    stranger = UserFactory()
    client.force_login(stranger)

    assert client.get(url_of(personal)).status_code == 404
    assert client.get(OWN).context["page"].rows == []
    with pytest.raises(PermissionDenied):
        signed_in(personal, stranger)


def test_connection_with_its_own_credential_is_nothing_to_sign_in_to(client, ada, connection):
    client.force_login(ada)

    assert client.get(url_of(connection)).status_code == 404
    with pytest.raises(login_users.NotForLoginUsers):
        signed_in(connection, ada)


def test_people_sign_in_for_each_environment_with_settings_of_its_own(client, eve, personal):
    production = Environment.objects.get(slug="production")
    Settings.objects.create(connection=personal, environment=production)
    client.force_login(eve)

    client.post(url_of(personal), {"key_1": "for all"})
    client.post(url_of(personal, "?environment=production"), {"key_1": "for production"})
    nowhere = client.post(url_of(personal, "?environment=staging"), {"key_1": "x"})

    of_eve = [prepare(personal, e, eve).values["key_1"] for e in Environment.objects.all()]
    assert of_eve == ["for all", "for all", "for production"]
    assert nowhere.status_code == 404
    rows = client.get(OWN).context["page"].rows
    assert [(str(row.environment), row.status) for row in rows] == [
        ("None", Status.CONNECTED),
        ("Production", Status.CONNECTED),
    ]


def test_key_for_other_environments_never_goes_to_one_with_settings_of_its_own(eve, personal):
    signed_in(personal, eve)
    production = Environment.objects.get(slug="production")
    Settings.objects.create(connection=personal, environment=production)

    assert personal.credential_for(production, eve) is None


def test_page_is_as_many_queries_for_many_as_for_one(
    client, ada, eve, integration, personal, django_assert_num_queries
):
    client.force_login(eve)
    client.get(OWN)
    with django_assert_num_queries(5) as few:
        client.get(OWN, headers={"HX-Request": "true"})
    for n in range(5):
        more = connect(ada, link_name=f"more{n}", secrets={}, login_user=True)
        registration.register(integration, [more], by=ada)
        signed_in(more, eve)

    with django_assert_num_queries(len(few)):
        page = client.get(OWN, headers={"HX-Request": "true"})

    assert len(page.context["page"].rows) == 6


def test_ones_own_credential_is_what_a_test_tests(ada, own_crm, oauth_server):
    with pytest.raises(testing.SignInFirst):
        testing.test(own_crm, by=ada)
    authorized(ada, oauth_server, own_crm)

    report = testing.test(own_crm, by=ada)

    own_crm.refresh_from_db()
    assert report.ok
    assert own_crm.status == Status.CONNECTED
    assert own_crm.credentials.get().tested_at is not None


# --- Renewed --------------------------------------------------------------------------------------


def test_lost_grant_is_that_persons_alone(ada, eve, own_crm, oauth_server):
    lost = authorized(eve, oauth_server, own_crm)
    kept = authorized(ada, oauth_server, own_crm, user=oauth_server.other_user)
    tokens = secrets(lost) | {"refresh_token": "no longer good"}
    keep(own_crm, Granted(tokens, lost.expires_at, renewable=True), environment=None, user=eve)

    with pytest.raises(ReconnectNeeded):
        ensure_fresh(expire(lost))
    renewed = ensure_fresh(expire(kept))

    own_crm.refresh_from_db()
    assert (again(lost).status, renewed.status) == (Status.RECONNECT_NEEDED, Status.CONNECTED)
    assert own_crm.status == Status.CONNECTED
    noted = Event.objects.about(own_crm).filter(action__in=["connection.reconnect_needed"]).get()
    assert noted.detail["user"] == eve.email


def test_removed_while_a_renewal_reads_it_is_no_error(eve, personal):
    credential = signed_in(personal, eve)
    Credential.objects.update(lease_until=credential.connected_at + timedelta(seconds=20))
    credential.expires_at, credential.renewable = credential.connected_at, True
    login_users.sign_out(credential, by=eve)

    with pytest.raises(ReconnectNeeded):
        ensure_fresh(credential)


# --- Given up -------------------------------------------------------------------------------------


def test_removing_destroys_it_here_and_then_at_the_provider(
    eve, own_crm, oauth_server, django_capture_on_commit_callbacks
):
    authorized(eve, oauth_server, own_crm)
    browser = browser_of(eve)
    url = reverse("remove_sign_in", args=["crm"])

    asked = browser.get(url)
    with django_capture_on_commit_callbacks(execute=True):
        answer = browser.post(url)

    assert "Remove your sign-in to CRM?" in asked.text
    assert answer.headers["Location"] == OWN
    assert not own_crm.credentials.exists()
    assert actions(own_crm)[-2:] == [
        "connection.user_disconnected",
        "connection.revoked_at_provider",
    ]
    assert Event.objects.about(own_crm)[0].detail == {"said": "revoked", "user": eve.email}


def test_nobody_removes_anothers_but_an_admin_of_the_connection(ada, bob, root, eve, personal):
    credential = signed_in(personal, eve)
    url = reverse("connections:remove_sign_in", args=["personal", credential.pk])

    refused = [browser_of(person).post(url).status_code for person in (bob, eve, root)]
    assert refused == [404, 404, 403]
    with pytest.raises(PermissionDenied):
        login_users.sign_out(credential, by=bob)
    assert browser_of(bob).post(reverse("remove_sign_in", args=["personal"])).status_code == 404
    answer = browser_of(ada).post(url)

    assert answer.headers["Location"] == reverse("connections:sign_ins", args=["personal"])
    assert not Credential.objects.exists()
    assert Event.objects.about(personal)[0].detail == {"user": eve.email}


def test_removing_twice_is_refused(eve, personal):
    credential = signed_in(personal, eve)
    login_users.sign_out(credential, by=eve)

    with pytest.raises(login_users.NotSignedIn):
        login_users.sign_out(credential, by=eve)


def test_who_lost_access_still_may_remove_what_is_theirs(client, ada, eve, integration, personal):
    signed_in(personal, eve)
    projects.remove_member(integration, eve, by=ada)
    client.force_login(eve)

    (row,) = client.get(OWN).context["page"].rows
    again_ = client.get(url_of(personal))
    client.post(reverse("remove_sign_in", args=["personal"]))

    assert (row.is_open, again_.status_code) == (False, 404)
    assert not Credential.objects.exists()


def test_revoke_ends_every_sign_in_until_it_is_opened_again(client, ada, eve, personal):
    signed_in(personal, eve)
    lifecycle.revoke(personal, by=ada)

    personal.refresh_from_db()
    assert personal.status == Status.REVOKED
    assert not Credential.objects.exists()
    with pytest.raises(ConnectionRevoked):
        signed_in(personal, eve)
    with pytest.raises(lifecycle.NothingToRevoke):
        lifecycle.revoke(personal, by=ada)

    client.force_login(ada)
    answer = client.post(reverse("connections:authorize", args=["personal"]))

    personal.refresh_from_db()
    assert answer.headers["Location"] == "/connections/personal/"
    assert personal.status == Status.CONNECTED
    assert signed_in(personal, eve).status == Status.CONNECTED


def test_deleted_connection_keeps_nobodys_secret(ada, eve, integration, personal):
    signed_in(personal, eve)
    lifecycle.delete(personal, by=ada)

    assert not Credential.objects.exists()


@pytest.mark.parametrize("ends", [people.deactivate, people.delete])
def test_credential_dies_with_the_account(
    root, eve, own_crm, oauth_server, ends, django_capture_on_commit_callbacks
):
    authorized(eve, oauth_server, own_crm)

    with django_capture_on_commit_callbacks(execute=True):
        ends(eve, by=root)

    assert not Credential.objects.exists()
    assert actions(own_crm)[-2:] == [
        "connection.user_disconnected",
        "connection.revoked_at_provider",
    ]
    assert Event.objects.get(action="connection.user_disconnected").actor == "Root"


# --- Races ----------------------------------------------------------------------------------------


def test_deactivated_on_the_way_back_leaves_nothing(root, eve, own_crm, oauth_server):
    browser = browser_of(eve)
    url = way_back(browser, oauth_server, own_crm)
    state = url.partition("state=")[2].partition("&")[0]
    people.deactivate(eve, by=root)

    with pytest.raises(authorize.AuthorizationFailed):
        authorize.finish("acme", {"state": [state], "code": ["x"]}, by=eve, session_key="")
    browser.get(url)

    assert not Credential.objects.exists()


def test_deactivated_while_the_code_is_exchanged_leaves_nothing(
    root, eve, own_crm, oauth_server, monkeypatch
):
    exchange = authorize._exchange

    def slow(*args):
        granted = exchange(*args)
        people.deactivate(User.objects.get(pk=eve.pk), by=root)
        return granted

    browser = browser_of(eve)
    url = way_back(browser, oauth_server, own_crm)
    monkeypatch.setattr(authorize, "_exchange", slow)

    answer = browser.get(url)

    assert said(answer) == ["You may no longer use this connection."]
    assert not Credential.objects.exists()


@pytest.mark.parametrize("was_on", [True, False])
def test_switched_on_the_way_back_is_started_again(
    ada, crm, integration, oauth_server, was_on, monkeypatch
):
    editing.edit(crm, of(crm, login_user=was_on), by=ada)
    browser = browser_of(ada)
    crm.refresh_from_db()
    page = url_of(crm) if was_on else reverse("connections:authorize", args=["crm"])
    start = browser.post(page, headers={"HX-Request": "true"}).headers["HX-Redirect"]
    url = oauth_server.authorize(start).removeprefix(configured.CONNHUB_URL)
    editing.edit(crm, of(crm, login_user=not was_on), by=ada)

    answer = browser.get(url)

    assert said(answer) == ["The connection was changed meanwhile. Start again."]
    assert not Credential.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_two_sign_ins_at_once_leave_one_credential(eve, personal):
    with ThreadPoolExecutor(4) as threads:
        done = threads.map(
            in_own_connection(lambda n: signed_in(personal, eve, f"key {n}").pk), range(4)
        )
        made = set(done)

    assert made == {personal.credentials.get().pk}


@pytest.mark.django_db(transaction=True)
def test_signing_in_while_the_account_ends_never_outlives_it(root, eve, personal):
    def sign_in(_):
        with suppress(PermissionDenied):
            signed_in(personal, eve)

    with ThreadPoolExecutor(4) as threads:
        signing = [threads.submit(in_own_connection(sign_in), n) for n in range(3)]
        ending = threads.submit(in_own_connection(people.deactivate), eve, by=root)
        for each in [*signing, ending]:
            each.result()

    assert not Credential.objects.exists()


# --- What admins see ------------------------------------------------------------------------------


def test_summary_says_who_signed_in_and_nothing_more(client, ada, eve, root, personal):
    signed_in(personal, eve)
    for person in (ada, root):
        client.force_login(person)
        page = client.get("/connections/personal/")

        assert page.context["total"] == 1
        assert "eve@acme.example" in page.text
        assert CANARY not in page.text
        assert ("sign-ins/" + str(personal.credentials.get().pk) in page.text) == (person == ada)


def test_everybodys_sign_ins_are_paged(client, ada, personal, django_assert_max_num_queries):
    roles.grant(personal, ada, by=ada)
    for n in range(30):
        person = UserFactory(name=f"P {n:02}")
        keep(personal, Granted({"key_1": CANARY}), environment=None, user=person)
    client.force_login(ada)

    with django_assert_max_num_queries(12):
        page = client.get("/connections/personal/sign-ins/", headers={"HX-Request": "true"})
    summary = client.get("/connections/personal/")

    assert (len(page.context["page"].rows), page.context["total"]) == (25, 30)
    assert len(summary.context["page"].rows) == 10
    assert "Show all 30" in summary.text


def test_listings_and_summaries_load_no_login_users_credentials(ada, personal):
    for _ in range(3):
        keep(personal, Granted({"key_1": "x"}), environment=None, user=UserFactory())

    listed = Connection.objects.for_listing().get(pk=personal.pk)
    shown = Connection.objects.for_summary().get(pk=personal.pk)

    assert [list(found.credentials.all()) for found in (listed, shown)] == [[], []]
