from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from connhub.accounts.models import Environment, Team
from connhub.audit.models import Event
from connhub.connections.models import Connection
from connhub.sharing import roles
from connhub.usage.models import App, CallDay, DataObject
from tests.factories import PASSWORD, AuthMethodFactory, IntegrationFactory, connect

pytestmark = pytest.mark.django_db
URL = "/connections/bulk-actions/"


@pytest.fixture
def two(client, ada):
    client.force_login(ada)
    method = AuthMethodFactory()
    return [
        connect(ada, method=method, name=name, link_name=name.lower()) for name in ("One", "Two")
    ]


def outcomes(answer) -> list[tuple[str, bool]]:
    return [(outcome.link_name, outcome.done) for outcome in answer.context["outcomes"]]


def post(client, action, *names, **more):
    return client.post(URL, {"action": action, "link_name": names, **more})


def test_disable_and_enable_say_what_came_of_each(client, two):
    asked = post(client, "disable", "one", "two")
    before = Connection.objects.filter(disabled_at=None).count()
    disabled = post(client, "disable", "one", "two", confirmed="1")
    after = Connection.objects.filter(disabled_at=None).count()
    enabled = post(client, "enable", "one")

    assert "Disable 2 connections?" in asked.content.decode()
    assert (before, after) == (2, 0)
    assert outcomes(disabled) == [("one", True), ("two", True)]
    assert outcomes(enabled) == [("one", True)]
    assert Event.objects.filter(action="connection.disabled").count() == 2


def test_delete_leaves_the_one_in_use_and_takes_the_other(client, two):
    app = App.objects.create(slug="desk", name="Desk")
    DataObject.objects.create(app=app, name="object", connection=two[0])

    answer = post(client, "delete", "one", "two", confirmed="1")

    assert outcomes(answer) == [("one", False), ("two", True)]
    assert "still used by" in answer.content.decode()
    assert reverse("connection_usage", args=["one"]) in answer.content.decode()
    assert list(Connection.objects.live()) == [two[0]]


@pytest.mark.parametrize("action", ["disable", "delete"])
def test_what_production_used_lately_is_left_alone(client, two, root, action):
    highest = Environment.objects.order_by("position").last()
    for connection, days in zip(two, (1, 8), strict=True):
        CallDay.objects.create(
            day=timezone.localdate(), connection=connection, integration=IntegrationFactory(),
            environment=highest, ok=1, last_at=timezone.now() - timedelta(days=days),
        )  # fmt: skip

    answer = post(client, action, "one", "two", confirmed="1")

    assert outcomes(answer) == [("one", False), ("two", True)]
    assert "Production used it in the last 7 days." in answer.content.decode()
    client.force_login(root)
    (of_root,) = post(client, action, "one", confirmed="1").context["outcomes"]
    assert of_root.text == "You don't administer it."


def test_what_is_not_theirs_is_refused_and_what_is_not_seen_is_gone(client, two, root, eve):
    client.force_login(root)
    of_root = post(client, "enable", "one", "nothing")
    client.force_login(eve)
    of_eve = post(client, "tag", "one", tags="x")

    assert [outcome.text for outcome in of_root.context["outcomes"]] == [
        "You don't administer it.",
        "It is gone, or not shared with you.",
    ]
    assert outcomes(of_eve) == [("one", False)]
    assert "One" not in of_eve.content.decode().replace("one", "")
    assert Connection.objects.get(link_name="one").tags == []


def test_tags_come_and_go(client, two):
    post(client, "tag", "one", "two", tags="Finance, eu  west,finance")
    tagged = [connection.tags for connection in Connection.objects.all()]
    post(client, "untag", "one", tags="FINANCE")

    assert tagged == [["Finance", "eu west"]] * 2
    assert Connection.objects.get(link_name="one").tags == ["eu west"]
    assert Event.objects.filter(action="connection.tagged").count() == 3


def test_tag_too_many_is_said_of_that_row_alone(client, two):
    Connection.objects.filter(link_name="one").update(tags=[f"t{n}" for n in range(10)])

    answer = post(client, "tag", "one", "two", tags="more")

    assert outcomes(answer) == [("one", False), ("two", True)]


@pytest.mark.parametrize(
    "data",
    [
        {},
        {"action": "explode", "link_name": "one"},
        {"action": "enable"},
        {"action": "enable", "link_name": [f"c{number}" for number in range(201)]},
        {"action": "tag", "link_name": "one"},
        {"action": "tag", "link_name": "one", "tags": "x" * 31},
        {"action": "tag", "link_name": "one", "tags": ",".join(map(str, range(11)))},
    ],
)
def test_what_makes_no_sense_does_nothing(client, two, data):
    answer = client.post(URL, data)

    assert answer.status_code == 422
    assert "Nothing was done" in answer.content.decode()


def test_rows_that_are_theirs_have_a_checkbox_of_the_form(client, two, root):
    mine = client.get("/connections/").content.decode()
    client.force_login(root)
    not_mine = client.get("/connections/").content.decode()

    assert [page.count('form="bulk" name="link_name"') for page in (mine, not_mine)] == [2, 0]


def test_ticked_rows_are_what_the_export_offers(client, two):
    url = "/connections/export/"

    asked = client.post(url, {"link_name": ["one", "two"]})
    proof = {"proof-held": asked.context["held"], "proof-password": PASSWORD}

    assert "one\ntwo" in client.post(url, proof).content.decode()


# --- Sharing ----------------------------------------------------------------------------------------


def test_share_asks_with_whom_and_says_what_came_of_each(client, two, ada, bob, eve, mailbox):
    roles.grant(two[0], eve, by=ada)
    connect(bob, name="Bobs", link_name="bobs")
    who = f"person-{eve.pk}"

    asked = post(client, "share", "one", "two")
    searched = post(client, "share", "one", "two", confirmed="1", search="1", q="eve", who=who)
    empty = post(client, "share", "one", "two", confirmed="1")
    before = set(roles.admins(two[1]))
    shared = post(client, "share", "one", "two", "bobs", confirmed="1", who=who)

    assert "Share 2 connections" in asked.content.decode()
    assert f'value="{who}" checked' in searched.content.decode()
    assert "Tick at least one name." in empty.content.decode()
    assert before == {ada}
    assert outcomes(shared) == [("one", False), ("two", True), ("bobs", False)]
    assert "They administer it already." in shared.content.decode()
    assert set(roles.admins(two[1])) == {ada, eve}
    (letter,) = mailbox.collect()
    assert (letter["to"], letter["subject"]) == ("eve@acme.example", "Ada shared Two with you")


def test_many_shared_at_once_are_one_letter_for_each_person(client, two, ada, bob, eve, mailbox):
    team = Team.objects.create(name="Data")
    team.user_set.add(bob, ada)
    who = [f"team-{team.pk}", f"person-{eve.pk}"]

    post(client, "share", "one", "two", confirmed="1", who=who)

    letters = mailbox.collect()
    assert {letter["to"] for letter in letters} == {"bob@acme.example", "eve@acme.example"}
    assert {letter["subject"] for letter in letters} == {"Ada shared 2 connections with you"}
    assert len(letters) == 2
