import threading
import time
from datetime import timedelta

import pytest
import requests
from django.core.exceptions import PermissionDenied
from django.db import DatabaseError
from django.utils import timezone

from connhub.accounts.models import Environment, Team
from connhub.audit import log
from connhub.audit.log import AuditUnavailable
from connhub.audit.models import Event
from connhub.connections import lifecycle, tasks
from connhub.connections.access import ConnectionRevoked, prepare
from connhub.connections.lifecycle import (
    BadLinkName,
    Details,
    LinkNameTaken,
    NothingToRevoke,
    StillInUse,
)
from connhub.connections.models import Connection, Credential, Settings, Status
from connhub.services.models import OAuthApp
from connhub.sharing import roles
from connhub.usage.models import App, DataObject, Flow, Step
from tests.conftest import CANARY
from tests.connections.steps import actions, in_own_connection
from tests.factories import (
    AuthMethodFactory,
    IntegrationFactory,
    ServiceFactory,
    connect,
    function_over,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def development():
    return Environment.objects.get(slug="development")


@pytest.fixture
def production():
    return Environment.objects.get(slug="production")


def method_of(kind, service=None, **config):
    return AuthMethodFactory(
        kind=kind, label=kind, config=config, service=service or ServiceFactory()
    )


# --- Create ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "config", "secrets"),
    [
        ("api_key", {"keys": [{"name": "X-Key", "in": "header"}]}, {"key_1": CANARY}),
        ("basic", {}, {"password": CANARY}),
        ("bearer", {}, {"token": CANARY}),
        ("none", {}, {}),
    ],
)
def test_create_connects_with_the_secrets_given(ada, kind, config, secrets):
    made = connect(ada, method=method_of(kind, **config), secrets=secrets)

    credential = made.credentials.get()
    assert (made.status, credential.status) == (Status.CONNECTED, Status.CONNECTED)
    assert credential.payload.open().reveal() == secrets
    assert actions(made) == ["connection.created"]


def test_create_with_a_database_keeps_parameters_and_secrets_apart(ada):
    method = method_of("database", ServiceFactory(driver="postgresql", base_url=""))
    parameters = {"host": "db.example", "user": "flow"}

    made = connect(ada, method=method, parameters=parameters, secrets={"password": CANARY})

    assert made.settings.get().parameters == parameters
    assert made.credentials.get().payload.open().reveal() == {"password": CANARY}


def test_create_with_oauth_waits_for_the_sign_in(ada):
    made = connect(
        ada, method=method_of("oauth2_code"), secrets={}, client_id="id", client_secret=CANARY
    )

    assert made.status == Status.NOT_CONNECTED
    assert not made.credentials.exists()
    assert made.oauth_app.client_secret.open().reveal() == CANARY
    assert not made.oauth_app.shared


def test_create_with_oauth_takes_the_services_own_app(ada, production):
    method = method_of("oauth2_code")
    for_all = OAuthApp.objects.create(service=method.service, shared=True, client_id="all")
    for_production = OAuthApp.objects.create(
        service=method.service, shared=True, client_id="production", environment=production
    )

    general = connect(ada, method=method, link_name="general", secrets={})
    narrow = connect(ada, method=method, link_name="narrow", secrets={}, environment=production)

    assert (general.oauth_app, narrow.oauth_app) == (for_all, for_production)


def test_creator_is_the_first_admin(ada, eve):
    made = connect(ada)

    assert (roles.is_admin(ada, made), roles.is_admin(eve, made)) == (True, False)


def test_record_of_creation_names_fields_and_no_value(ada, connection):
    event = Event.objects.about(connection).get()

    assert (event.fields, event.detail, event.actor) == (["key_1", "name"], {}, "Ada")


def test_member_creates_for_the_lowest_environment_alone(eve, development, production):
    made = connect(eve, environment=development)

    assert made.credentials.get().environment == development
    for environment in (production, None):
        with pytest.raises(PermissionDenied):
            connect(eve, link_name="other", environment=environment)
    assert Connection.objects.count() == 1


def test_deactivated_person_creates_nothing(ada, development):
    ada.is_active = False

    with pytest.raises(PermissionDenied):
        connect(ada, environment=development)


@pytest.mark.parametrize(
    "link_name",
    ["", "Billing", "1st", "a-b", "a b", "billing\n", "ä", "x" * 51, "new", "export", "import"],
)
def test_bad_link_name_is_refused(ada, link_name):
    with pytest.raises(BadLinkName):
        connect(ada, link_name=link_name)

    assert not Connection.objects.exists()


@pytest.mark.parametrize("link_name", ["a", "x" * 50, "a_1", "newer"])
def test_good_link_name_is_taken(ada, link_name):
    assert connect(ada, link_name=link_name).link_name == link_name


def test_taken_link_name_is_refused(ada, connection):
    with pytest.raises(LinkNameTaken) as refusal:
        connect(ada, link_name="billing")

    assert refusal.value.text == "This link name can't be used. Choose another."
    assert Connection.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_two_at_once_get_one_link_name(ada):
    method = AuthMethodFactory()
    start, results = threading.Barrier(2), []

    def create():
        start.wait()
        try:
            results.append(connect(ada, method=method).link_name)
        except LinkNameTaken as refusal:
            results.append(refusal.code)

    threads = [threading.Thread(target=in_own_connection(create)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(results) == ["billing", "link-name-taken"]
    assert Connection.objects.count() == Credential.objects.count() == 1


# --- Rename ---------------------------------------------------------------------------------------


def test_rename_changes_the_name_alone_and_is_on_record(ada, connection):
    before = connection.credentials.get().payload_version

    lifecycle.rename(connection, to="Invoices", by=ada)

    connection.refresh_from_db()
    assert (connection.name, connection.link_name, connection.version) == ("Invoices", "billing", 2)
    assert connection.credentials.get().payload_version == before
    assert Event.objects.about(connection)[0].fields == ["name"]


# --- Revoke ---------------------------------------------------------------------------------------


def test_revoke_destroys_the_secret_and_is_on_record(ada, connection):
    lifecycle.revoke(connection, by=ada)

    credential = connection.credentials.get()
    connection.refresh_from_db()
    assert (connection.status, credential.status) == (Status.REVOKED, Status.REVOKED)
    assert (bool(credential.payload), credential.renewable, credential.expires_at) == (
        False,
        False,
        None,
    )
    assert actions(connection)[-1] == "connection.revoked"


def test_revoked_connection_fails_every_call(ada, connection):
    lifecycle.revoke(connection, by=ada)

    with pytest.raises(ConnectionRevoked):
        prepare(connection, None)


def test_revoke_twice_is_refused(ada, connection):
    lifecycle.revoke(connection, by=ada)

    with pytest.raises(NothingToRevoke):
        lifecycle.revoke(connection, by=ada)


@pytest.mark.django_db(transaction=True)
def test_revoke_tells_the_provider(ada, connected, oauth_server, crm):
    token = connected.payload.open().reveal()["access_token"]

    lifecycle.revoke(crm, by=ada)

    answer = requests.get(
        f"{oauth_server.api_url}/me", headers={"Authorization": f"Bearer {token}"}, timeout=9
    )
    assert answer.status_code == 401
    event = Event.objects.about(crm)[0]
    assert (event.action, event.outcome, event.detail) == (
        "connection.revoked_at_provider",
        "ok",
        {"said": "revoked"},
    )


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("fault", "said"), [("500", "answered 500"), ("html", "answered 502"), ("429", "answered 429")]
)
def test_provider_that_fails_changes_nothing_of_revoke(
    ada, connected, oauth_server, crm, fault, said
):
    oauth_server.fail_next(fault, endpoint="revoke")

    lifecycle.revoke(crm, by=ada)

    crm.refresh_from_db()
    assert (crm.status, crm.credentials.live().exists()) == (Status.REVOKED, False)
    event = Event.objects.about(crm)[0]
    assert (event.outcome, event.detail) == ("failed", {"said": said})


@pytest.mark.django_db(transaction=True)
def test_slow_provider_is_asked_when_the_secret_is_gone_already(ada, connected, oauth_server, crm):
    oauth_server.fail_next("slow", endpoint="revoke", seconds=2)
    revoking = threading.Thread(
        target=in_own_connection(lifecycle.revoke), args=[crm], kwargs={"by": ada}
    )

    revoking.start()
    deadline = time.monotonic() + 10
    while actions(crm)[-1] != "connection.revoked" and time.monotonic() < deadline:
        time.sleep(0.02)
    seen = actions(crm)[-1], crm.credentials.live().exists()
    revoking.join()

    assert seen == ("connection.revoked", False)
    assert actions(crm)[-1] == "connection.revoked_at_provider"


@pytest.mark.django_db(transaction=True)
def test_unreachable_provider_changes_nothing_of_revoke(ada, connected, crm, settings):
    settings.CONNHUB_EGRESS_ALLOW = []

    lifecycle.revoke(crm, by=ada)

    assert Event.objects.about(crm)[0].detail == {"said": "did not answer"}


@pytest.mark.django_db(transaction=True)
def test_revoke_works_without_the_clients_secret(ada, connected, crm):
    OAuthApp.objects.update(client_secret=b"\x01broken")

    lifecycle.revoke(crm, by=ada)

    assert Event.objects.about(crm)[0].detail == {"said": "was not asked (credential-unreadable)"}


# --- Delete ---------------------------------------------------------------------------------------


def test_delete_destroys_the_secrets_and_hides_the_connection(ada, root, connection):
    lifecycle.delete(connection, by=ada)

    assert not Credential.objects.live().exists()
    assert not Connection.objects.visible_to(ada).exists()
    assert not Connection.objects.visible_to(root).exists()
    assert actions(connection)[-1] == "connection.deleted"


def test_delete_destroys_the_secret_of_its_own_app_and_leaves_a_shared_one(ada):
    method = method_of("oauth2_code")
    own = connect(ada, method=method, secrets={}, client_id="id", client_secret=CANARY)
    shared = OAuthApp(service=method.service, shared=True, client_id="shared")
    shared.client_secret.put(CANARY)
    shared.save()
    other = connect(ada, method=method, link_name="other", secrets={})

    lifecycle.delete(own, by=ada)
    lifecycle.delete(other, by=ada)

    own.oauth_app.refresh_from_db()
    shared.refresh_from_db()
    assert (bool(own.oauth_app.client_secret), bool(shared.client_secret)) == (False, True)


def test_link_name_of_a_deleted_connection_stays_taken(ada, connection):
    lifecycle.delete(connection, by=ada)

    with pytest.raises(LinkNameTaken):
        connect(ada, link_name="billing")


def test_delete_of_a_revoked_connection(ada, connection):
    lifecycle.revoke(connection, by=ada)

    lifecycle.delete(connection, by=ada)

    connection.refresh_from_db()
    assert connection.deleted_at


def use(connection, *, by_whom):
    """One step, data object and function in an integration of that person, or in nobody's."""
    integration = IntegrationFactory(name="Orders")
    if by_whom:
        roles.grant(integration, by_whom, by=by_whom)
    flow = Flow.objects.create(
        slug=f"flow-{integration.pk}", name="Nightly", integration=integration
    )
    Step.objects.create(flow=flow, name="Read orders", kind="export", connection=connection)
    function_over(connection, name="sum", integration=integration)


def test_delete_is_refused_while_used_with_the_list(ada, connection):
    use(connection, by_whom=ada)
    app = App.objects.create(slug="desk", name="Desk")
    DataObject.objects.create(app=app, name="Orders", connection=connection)

    with pytest.raises(StillInUse) as refusal:
        lifecycle.delete(connection, by=ada)

    assert refusal.value.text == (
        "It is still used by Orders (data object of Desk), Read orders (export of Nightly) and "
        "sum (function). Change those first, then delete it."
    )
    assert refusal.value.links == [
        ("Find usage", "/connections/billing/usage/"),
        ("Replace it everywhere", "/connections/billing/replace/"),
    ]
    assert connection.credentials.live().exists()


def test_refusal_counts_what_the_person_cannot_see(ada, connection):
    use(connection, by_whom=None)

    with pytest.raises(StillInUse) as refusal:
        lifecycle.delete(connection, by=ada)

    assert refusal.value.text == (
        "It is still used by 2 that you cannot see. Change those first, then delete it."
    )


def test_refusal_names_ten_and_counts_the_rest(ada, connection):
    use(connection, by_whom=None)
    app = App.objects.create(slug="desk", name="Desk")
    for number in range(12):
        DataObject.objects.create(app=app, name=f"Object {number:02}", connection=connection)

    text = lifecycle.still_in_use(connection, ada).text

    names = ", ".join(f"Object {number:02} (data object of Desk)" for number in range(10))
    assert text == (
        f"It is still used by {names}, 2 more and 2 that you cannot see. "
        "Change those first, then delete it."
    )


# --- Who may --------------------------------------------------------------------------------------


@pytest.mark.parametrize("who", ["eve", "root"])
@pytest.mark.parametrize(
    "act",
    [
        lambda it, by: lifecycle.rename(it, to="Mine", by=by),
        lambda it, by: lifecycle.revoke(it, by=by),
        lambda it, by: lifecycle.delete(it, by=by),
    ],
    ids=["rename", "revoke", "delete"],
)
def test_only_admins_of_the_connection_may(request, connection, who, act):
    with pytest.raises(PermissionDenied):
        act(connection, request.getfixturevalue(who))

    connection.refresh_from_db()
    assert (connection.name, connection.status, connection.deleted_at) == (
        "Billing",
        Status.CONNECTED,
        None,
    )


def test_admins_through_a_team_may_and_deactivated_ones_may_not(ada, eve, connection):
    team = Team.objects.create(name="Finance")
    team.user_set.add(eve)
    roles.grant(connection, team, by=ada)

    lifecycle.rename(connection, to="Ours", by=eve)
    eve.is_active = False
    eve.save()
    with pytest.raises(PermissionDenied):
        lifecycle.rename(connection, to="Mine", by=eve)

    connection.refresh_from_db()
    assert connection.name == "Ours"


# --- Fail closed ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "act",
    [
        lambda it, by: connect(by, link_name="another"),
        lambda it, by: lifecycle.rename(it, to="Mine", by=by),
        lambda it, by: lifecycle.revoke(it, by=by),
        lambda it, by: lifecycle.delete(it, by=by),
    ],
    ids=["create", "rename", "revoke", "delete"],
)
def test_what_cannot_be_put_on_record_is_not_done(monkeypatch, ada, connection, act):
    def unwritable(event, change):
        raise DatabaseError

    monkeypatch.setattr(log, "_append", unwritable)

    with pytest.raises(AuditUnavailable):
        act(connection, ada)

    connection.refresh_from_db()
    assert (connection.name, connection.status, connection.deleted_at) == (
        "Billing",
        Status.CONNECTED,
        None,
    )
    assert connection.credentials.live().exists()
    assert Connection.objects.count() == 1


# --- What is left behind --------------------------------------------------------------------------


def test_apps_of_abandoned_changes_are_forgotten(ada):
    method = method_of("oauth2_code")
    made = connect(ada, method=method, secrets={}, client_id="id", client_secret=CANARY)
    shared = OAuthApp.objects.create(service=method.service, shared=True, client_id="shared")
    abandoned = lifecycle.new_app(made, Details("CRM", client_id="x", client_secret=CANARY), ada)
    OAuthApp.objects.update(created_at=timezone.now() - timedelta(hours=3))
    recent = lifecycle.new_app(made, Details("CRM", client_id="x", client_secret=CANARY), ada)

    tasks.forget_expired_authorizations.call_local()

    kept = set(OAuthApp.objects.values_list("pk", flat=True))
    assert kept == {made.oauth_app_id, shared.pk, recent.pk}
    assert abandoned.pk not in kept


def test_settings_and_tags_are_kept_as_given(ada):
    made = connect(ada, tags=["money"], description="For invoices", parameters={"shop": "acme"})

    made.refresh_from_db()
    assert (made.tags, made.description) == (["money"], "For invoices")
    assert Settings.objects.get(connection=made).parameters == {"shop": "acme"}


def test_secrets_in_memory_do_not_print():
    details = Details("CRM", secrets={"key_1": CANARY}, client_secret=CANARY)

    assert CANARY not in repr(details) + str(details)
