import re

import pytest
from django.utils import timezone

from connhub.accounts.models import Environment
from connhub.connections import readiness
from connhub.connections.auth.base import Granted
from connhub.connections.keeping import keep
from connhub.connections.models import Connection, Credential, Settings, Status
from tests.factories import AuthMethodFactory, connect

pytestmark = pytest.mark.django_db
FRAGMENT = {"HX-Request": "true"}


@pytest.fixture
def stages() -> dict[str, Environment]:
    return {environment.slug: environment for environment in Environment.objects.all()}


@pytest.fixture
def fleet(ada, stages) -> None:
    """One ready everywhere, one in development only, one whose production fails, one revoked."""
    method = AuthMethodFactory()

    def make(name, environment=None):
        return connect(
            ada, method=method, name=name, link_name=name.lower(), environment=environment
        )

    make("Everywhere")
    make("Half", stages["development"])
    broken = make("Broken")
    own = keep(broken, Granted({"key_1": "x"}), environment=stages["production"])
    Credential.objects.filter(pk=own.pk).update(
        status=Status.FAILING, last_error="Access to the ledger was refused."
    )
    broken.sum_up()
    gone = make("Gone")
    gone.credentials.update(status=Status.REVOKED)
    gone.sum_up()


def shown(client, **query) -> list[str]:
    page = client.get("/readiness/", query).context["page"]
    return [connection.name for connection, _ in page.rows]


def test_each_cell_shows_the_credential_that_serves_it(client, ada, fleet):
    client.force_login(ada)

    page = client.get("/readiness/").context["page"]

    stand = {c.name: [(cell.status, cell.is_own) for cell in cells] for c, cells in page.rows}
    ok, missing = (Status.CONNECTED, False), (Status.NOT_CONNECTED, False)
    assert stand == {
        "Everywhere": [ok, ok, ok],
        "Half": [(Status.CONNECTED, True), missing, missing],
        "Broken": [ok, ok, (Status.FAILING, True)],
        "Gone": [(Status.REVOKED, False)] * 3,
    }


def test_the_reason_of_a_failure_stands_beside_it(client, ada, fleet):
    client.force_login(ada)

    assert "Access to the ledger was refused." in client.get("/readiness/").content.decode()


def test_tallies_count_what_serves_each_environment(ada, fleet, stages):
    counted = readiness.tallies(Connection.objects.visible_to(ada), list(stages.values()))

    assert [(tally.total, tally.ready) for tally in counted] == [(4, 3), (4, 2), (4, 1)]
    assert [tally.gaps for tally in counted] == [
        [(Status.REVOKED, 1)],
        [(Status.REVOKED, 1), (Status.NOT_CONNECTED, 1)],
        [(Status.FAILING, 1), (Status.REVOKED, 1), (Status.NOT_CONNECTED, 1)],
    ]


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ({}, ["Broken", "Everywhere", "Gone", "Half"]),
        ({"gaps": "1"}, ["Broken", "Gone", "Half"]),
        ({"gaps": "1", "environment": "development"}, ["Gone"]),
        ({"gaps": "1", "environment": "staging"}, ["Gone", "Half"]),
        ({"gaps": "1", "environment": "production"}, ["Broken", "Gone", "Half"]),
        ({"environment": "production"}, ["Broken", "Everywhere", "Gone", "Half"]),
        ({"q": "hal"}, ["Half"]),
        ({"gaps": "7", "service": "no-such", "q": "\0"}, ["Broken", "Everywhere", "Gone", "Half"]),
    ],
)
def test_filters_narrow_the_board(client, ada, fleet, query, names):
    client.force_login(ada)

    assert shown(client, **query) == names


def test_own_credentials_everywhere_leave_no_gap(client, ada, stages):
    made = connect(ada, environment=stages["development"])
    for slug in ("staging", "production"):
        keep(made, Granted({"key_1": "x"}), environment=stages[slug])
    client.force_login(ada)

    assert shown(client, gaps="1") == []


@pytest.fixture
def signed_in_to(ada, bob, stages) -> None:
    """Ledger: open everywhere, two signed in, one of them in production too. Wiki: production alone."""
    method = AuthMethodFactory(kind="basic", config={})

    def make(name, environment=None):
        made = connect(
            ada, method=method, name=name, link_name=name.lower(), environment=environment
        )
        made.credentials.all().delete()
        made.login_user = True
        made.save()
        return made

    ledger, production = make("Ledger"), stages["production"]
    Settings.objects.create(connection=ledger, environment=production)
    for person, place in ((ada, None), (bob, None), (ada, production)):
        keep(ledger, Granted({"username": "x"}), environment=place, user=person)
    make("Wiki", production)


def test_login_users_are_counted_where_there_are_settings(client, ada, signed_in_to):
    client.force_login(ada)

    answer = client.get("/readiness/")

    stand = {
        connection.name: [(cell.status, cell.people) for cell in cells]
        for connection, cells in answer.context["page"].rows
    }
    ok, missing = Status.CONNECTED, (Status.NOT_CONNECTED, None)
    assert stand == {"Ledger": [(ok, 2), (ok, 2), (ok, 1)], "Wiki": [missing, missing, (ok, 0)]}
    tallies = answer.context["tallies"]
    assert [(tally.total, tally.ready) for tally in tallies] == [(2, 1), (2, 1), (2, 2)]


def test_a_place_where_people_sign_in_is_not_called_connected(client, ada, signed_in_to):
    client.force_login(ada)

    text = client.get("/readiness/").content.decode()

    pills = re.findall(r'<span class="pill (\w+)">([^<]*)</span>', text)
    assert pills == [
        ("ok", "2 people signed in"), ("ok", "2 people signed in"), ("ok", "1 person signed in"),
        ("idle", "Not connected"), ("idle", "Not connected"), ("idle", "Nobody signed in yet"),
    ]  # fmt: skip
    assert text.count("each person signs in") == 4 and text.count("no settings here") == 2


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ({"gaps": "1"}, ["Wiki"]),
        ({"gaps": "1", "environment": "staging"}, ["Wiki"]),
        ({"gaps": "1", "environment": "production"}, []),
    ],
)
def test_gaps_of_login_users_are_missing_settings(client, ada, signed_in_to, query, names):
    client.force_login(ada)

    assert shown(client, **query) == names


def test_revoked_is_a_gap_everywhere(client, ada, signed_in_to):
    Connection.objects.filter(name="Ledger").update(status=Status.REVOKED)
    client.force_login(ada)

    assert shown(client, gaps="1", environment="production") == ["Ledger"]


def test_nobody_sees_the_connections_of_others(client, eve, fleet):
    client.force_login(eve)

    answer = client.get("/readiness/")

    assert "Everywhere" not in answer.content.decode()
    assert [tally.total for tally in answer.context["tallies"]] == [0, 0, 0]


def test_fragment_fetches_itself_and_as_many_queries_serve_any_length(
    client, ada, stages, django_assert_max_num_queries
):
    method = AuthMethodFactory()
    for number in range(60):
        connect(ada, method=method, name=f"C{number:02}", link_name=f"c{number}")
    Connection.objects.filter(name__gte="C30").update(login_user=True)
    client.force_login(ada)

    with django_assert_max_num_queries(12):
        answer = client.get("/readiness/?gaps=", headers=FRAGMENT)

    assert b'hx-get="/readiness/?gaps="' in answer.content
    assert len(answer.context["page"].rows) == readiness.SIZE
    assert answer.context["page"].older


def test_page_left_open_keeps_nobody_signed_in(client, ada, settings, time_machine):
    client.force_login(ada)
    background = {**FRAGMENT, "X-ConnHub-Background": "1"}
    client.get("/readiness/")
    time_machine.move_to(timezone.now())

    for _ in range(3):
        time_machine.shift(settings.SESSION_IDLE_S / 2)
        answer = client.get("/readiness/", headers=background)

    assert answer.status_code == 302
