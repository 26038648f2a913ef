"""Off-boarding: what somebody who leaves has, and every way to see to it."""

import re
from html import unescape
from importlib import import_module

import pytest
from django.apps import apps
from django.core.exceptions import PermissionDenied
from django.db import connection as database
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from connhub.accounts import admin_tokens, environments
from connhub.accounts.models import Environment, Team
from connhub.audit.models import Event
from connhub.connections import editing, login_users, reauthorizing, rotation
from connhub.connections.connect_links import making
from connhub.connections.models import Connection, ConnectionUserGrant, Credential, Status
from connhub.sharing import admins, roles, transferring
from connhub.usage import declaring, flows, keys
from connhub.usage.models import App, CallDay, Function
from tests.factories import AuthMethodFactory, UserFactory, connect

pytestmark = pytest.mark.django_db


@pytest.fixture
def page(ada):
    return f"/people/{ada.public_id}/leaving/"


@pytest.fixture
def signed_in(client, root):
    client.force_login(root)
    return client


@pytest.fixture
def ledger(ada):
    """What ada alone administers."""
    return connect(ada, name="Ledger", link_name="ledger")


@pytest.fixture
def own_keys(bob, ada):
    """Where ada signed in with an account of their own."""
    made = connect(bob, name="Own keys", link_name="own_keys", login_user=True)
    roles.grant(made, ada, by=bob)
    login_users.sign_in(made, {"key_1": "of-ada"}, by=ada)
    return made


@pytest.fixture
def key(integration, ada):
    return keys.issue(integration, environments.lowest(), name="nightly", by=ada)[0]


def act(client, page, action, kind, *things, **more):
    sent = {"action": action, "kind": kind, "key": [str(thing.pk) for thing in things], **more}
    return client.post(f"{page}act/", sent)


def text_of(response) -> str:
    return unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", response.content.decode())))


def outcomes(response) -> list[tuple[str, bool]]:
    return [(outcome.text, outcome.done) for outcome in response.context["outcomes"]]


def names(response) -> list[str]:
    return [row.name for row in response.context["page"].rows]


# --- The page -------------------------------------------------------------------------------------


def test_the_page_shows_each_kind_of_what_is_left(
    signed_in, page, connection, ledger, own_keys, key, ada
):
    making.make(ledger, by=ada)
    admin_tokens.issue("pipeline", by=ada)
    flows.create("alone", name="Alone", steps=[], integration=None, by=ada)
    App.objects.create(slug="desk", name="Desk", owner=ada)
    Function.objects.create(name="sync", owner=ada)
    Team.objects.create(name="Data").user_set.add(ada)
    CallDay.objects.create(
        day=timezone.localdate(),
        connection=ledger,
        integration=key.integration,
        last_at=timezone.now(),
    )

    first = signed_in.get(page)
    shown = {kind: names(signed_in.get(f"{page}?kind={kind}")) for kind, _, _ in
             first.context["kinds"]}  # fmt: skip

    assert shown == {
        "alone": ["Ledger"],
        "with_others": ["Billing", "Own keys"],
        "services": [],
        "integrations": ["Order to cash"],
        "flows": ["Alone"],
        "apps": ["Desk"],
        "functions": ["sync"],
        "connected": ["Billing", "Ledger"],
        "sign_ins": ["Own keys"],
        "keys": ["nightly"],
        "admin_tokens": ["pipeline"],
    }
    assert "Administered alone 1" in text_of(first)
    assert "In 1 team: Data" in text_of(first)
    assert "1 open connect link of theirs" in text_of(first)
    assert first.context["page"].rows[0].last_used_at is not None
    assert "s3cret-value" not in first.content.decode()


def test_a_page_of_many_takes_as_many_queries_as_one_of_few(signed_in, page, ada):
    def queries(kind):
        with CaptureQueriesContext(database) as captured:
            signed_in.get(f"{page}?kind={kind}")
        return len(captured)

    method = AuthMethodFactory()
    connect(ada, method=method, name="C0", link_name="c0")
    few = [queries("alone"), queries("connected")]
    for n in range(1, 8):
        connect(ada, method=method, name=f"C{n}", link_name=f"c{n}")

    assert [queries("alone"), queries("connected")] == few
    assert max(few) < 40


def test_nothing_left_says_so_and_offers_to_deactivate(signed_in, root):
    sam = UserFactory(name="Sam")

    said = text_of(signed_in.get(f"/people/{sam.public_id}/leaving/"))
    asked = text_of(signed_in.get(f"/people/{sam.public_id}/deactivate/"))

    assert "Nothing is left. Sam can be deactivated" in said
    assert "Deactivate anyway" not in asked


# --- Who connected ----------------------------------------------------------------------------------


def test_whoever_connected_last_is_known(connection, ada, bob):
    credential = connection.credentials.get()
    by_creation = credential.connected_by

    editing.reconnect(connection, {"key_1": "new"}, by=bob)
    credential.refresh_from_db()
    by_reconnecting = credential.connected_by
    rotation.give(connection, {"key_1": "next"}, by=ada)
    rotation.switch(connection, by=bob)
    credential.refresh_from_db()
    by_rotating = credential.connected_by
    rotation.roll_back(connection, by=ada)
    credential.refresh_from_db()

    assert (by_creation, by_reconnecting, by_rotating) == (ada, bob, ada)
    assert credential.connected_by == bob


def test_who_connected_before_that_was_kept_is_learnt_from_the_record(connection, ledger, bob):
    editing.reconnect(connection, {"key_1": "new"}, by=bob)
    ledger.credentials.create(environment=Environment.objects.last(), status=Status.NOT_CONNECTED)
    kept = dict(Credential.objects.values_list("pk", "connected_by"))
    Credential.objects.update(connected_by=None)

    import_module("connhub.connections.migrations.0016_who_connected").learn(apps, None)

    assert dict(Credential.objects.values_list("pk", "connected_by")) == kept
    assert set(kept.values()) == {None, bob.pk, ledger.created_by_id}


# --- Transfer ---------------------------------------------------------------------------------------


def test_transfer_asks_to_whom_and_says_what_came_of_each(
    signed_in, page, connection, ledger, ada, bob, eve, root, mailbox
):
    asked = act(signed_in, page, f"transfer:{ledger.pk}", "alone")
    searched = act(signed_in, page, "transfer", "alone", ledger, confirmed="1", search="1", q="ev")
    nobody = act(signed_in, page, "transfer", "alone", ledger, confirmed="1")
    before = roles.is_admin(eve, ledger)
    done = act(signed_in, page, "transfer", "alone", ledger, confirmed="1", who=f"person-{eve.pk}")

    assert "Type a name" in asked.content.decode() and "Ledger" in text_of(asked)
    assert "Transfer 1 connection of Ada?" in text_of(asked)
    assert [str(each.admin) for each in searched.context["form"].found] == ["Eve"]
    assert "Tick at least one name." in text_of(nobody)
    assert before is False
    assert outcomes(done) == [("Transferred to Eve.", True)]
    assert list(roles.admins(ledger)) == [eve]
    assert not roles.is_admin(root, ledger)
    event = Event.objects.get(action="connection.transferred")
    assert event.sentence == "Root transferred Ledger from Ada to Eve"
    assert {(each["to"], each["subject"]) for each in mailbox.collect()} == {
        ("eve@acme.example", "Root transferred Ledger to you"),
        ("ada@acme.example", "Root transferred Ledger to somebody else"),
    }


def test_all_of_a_kind_are_transferred_in_one_go_to_a_team(
    signed_in, page, ada, bob, django_assert_max_num_queries
):
    team = Team.objects.create(name="Data")
    team.user_set.add(bob)
    method = AuthMethodFactory()
    made = [connect(ada, method=method, name=f"C{n}", link_name=f"c{n}") for n in range(12)]
    asked = act(signed_in, page, "transfer:all", "alone")

    with django_assert_max_num_queries(60):
        done = act(
            signed_in, page, "transfer", "alone", *asked.context["things"],
            confirmed="1", who=f"team-{team.pk}",
        )  # fmt: skip

    assert outcomes(done) == [("Transferred to Data.", True)] * 12
    assert all(roles.is_admin(bob, each) and not roles.is_admin(ada, each) for each in made)
    assert Event.objects.filter(action="connection.transferred").count() == 12


def test_standalone_flows_are_handed_over_to_one_person(
    signed_in, page, ada, bob, eve, integration
):
    alone = flows.create("alone", name="Alone", steps=[], integration=None, by=ada).thing
    attached = flows.create("there", name="There", steps=[], integration=integration, by=ada).thing
    both = [f"person-{each.pk}" for each in (bob, eve)]

    several = act(signed_in, page, "hand_over", "flows", alone, confirmed="1", who=both)
    done = act(signed_in, page, "hand_over", "flows", alone, confirmed="1", who=both[:1])
    again = act(signed_in, page, "hand_over", "flows", alone, attached, confirmed="1", who=both[:1])

    alone.refresh_from_db()
    assert several.context["form"].errors["who"] == ["Tick one name only."]
    assert outcomes(done) == [("Transferred to Bob.", True)]
    assert again.status_code == 422
    assert alone.owner == bob
    event = Event.objects.get(action="flow.transferred")
    assert event.sentence == "Root transferred the flow Alone from Ada to Bob"
    with pytest.raises(PermissionDenied):
        declaring.hand_over(flows.SORT, [alone], of=bob, to=eve, by=bob)


def test_standalone_apps_and_functions_are_handed_over_too(signed_in, page, ada, bob):
    app = App.objects.create(slug="desk", name="Desk", owner=ada)
    function = Function.objects.create(name="sync", owner=ada)

    for kind, thing in (("apps", app), ("functions", function)):
        act(signed_in, page, "hand_over", kind, thing, confirmed="1", who=f"person-{bob.pk}")

    assert (App.objects.get().owner, Function.objects.get().owner) == (bob, bob)
    said = [event.sentence for event in Event.objects.filter(action__endswith=".transferred")]
    assert said == [
        "Root transferred the function sync from Ada to Bob",
        "Root transferred the app Desk from Ada to Bob",
    ]


def test_services_and_integrations_are_transferred_too(
    signed_in, page, connection, integration, ada, eve
):
    service = connection.service
    roles.grant(service, ada, by=ada)
    for kind, thing in (("services", service), ("integrations", integration)):
        act(signed_in, page, "transfer", kind, thing, confirmed="1", who=f"person-{eve.pk}")

        assert list(roles.admins(thing)) == [eve]


def test_a_team_that_only_the_person_is_in_can_not_take_over(signed_in, page, ledger, ada, root):
    team = Team.objects.create(name="Data")
    team.user_set.add(ada)

    refused = act(
        signed_in, page, "transfer", "alone", ledger, confirmed="1", who=f"team-{team.pk}"
    )

    assert refused.status_code == 409
    assert list(roles.admins(ledger)) == [ada]
    with pytest.raises(admins.CantBeAdded):
        transferring.transfer(Connection.objects.all(), person=ada, to=[ada], by=root)
    with pytest.raises(PermissionDenied):
        transferring.transfer(Connection.objects.all(), person=ada, to=[root], by=ada)
    assert ConnectionUserGrant.objects.count() == 1


def test_what_is_no_longer_theirs_is_left_alone(signed_in, page, connection, ledger, ada, eve):
    admins.remove(connection, ada, by=ada)

    gone = act(
        signed_in,
        page,
        "transfer",
        "with_others",
        connection,
        confirmed="1",
        who=f"person-{eve.pk}",
    )

    assert gone.status_code == 422
    assert "Nothing of that is theirs any more." in text_of(gone)
    assert not roles.is_admin(eve, connection)


# --- Re-authorize, revoke ------------------------------------------------------------------------------


def test_the_other_admins_are_asked_by_letter_to_authorize_anew(
    signed_in, page, connection, ledger, ada, bob, mailbox
):
    done = act(signed_in, page, "ask:all", "connected")
    shown = text_of(signed_in.get(f"{page}?kind=connected"))

    assert outcomes(done) == [
        ("Its admins are asked.", True),
        ("Nobody else administers it. Transfer it first.", False),
    ]
    (letter,) = mailbox.collect()
    assert letter["to"] == bob.email
    assert letter["subject"] == "Root asks you to authorize Billing anew"
    assert "/connections/billing/" in letter.get_content()
    assert "Asked just now" in shown
    assert connection.credentials.get().status == Status.CONNECTED
    with pytest.raises(PermissionDenied):
        reauthorizing.ask([connection], person=ada, by=bob)


def test_revoke_needs_sharing_to_oneself_first(signed_in, page, connection, ada, root):
    credential = connection.credentials.get()
    asked = act(signed_in, page, "revoke", "connected", credential)
    refused = act(signed_in, page, "revoke", "connected", credential, confirmed="1")
    before = connection.credentials.get().status
    admins.share_to_self(connection, by=root)
    done = act(signed_in, page, "revoke", "connected", credential, confirmed="1")

    assert "Their secrets are destroyed" in text_of(asked)
    assert [was_done for _, was_done in outcomes(refused)] == [False]
    assert "/connections/billing/share/to-myself/" in refused.content.decode()
    assert before == Status.CONNECTED
    assert outcomes(done) == [("Revoked.", True)]
    assert not connection.credentials.get().payload


def test_what_the_highest_environment_used_lately_is_left_alone(
    signed_in, page, connection, integration, root
):
    CallDay.objects.create(
        day=timezone.localdate(),
        connection=connection,
        integration=integration,
        environment=Environment.objects.order_by("position").last(),
        last_at=timezone.now(),
    )

    credential = connection.credentials.get()
    not_yours = act(signed_in, page, "revoke", "connected", credential, confirmed="1")
    admins.share_to_self(connection, by=root)
    left = act(signed_in, page, "revoke", "connected", credential, confirmed="1")

    assert "Share it to yourself first" in outcomes(not_yours)[0][0]
    ((text, done),) = outcomes(left)
    assert not done
    assert text.startswith("Production used it in the last 7 days.")
    assert 'href="/connections/billing/revoke/">Revoke</a>' in left.content.decode()
    assert connection.credentials.get().payload


def test_their_sign_ins_are_ended(signed_in, page, own_keys, ada, bob):
    credential = own_keys.credentials.get()

    done = act(signed_in, page, "end", "sign_ins", credential, confirmed="1")

    assert outcomes(done) == [("Revoked.", True)]
    assert not own_keys.credentials.exists()
    event = Event.objects.filter(action="connection.user_disconnected").get()
    assert (event.actor, event.detail["user"]) == ("Root", ada.email)
    with pytest.raises(PermissionDenied):
        login_users.end(Credential.objects.all(), of=ada, by=bob)


def test_keys_they_issued_are_revoked(signed_in, page, key):
    asked = act(signed_in, page, f"revoke_keys:{key.pk}", "keys")
    done = act(signed_in, page, "revoke_keys", "keys", key, confirmed="1")
    key.refresh_from_db()

    assert "The very next call with these keys fails" in text_of(asked)
    assert outcomes(done) == [("Revoked.", True)]
    assert not key.is_usable


# --- What makes no sense, and who may not ------------------------------------------------------------------


@pytest.mark.parametrize(
    "sent",
    [
        {},
        {"kind": "alone"},
        {"kind": "alone", "action": "revoke", "key": "1"},
        {"kind": "nothing", "action": "transfer", "key": "1"},
        {"kind": "alone", "action": "transfer"},
        {"kind": "alone", "action": "transfer", "key": ["x", "\0", "9" * 40]},
        {"kind": "alone", "action": "transfer:999999999999999999"},
        {"kind": "keys", "action": "revoke_keys", "key": "12", "confirmed": "1"},
        {"kind": "alone", "action": "transfer", "key": [str(n) for n in range(501)]},
    ],
)
def test_what_makes_no_sense_changes_nothing(signed_in, page, ledger, ada, sent):
    answer = signed_in.post(f"{page}act/", sent)

    assert answer.status_code == 422
    assert answer.context["error"]
    assert list(roles.admins(ledger)) == [ada]


@pytest.mark.parametrize("who", ["ada", "bob", "eve"])
def test_off_boarding_is_for_super_admins(client, request, page, ledger, who):
    client.force_login(request.getfixturevalue(who))

    assert client.get(page).status_code == 403
    assert act(client, page, "transfer:all", "alone").status_code == 403


# --- Deactivating ---------------------------------------------------------------------------------------


def test_an_integration_that_they_alone_administer_stands_in_the_way(
    signed_in, page, connection, integration, ada, bob
):
    url = f"/people/{ada.public_id}/deactivate/"
    blocked = signed_in.get(url)
    admins.add(integration, [bob], by=ada)
    free = signed_in.get(url)

    assert "1 integration that they administer Transfer first" in text_of(blocked)
    assert f'class="btn primary" href="{page}?kind=integrations"' in blocked.content.decode()
    assert "Transfer first" not in text_of(free)


def test_deactivating_lists_what_is_left_and_is_refused_while_something_would_have_no_admin(
    signed_in, page, connection, ledger, ada, bob
):
    url = f"/people/{ada.public_id}/deactivate/"
    blocked = signed_in.get(url)
    refused = signed_in.post(url)
    admins.add(ledger, [bob], by=ada)
    asked = signed_in.get(url)
    done = signed_in.post(url)
    ada.refresh_from_db()

    assert "Ada can't be deactivated yet" in text_of(blocked)
    assert f"{page}?kind=alone" in blocked.content.decode()
    assert refused.status_code == 409
    assert "2 credentials that they authorized or typed in" in text_of(asked)
    assert "Deactivate anyway" in text_of(asked)
    assert done.status_code == 303
    assert not ada.is_active


def test_their_admin_tokens_are_revoked(signed_in, page, ada):
    token, _ = admin_tokens.issue("pipeline", by=ada)

    asked = act(signed_in, page, f"revoke_tokens:{token.pk}", "admin_tokens")
    done = act(signed_in, page, "revoke_tokens", "admin_tokens", token, confirmed="1")
    token.refresh_from_db()

    assert "The very next call with these admin tokens fails" in text_of(asked)
    assert outcomes(done) == [("Revoked.", True)]
    assert not token.is_usable
