import pytest
from django.core.exceptions import PermissionDenied
from django.db import DatabaseError

from connhub.accounts.models import Environment
from connhub.audit import log
from connhub.audit.log import AuditUnavailable
from connhub.audit.models import Event
from connhub.connections import authorize, lifecycle
from connhub.connections.access import prepare
from connhub.connections.edit_form import EditForm
from connhub.connections.editing import SecretAskedAgain, edit
from connhub.connections.lifecycle import Details
from connhub.connections.models import Connection, Credential, Status
from connhub.connections.telling.providers import tell_next
from connhub.services.models import OAuthApp
from connhub.sharing import roles
from tests.conftest import CANARY
from tests.connections.steps import IDENTITY, actions, again, outcomes, secrets
from tests.factories import AuthMethodFactory, ServiceFactory, connect

pytestmark = pytest.mark.django_db


@pytest.fixture
def database(ada):
    """A connection whose secret goes where its parameters say."""
    service = ServiceFactory(driver="postgresql", base_url="")
    return connect(
        ada,
        method=AuthMethodFactory(service=service, kind="database", label="Database", config={}),
        parameters={"host": "db.example", "user": "flow", "ca": "PEM"},
        secrets={"password": CANARY},
        access_mode="credentials",
    )


def details(connection, **changes) -> Details:
    """What the connection's form says when only these things are changed."""
    app = connection.oauth_app
    unchanged = {
        "name": connection.name,
        "description": connection.description,
        "access_mode": connection.access_mode,
        "login_user": connection.login_user,
        "scopes": connection.scopes,
        "parameters": connection.settings.get().parameters,
        "client_id": app.client_id if app and not app.shared else "",
    }
    return Details(**unchanged | changes)


def test_words_hold_at_once_and_are_on_record(ada, connection):
    words = {"name": "Invoices", "description": "All of them", "access_mode": "credentials"}

    pending = edit(connection, details(connection, **words), by=ada)

    connection.refresh_from_db()
    assert pending == {}
    assert {name: getattr(connection, name) for name in words} == words
    assert Event.objects.about(connection)[0].fields == sorted(words)


def test_nothing_changed_is_not_on_record(ada, connection):
    edit(connection, details(connection), by=ada)

    connection.refresh_from_db()
    assert connection.version == 1
    assert actions(connection) == ["connection.created"]


def test_new_secret_replaces_the_old_and_a_blank_one_keeps_it(ada, connection):
    credential = connection.credentials.get()

    edit(connection, details(connection, secrets={"key_1": ""}), by=ada)
    kept = secrets(credential)
    edit(connection, details(connection, secrets={"key_1": "n3w"}), by=ada)

    assert (kept, secrets(credential)) == ({"key_1": CANARY}, {"key_1": "n3w"})
    assert Event.objects.about(connection)[0].fields == ["key_1"]


def test_new_secret_mends_what_cannot_be_opened(ada, connection):
    Credential.objects.update(payload=b"\x01broken")

    edit(connection, details(connection, secrets={"key_1": "n3w"}), by=ada)

    assert secrets(connection.credentials.get()) == {"key_1": "n3w"}


def test_every_secret_is_asked_for_when_the_stored_ones_cannot_be_opened(ada):
    keys = [{"name": "X-A", "in": "header"}, {"name": "X-B", "in": "header"}]
    made = connect(
        ada,
        method=AuthMethodFactory(config={"keys": keys}),
        secrets={"key_1": "one", "key_2": "two"},
    )
    Credential.objects.update(payload=b"\x01broken")

    with pytest.raises(SecretAskedAgain):
        edit(made, details(made, secrets={"key_1": "n3w"}), by=ada)


def test_what_was_stored_as_secret_stays_secret_whatever_the_service_says_now(ada, client):
    method = AuthMethodFactory(config={"keys": [{"name": "X-A", "in": "header"}]})
    made = connect(ada, method=method, secrets={"key_1": CANARY})
    method.config["keys"][0]["secret"] = False
    method.save()
    made = Connection.objects.get(pk=made.pk)
    client.force_login(ada)

    form = EditForm(connection=made)
    edit(made, details(made, name="Invoices"), by=ada)

    assert [name for name in form.fields if "key_1" in name] == ["s_key_1"]
    assert secrets(made.credentials.get()) == {"key_1": CANARY}
    assert prepare(made, None).injection.secrets == (CANARY,)
    assert CANARY not in client.get(made.get_absolute_url()).content.decode()


def test_what_is_no_secret_is_kept_and_shown_as_typed(ada, client):
    keys = [{"name": "account", "in": "query", "label": "Account", "secret": False}]
    method = AuthMethodFactory(config={"keys": keys})
    made = connect(ada, method=method, parameters={"key_1": "acme"}, secrets={})
    client.force_login(ada)

    summary = client.get(made.get_absolute_url())

    assert summary.context["parameters"] == [("Account", "acme")]
    assert EditForm(connection=made).initial["p_key_1"] == "acme"
    assert prepare(made, None).injection.query == (("account", "acme"),)


def test_what_is_a_secret_by_now_is_no_longer_shown(ada, client):
    method = AuthMethodFactory(config={"keys": [{"name": "key", "in": "query", "secret": False}]})
    made = connect(ada, method=method, parameters={"key_1": CANARY}, secrets={})
    method.config["keys"][0]["secret"] = True
    method.save()
    client.force_login(ada)

    pages = [client.get(made.get_absolute_url()), client.get(made.get_absolute_url() + "edit/")]

    assert [CANARY in page.content.decode() for page in pages] == [False, False]


@pytest.mark.parametrize(
    "parameters",
    [
        {"host": "evil.example", "user": "flow", "ca": "PEM"},
        {"host": "db.example", "user": "flow"},
        {"host": "db.example", "user": "flow", "ca": "PEM", "tls": "off"},
    ],
    ids=["changed", "removed", "added"],
)
def test_changed_destination_asks_for_the_secret_again(ada, database, parameters):
    before = database.settings.get().parameters

    with pytest.raises(SecretAskedAgain):
        edit(database, details(database, parameters=parameters), by=ada)
    refused = database.settings.get().parameters
    edit(database, details(database, parameters=parameters, secrets={"password": "n3w"}), by=ada)

    assert refused == before
    assert database.settings.get().parameters == parameters
    assert secrets(database.credentials.get()) == {"password": "n3w"}


def test_revoked_connection_is_not_connected_by_an_edit_without_secret(ada, database):
    lifecycle.revoke(database, by=ada)

    with pytest.raises(SecretAskedAgain):
        edit(database, details(database, parameters={"host": "other.example"}), by=ada)

    database.refresh_from_db()
    assert database.status == Status.REVOKED


def test_new_secret_brings_a_revoked_connection_back(ada, connection):
    lifecycle.revoke(connection, by=ada)

    edit(connection, details(connection, secrets={"key_1": "n3w"}), by=ada)

    connection.refresh_from_db()
    assert connection.status == Status.CONNECTED


def test_member_gives_secrets_for_the_lowest_environment_alone(ada, eve):
    own = connect(eve, link_name="own", environment=Environment.objects.get(slug="development"))
    shared = connect(ada, link_name="shared")
    roles.grant(shared, eve, by=ada)

    edit(own, details(own, secrets={"key_1": "n3w"}), by=eve)
    with pytest.raises(PermissionDenied):
        edit(shared, details(shared, secrets={"key_1": "n3w"}), by=eve)

    credential = own.credentials.get()
    assert (credential.environment.slug, secrets(credential)) == ("development", {"key_1": "n3w"})
    assert secrets(shared.credentials.get()) == {"key_1": "s3cret-value"}


@pytest.mark.parametrize("who", ["eve", "root"])
def test_only_admins_of_the_connection_may_edit(request, connection, who):
    with pytest.raises(PermissionDenied):
        edit(connection, details(connection, name="Mine"), by=request.getfixturevalue(who))

    connection.refresh_from_db()
    assert connection.name == "Billing"


def test_edit_that_cannot_be_put_on_record_is_not_done(monkeypatch, ada, connection):
    def unwritable(event, change):
        raise DatabaseError

    monkeypatch.setattr(log, "_append", unwritable)

    with pytest.raises(AuditUnavailable):
        edit(connection, details(connection, name="Mine", secrets={"key_1": "n3w"}), by=ada)

    connection.refresh_from_db()
    assert connection.name == "Billing"
    assert secrets(connection.credentials.get()) == {"key_1": CANARY}


def test_login_user_survives_the_form(ada, connection):
    Connection.objects.update(login_user=True)
    connection.refresh_from_db()
    typed = {"name": "Billing", "access_mode": "proxy", "login_user": "on"}
    form = EditForm(typed, connection=connection)

    assert form.is_valid(), form.errors
    edit(connection, form.details, by=ada)

    connection.refresh_from_db()
    assert connection.login_user


# --- OAuth ----------------------------------------------------------------------------------------


def test_scopes_wait_for_the_authorization(ada, connected, crm):
    pending = edit(crm, details(crm, scopes=["read", "write"]), by=ada)

    crm.refresh_from_db()
    assert pending == {"scopes": ["read", "write"]}
    assert (crm.scopes, crm.status) == (["read"], Status.CONNECTED)
    assert again(connected).payload_version == connected.payload_version


def test_everything_holds_at_once_where_nothing_was_authorized_yet(ada, crm):
    changes = {"scopes": ["write"], "parameters": {"shop": "acme"}}

    pending = edit(crm, details(crm, client_id="new", client_secret=CANARY, **changes), by=ada)

    crm.refresh_from_db()
    assert pending == {}
    assert (crm.scopes, crm.settings.get().parameters) == (["write"], {"shop": "acme"})
    assert crm.oauth_app.client_id == "new"
    assert crm.oauth_app.client_secret.open().reveal() == CANARY


def test_new_client_secret_waits_in_an_app_of_its_own(ada, connected, crm):
    before = crm.oauth_app

    pending = edit(crm, details(crm, client_secret=CANARY), by=ada)

    crm.refresh_from_db()
    waiting = OAuthApp.objects.get(pk=pending["oauth_app"])
    assert crm.oauth_app == before
    assert (waiting.client_id, waiting.shared) == (before.client_id, False)
    assert waiting.client_secret.open().reveal() == CANARY


def test_other_client_asks_for_its_secret(ada, crm):
    with pytest.raises(SecretAskedAgain):
        edit(crm, details(crm, client_id="another"), by=ada)

    assert OAuthApp.objects.count() == 1


def test_client_secret_is_asked_again_where_parameters_say_where_it_goes(ada, crm):
    crm.auth_method.config["token_url"] = "https://{shop}.example/token"
    crm.auth_method.save()

    with pytest.raises(SecretAskedAgain):
        edit(crm, details(crm, parameters={"shop": "evil"}), by=ada)
    edit(crm, details(crm, parameters={"shop": "mine"}, client_secret="again"), by=ada)

    assert crm.settings.get().parameters == {"shop": "mine"}


def test_leaving_half_way_changes_nothing(client, ada, connected, crm):
    client.force_login(ada)
    form = {"name": "CRM", "access_mode": "proxy", "scopes": ["read", "write"]}
    form |= {"client_id": crm.oauth_app.client_id, "more_scopes": ""}

    page = client.post("/connections/crm/edit/", form, follow=True)

    crm.refresh_from_db()
    assert page.context["scopes"] == ["read", "write"]
    assert page.context["is_change"]
    assert (crm.scopes, crm.version) == (["read"], 2)
    assert secrets(connected) == connected.payload.open().reveal()


def test_change_takes_effect_with_the_authorization(client, ada, connected, crm, sign_in):
    form = {"name": "CRM", "access_mode": "proxy", "scopes": ["read", "write"]}
    form |= {"client_id": crm.oauth_app.client_id, "more_scopes": ""}
    query = client.post("/connections/crm/edit/", form).headers["Location"].partition("?")[2]

    sign_in(crm, query=f"?{query}")

    crm.refresh_from_db()
    assert (crm.scopes, crm.version) == (["read", "write"], 3)
    assert again(connected).scopes_granted == ["read", "write"]
    assert Event.objects.about(crm)[0].fields == ["scopes"]


def test_denied_change_leaves_everything_as_it_was(client, ada, connected, crm, sign_in):
    form = {"name": "CRM", "access_mode": "proxy", "scopes": ["write"], "more_scopes": ""}
    form |= {"client_id": crm.oauth_app.client_id}
    query = client.post("/connections/crm/edit/", form).headers["Location"].partition("?")[2]

    sign_in(crm, query=f"?{query}", allow=False)

    crm.refresh_from_db()
    assert (crm.scopes, crm.status) == (["read"], Status.CONNECTED)
    assert secrets(connected) == connected.payload.open().reveal()


def test_change_of_one_connection_is_none_of_anothers(client, ada, bob, connected, crm, acme):
    roles.grant(crm, bob, by=ada)
    other = connect(bob, method=acme, link_name="other", secrets={}, client_id="x")
    form = {"name": "CRM", "access_mode": "proxy", "scopes": ["write"], "more_scopes": ""}
    form |= {"client_id": crm.oauth_app.client_id}
    change = client.post("/connections/crm/edit/", form).headers["Location"].partition("?")[2]

    client.force_login(bob)
    answers = [
        client.get(f"/connections/{link_name}/authorize/?{change}")
        for link_name in (other.link_name, "crm")
    ]

    text = "This change waited for too long. Edit the connection again; nothing was changed."
    assert [(a.status_code, text in a.content.decode()) for a in answers] == [(409, True)] * 2


@pytest.mark.parametrize("is_same_account", [True, False])
def test_moved_connection_gives_up_the_other_credentials_that_would_move(
    client, ada, connected, crm, acme, sign_in, oauth_server, is_same_account
):
    """The provider isn't told of the account that stays: its one grant may be all of its tokens."""
    acme.config |= {"identity": IDENTITY}
    acme.save()
    sign_in(crm, query="?environment=staging")
    staging = crm.credentials.get(environment__slug="staging")
    if not is_same_account:
        crm.credentials.filter(pk=staging.pk).update(account="somebody else")
    pending = edit(crm, details(crm, parameters={"shop": "acme"}), by=ada)

    url = authorize.start(crm, by=ada, session_key=client.session.session_key, pending=pending)
    client.get(oauth_server.authorize(url))

    assert crm.settings.get().parameters == {"shop": "acme"}
    assert (bool(again(staging).payload), again(staging).status) == (
        False,
        Status.RECONNECT_NEEDED,
    )
    assert again(connected).status == Status.CONNECTED
    assert tell_next() is not is_same_account
    revoked = ("connection.revoked_at_provider", "ok")
    assert (outcomes(crm)[-1] == revoked) is not is_same_account


def test_tags_hold_at_once(ada):
    connection = connect(ada, tags=["old"])
    changed = Details(name="Billing", tags=["new"])

    edit(connection, changed, by=ada)

    connection.refresh_from_db()
    assert connection.tags == ["new"]
    assert Event.objects.about(connection)[0].fields == ["tags"]
