"""Two-slot rotation: next value, test, switch, grace, roll back; and what else may happen meanwhile."""

import threading
from datetime import timedelta

import pytest
from django.core.exceptions import PermissionDenied
from django.utils import timezone

from connhub.accounts.models import Environment
from connhub.connections import editing, lifecycle, own_settings, rotation, tasks
from connhub.connections.access import ConnectionDisabled, prepare
from connhub.connections.bundles import exporting
from connhub.connections.connecting import ConnectFailed
from connhub.connections.duplicating import duplicate
from connhub.connections.models import Connection, Credential, Rotation, Status
from connhub.connections.rotation import (
    NoNextValue,
    NoOldValue,
    NothingToRotate,
    OldValueKept,
)
from connhub.connections.slots import Phase
from connhub.connections.testing import NoTest
from connhub.vault import passphrase
from tests.connections.steps import actions, again, in_own_connection, secrets
from tests.factories import AuthMethodFactory, ServiceFactory, connect

pytestmark = pytest.mark.django_db

OLD, NEW = "old-canary-3b1f", "new-canary-9d27"


@pytest.fixture
def partner(upstream, ada, allow) -> Connection:
    """A connection whose stored key the service doesn't know; the one it knows comes next."""
    allow(upstream.port)
    service = ServiceFactory(
        slug="partner-api", name="Partner API", base_url=upstream.url,
        test={"method": "GET", "path": "/key", "expect": [200]},
    )  # fmt: skip
    method = AuthMethodFactory(service=service)
    return connect(ada, method=method, name="Partner", link_name="partner", secret=OLD)


@pytest.fixture
def billing(ada) -> Connection:
    return connect(ada, secret=OLD)


@pytest.fixture
def switched(billing, ada) -> Connection:
    """In its grace time."""
    rotation.give(billing, {"key_1": NEW}, by=ada)
    rotation.switch(billing, by=ada)
    return billing


@pytest.fixture
def robot(ada, token_endpoint) -> Connection:
    """Its service is asked for a token with the secret."""
    method = AuthMethodFactory(
        kind="oauth2_client_credentials",
        config={"token_url": token_endpoint.url, "token_auth": "client_secret_post"},
    )
    token_endpoint.body = {"access_token": "first", "token_type": "Bearer", "expires_in": 3600}
    typed = {"parameters": {"client_id": "id"}, "secrets": {"client_secret": OLD}}
    return connect(ada, method=method, **typed)


def in_force(connection: Connection) -> str:
    return secrets(connection.credentials.get())["key_1"]


def waiting(connection: Connection) -> list[tuple[str, str]]:
    rows = Rotation.objects.filter(credential__connection=connection)
    return [(row.phase, row.open().secrets["key_1"]) for row in rows]


# --- The way it goes ------------------------------------------------------------------------------


def test_next_value_waits_sealed_and_calls_go_on_with_the_old_one(billing, ada):
    rotation.give(billing, {"key_1": NEW}, by=ada)

    slot = Rotation.objects.get()
    assert in_force(billing) == OLD
    assert waiting(billing) == [(Phase.NEXT, NEW)]
    assert NEW.encode() not in (slot.slot.ciphertext or b"")
    assert slot.stored_by == ada
    assert actions(billing)[-1] == "connection.next_secret_given"


def test_slot_is_bound_to_its_row(billing, ada):
    other = connect(ada, link_name="other")
    for connection in (billing, other):
        rotation.give(connection, {"key_1": NEW}, by=ada)
    mine, theirs = (Rotation.objects.get(credential__connection=each) for each in (billing, other))
    Rotation.objects.filter(pk=mine.pk).update(slot=theirs.slot.ciphertext)

    with pytest.raises(rotation.CredentialUnreadable):
        rotation.switch(billing, by=ada)
    assert in_force(billing) == OLD


def test_another_next_value_takes_the_place_of_the_first_and_is_untested(partner, ada):
    rotation.give(partner, {"key_1": OLD}, by=ada)
    rotation.test(partner, by=ada)
    first = Rotation.objects.get()

    rotation.give(partner, {"key_1": NEW}, by=ada)

    slot = Rotation.objects.get()
    assert waiting(partner) == [(Phase.NEXT, NEW)]
    assert (slot.tested_at, slot.test_report) == (None, {})
    # Nobody who kept the first value can put it back.
    Rotation.objects.update(slot=first.slot.ciphertext)
    with pytest.raises(rotation.CredentialUnreadable):
        rotation.switch(partner, by=ada)


def test_next_value_is_tested_and_the_report_stays_beside_it(partner, ada, upstream):
    rotation.give(partner, {"key_1": upstream.api_key}, by=ada)

    report = rotation.test(partner, by=ada)

    slot = Rotation.objects.get()
    assert report.ok
    assert slot.tested_at
    assert slot.test_report["ok"]
    assert upstream.api_key not in str(slot.test_report)
    assert partner.credentials.get().tested_at is None
    assert actions(partner)[-1] == "connection.next_secret_tested"


def test_next_value_that_does_not_work_is_told_and_changes_nothing(partner, ada):
    rotation.give(partner, {"key_1": "wrong"}, by=ada)

    report = rotation.test(partner, by=ada)

    partner.refresh_from_db()
    assert (report.ok, partner.status) == (False, Status.CONNECTED)


def test_switch_takes_the_next_value_and_keeps_the_old_one_for_its_grace_time(billing, ada):
    before = billing.credentials.get()
    rotation.give(billing, {"key_1": NEW}, by=ada)

    rotation.switch(billing, by=ada, grace=timedelta(hours=1))

    slot, after = Rotation.objects.get(), billing.credentials.get()
    assert in_force(billing) == NEW
    assert waiting(billing) == [(Phase.OLD, OLD)]
    assert after.payload_version > before.payload_version
    assert after.fence > before.fence
    assert slot.stored_at == before.connected_at
    left = slot.grace_ends_at - timezone.now()
    assert timedelta(minutes=59) < left <= timedelta(hours=1)
    assert prepare(Connection.objects.get(pk=billing.pk), None).values["key_1"] == NEW
    assert actions(billing)[-1] == "connection.secret_switched"


def test_switch_takes_over_what_the_test_of_the_next_value_found(partner, ada, upstream):
    rotation.give(partner, {"key_1": upstream.api_key}, by=ada)
    rotation.test(partner, by=ada)

    rotation.switch(partner, by=ada)

    credential = partner.credentials.get()
    assert (credential.status, credential.test_report["ok"]) == (Status.CONNECTED, True)


def test_end_dates_travel_with_their_values(billing, ada):
    first, second = (timezone.now() + timedelta(days=days) for days in (5, 90))
    billing.credentials.update(ends_at=first)
    rotation.give(billing, {"key_1": NEW}, by=ada, ends_at=second)

    rotation.switch(billing, by=ada)
    assert billing.credentials.get().ends_at == second
    rotation.roll_back(billing, by=ada)
    assert billing.credentials.get().ends_at == first


def test_roll_back_exchanges_them_again(switched, ada):
    since = Rotation.objects.get().stored_at

    rotation.roll_back(switched, by=ada)

    assert in_force(switched) == OLD
    assert waiting(switched) == [(Phase.NEXT, NEW)]
    assert switched.credentials.get().connected_at == since
    assert actions(switched)[-1] == "connection.secret_rolled_back"


def test_after_the_grace_time_the_worker_destroys_the_old_value(switched, ada):
    Rotation.objects.update(grace_ends_at=timezone.now() - timedelta(seconds=1))

    tasks.destroy_old_values.call_local()

    assert not Rotation.objects.exists()
    assert in_force(switched) == NEW
    assert actions(switched)[-1] == "connection.old_secret_destroyed"


def test_worker_leaves_what_is_not_over(switched, ada, billing):
    tasks.destroy_old_values.call_local()

    assert waiting(switched) == [(Phase.OLD, OLD)]


def test_what_is_over_is_offered_nowhere_even_before_the_worker_comes(switched, ada, client):
    Rotation.objects.update(grace_ends_at=timezone.now() - timedelta(seconds=1))
    client.force_login(ada)

    pages = [
        client.get(f"/connections/billing/{page}").content.decode() for page in ("", "rotate/")
    ]

    assert not any("Roll back" in page for page in pages)
    with pytest.raises(NoOldValue):
        rotation.roll_back(switched, by=ada)
    assert in_force(switched) == NEW


@pytest.mark.parametrize("phase", Phase)
def test_discard_destroys_what_the_slot_holds(billing, ada, phase):
    rotation.give(billing, {"key_1": NEW}, by=ada)
    if phase == Phase.OLD:
        rotation.switch(billing, by=ada)
    kept = in_force(billing)

    rotation.discard(billing, by=ada)

    assert not Rotation.objects.exists()
    assert in_force(billing) == kept


def test_environment_rotates_its_own_credential_alone(billing, ada):
    production = Environment.objects.get(slug="production")
    editing.reconnect(billing, {"key_1": "production"}, by=ada, environment=production)

    rotation.give(billing, {"key_1": NEW}, by=ada, environment=production)
    rotation.switch(billing, by=ada, environment=production)

    found = {c.environment_id: secrets(c)["key_1"] for c in billing.credentials.all()}
    assert found == {None: OLD, production.pk: NEW}


# --- What it refuses ------------------------------------------------------------------------------


def test_refusals(billing, ada):
    staging = Environment.objects.get(slug="staging")
    with pytest.raises(NothingToRotate):
        rotation.give(billing, {"key_1": NEW}, by=ada, environment=staging)
    with pytest.raises(editing.SecretAskedAgain):
        rotation.give(billing, {"key_1": "", "other": "x"}, by=ada)
    for act in (rotation.switch, rotation.discard):
        with pytest.raises(NoNextValue):
            act(billing, by=ada)
    with pytest.raises(NoTest):
        rotation.test(billing, by=ada)
    with pytest.raises(NoOldValue):
        rotation.roll_back(billing, by=ada)


def test_old_value_in_its_grace_time_is_not_pushed_out(switched, ada):
    with pytest.raises(OldValueKept):
        rotation.give(switched, {"key_1": "third"}, by=ada)

    assert waiting(switched) == [(Phase.OLD, OLD)]


@pytest.mark.parametrize("who", ["root", "eve"])
def test_only_admins_of_the_connection_may(request, billing, ada, who):
    rotation.give(billing, {"key_1": NEW}, by=ada)
    person = request.getfixturevalue(who)

    for act in (rotation.test, rotation.switch, rotation.roll_back, rotation.discard):
        with pytest.raises(PermissionDenied):
            act(billing, by=person)
    with pytest.raises(PermissionDenied):
        rotation.give(billing, {"key_1": "x"}, by=person)
    assert waiting(billing) == [(Phase.NEXT, NEW)]


def test_connections_that_sign_in_or_need_no_secret_have_nothing_to_rotate(ada):
    for kind in ("oauth2_code", "none"):
        made = connect(
            ada, method=AuthMethodFactory(kind=kind, config={}), link_name=kind, secrets={}
        )
        with pytest.raises(NothingToRotate):
            rotation.give(made, {"key_1": NEW}, by=ada)


# --- What else may happen meanwhile ---------------------------------------------------------------


@pytest.mark.parametrize("phase", Phase)
@pytest.mark.parametrize("end", [lifecycle.revoke, lifecycle.delete])
def test_revoke_and_delete_destroy_both_values(billing, ada, phase, end):
    rotation.give(billing, {"key_1": NEW}, by=ada)
    if phase == Phase.OLD:
        rotation.switch(billing, by=ada)

    end(billing, by=ada)

    assert not Rotation.objects.exists()
    assert not Credential.objects.live().exists()


@pytest.mark.parametrize("phase", Phase)
def test_reconnect_ends_a_rotation_and_says_so(client, billing, ada, phase):
    rotation.give(billing, {"key_1": NEW}, by=ada)
    if phase == Phase.OLD:
        rotation.switch(billing, by=ada)
    client.force_login(ada)

    warned = client.get("/connections/billing/reconnect/").content.decode()
    response = client.post("/connections/billing/reconnect/", {"key_1": "third"}, follow=True)

    assert "A rotation is under way." in warned
    assert "The rotation that was under way is over." in response.content.decode()
    assert (in_force(billing), Rotation.objects.count()) == ("third", 0)


def test_edit_of_the_name_leaves_a_rotation_and_new_secrets_end_it(billing, ada):
    rotation.give(billing, {"key_1": NEW}, by=ada)

    editing.edit(billing, lifecycle.Details("Invoices"), by=ada)
    assert waiting(billing) == [(Phase.NEXT, NEW)]

    editing.edit(billing, lifecycle.Details("Invoices", secrets={"key_1": "third"}), by=ada)
    assert (in_force(billing), Rotation.objects.count()) == ("third", 0)


def test_own_settings_end_the_rotation_of_that_environment_alone(billing, ada):
    production = Environment.objects.get(slug="production")
    editing.reconnect(billing, {"key_1": "production"}, by=ada, environment=production)
    for stage in (None, production):
        rotation.give(billing, {"key_1": NEW}, by=ada, environment=stage)

    own_settings.give(billing, production, parameters={}, secrets={"key_1": "x"}, by=ada)
    assert [r.credential.environment for r in Rotation.objects.all()] == [None]

    rotation.give(billing, {"key_1": NEW}, by=ada, environment=production)
    own_settings.drop(billing, production, by=ada)
    assert [r.credential.environment for r in Rotation.objects.all()] == [None]


def test_disabled_connection_rotates_but_is_not_called(partner, ada):
    rotation.give(partner, {"key_1": NEW}, by=ada)
    lifecycle.set_disabled(partner, True, by=ada)
    partner.refresh_from_db()

    with pytest.raises(ConnectionDisabled):
        rotation.test(partner, by=ada)
    rotation.switch(partner, by=ada)
    rotation.roll_back(partner, by=ada)

    assert in_force(partner) == OLD


def test_copies_and_files_hold_the_value_in_force_alone(billing, ada):
    rotation.give(billing, {"key_1": NEW}, by=ada)
    sealed_under = "a passphrase of good length"

    copy = duplicate(billing, name="Copy", link_name="copy", by=ada)
    file = exporting.export(
        Connection.objects.filter(pk=billing.pk),
        with_secrets=True,
        sealed_under=sealed_under,
        by=ada,
    )

    content = passphrase.open_file(file, sealed_under).decode()
    assert OLD in content
    assert NEW not in content
    assert not Rotation.objects.filter(credential__connection=copy).exists()


def test_service_that_refuses_the_next_value_changes_nothing(robot, ada, token_endpoint):
    rotation.give(robot, {"client_secret": NEW}, by=ada)

    granted = token_endpoint.body
    token_endpoint.body, token_endpoint.status = {"error": "invalid_client"}, 401
    with pytest.raises(ConnectFailed):
        rotation.switch(robot, by=ada)
    assert secrets(robot.credentials.get())["access_token"] == "first"

    token_endpoint.body, token_endpoint.status = granted | {"access_token": "second"}, 200
    rotation.switch(robot, by=ada)
    now = secrets(robot.credentials.get())
    assert (now["client_secret"], now["access_token"]) == (NEW, "second")

    rotation.roll_back(robot, by=ada)
    back = again(robot.credentials.get())
    assert secrets(back) == {"client_secret": OLD, "access_token": "first"}
    assert back.renewable


# --- Races, by real transactions ------------------------------------------------------------------


def at_once(*acts):
    """Run them in threads of their own; what each of them raised."""
    raised, start = [], threading.Barrier(len(acts))

    def run(act):
        start.wait()
        try:
            act()
        except Exception as error:
            raised.append(type(error))

    threads = [threading.Thread(target=in_own_connection(run), args=[act]) for act in acts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return raised


@pytest.mark.django_db(transaction=True)
def test_two_switches_at_once_are_one(billing, ada):
    rotation.give(billing, {"key_1": NEW}, by=ada)

    raised = at_once(*[lambda: rotation.switch(billing, by=ada)] * 2)

    assert raised == [NoNextValue]
    assert in_force(billing) == NEW
    assert waiting(billing) == [(Phase.OLD, OLD)]
    assert actions(billing).count("connection.secret_switched") == 1


@pytest.mark.django_db(transaction=True)
def test_revoke_and_switch_at_once_leave_no_secret(billing, ada):
    rotation.give(billing, {"key_1": NEW}, by=ada)

    raised = at_once(
        lambda: rotation.switch(billing, by=ada), lambda: lifecycle.revoke(billing, by=ada)
    )

    assert raised in ([], [NoNextValue])
    assert not Credential.objects.live().exists()
    assert not Rotation.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_roll_back_and_the_end_of_the_grace_time_at_once(switched, ada):
    Rotation.objects.update(grace_ends_at=timezone.now() + timedelta(milliseconds=30))

    raised = at_once(lambda: rotation.roll_back(switched, by=ada), *[rotation.destroy_over] * 3)

    rotation.destroy_over()
    rolled_back = raised == []
    assert in_force(switched) == (OLD if rolled_back else NEW)
    assert raised in ([], [NoOldValue])


@pytest.mark.django_db(transaction=True)
def test_what_became_another_value_meanwhile_is_not_switched_to(robot, ada, monkeypatch):
    rotation.give(robot, {"client_secret": NEW}, by=ada)
    ask = rotation.obtain

    def slowly(*args):
        rotation.give(robot, {"client_secret": "another"}, by=ada)
        return ask(*args)

    monkeypatch.setattr(rotation, "obtain", slowly)

    with pytest.raises(NoNextValue):
        rotation.switch(robot, by=ada)
    assert secrets(robot.credentials.get())["client_secret"] == OLD


# --- The page -------------------------------------------------------------------------------------

URL = "/connections/billing/rotate/"


@pytest.mark.parametrize(("who", "status"), [("ada", 200), ("root", 403), ("eve", 404)])
@pytest.mark.parametrize("method", ["get", "post"])
def test_page_is_for_admins_of_the_connection(client, request, billing, who, status, method):
    client.force_login(request.getfixturevalue(who))

    assert getattr(client, method)(URL).status_code == status


def test_the_whole_way_on_the_page(client, billing, ada):
    client.force_login(ada)

    given = client.post(URL, {"key_1": NEW, "ends_on": "2099-03-31"})
    assert "The next value was stored" in given.content.decode()
    assert NEW not in given.content.decode()
    waits = client.get("/connections/billing/").content.decode()
    assert "A next value waits." in waits

    client.post(URL, {"do": "switch", "hours": "168"})
    slot = Rotation.objects.get()
    assert slot.grace_ends_at > timezone.now() + timedelta(days=6)
    assert "31 Mar 2099" in client.get("/connections/billing/").content.decode()

    client.post(URL, {"do": "roll-back"})
    assert in_force(billing) == OLD
    client.post(URL, {"do": "discard"})
    assert not Rotation.objects.exists()


@pytest.mark.parametrize(
    ("data", "text"),
    [
        ({"key_1": ""}, "This field is required."),
        ({"key_1": "x", "ends_on": "2020-01-01"}, "This day is over."),
        ({"key_1": "x", "ends_on": "nonsense"}, "Enter a valid date."),
        ({"key_1": "x", "ends_on": "9999-12-31"}, "Give a year up to 2199."),
    ],
)
def test_what_is_wrong_stands_beside_the_field(client, billing, ada, data, text):
    client.force_login(ada)

    assert text in client.post(URL, data).content.decode()
    assert not Rotation.objects.exists()


@pytest.mark.parametrize("hours", ["", "2", "\0", "x"])
def test_no_other_grace_time(client, billing, ada, hours):
    rotation.give(billing, {"key_1": NEW}, by=ada)
    client.force_login(ada)

    assert client.post(URL, {"do": "switch", "hours": hours}).status_code == 200
    assert in_force(billing) == OLD


def test_summary_asks_as_much_with_a_rotation_as_without(
    client, billing, ada, django_assert_max_num_queries
):
    rotation.give(billing, {"key_1": NEW}, by=ada)
    client.force_login(ada)
    client.get("/connections/billing/")

    with django_assert_max_num_queries(30):
        client.get("/connections/billing/")
