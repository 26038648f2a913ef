"""Everything that runs out: the list, the calendar, who sees what, and the dates that forms ask for."""

from datetime import date, datetime, timedelta

import pytest
from django.utils import timezone

from connhub.accounts import environments
from connhub.accounts.models import Environment
from connhub.connections import expiry, rotation
from connhub.connections.auth.base import Granted
from connhub.connections.keeping import keep
from connhub.connections.models import Connection, Credential
from connhub.services import oauth_apps
from connhub.services.models import OAuthApp
from connhub.sharing import roles
from connhub.usage import keys
from connhub.usage.models import IntegrationKey
from tests.connections.steps import actions
from tests.factories import AuthMethodFactory, ServiceFactory, connect

pytestmark = pytest.mark.django_db

SIGNS_IN = {
    "authorize_url": "https://login.service.example/authorize",
    "token_url": "https://login.service.example/token",
}


def in_days(days: float):
    return timezone.now() + timedelta(days=days)


@pytest.fixture
def oauth(db):
    return AuthMethodFactory(
        service=ServiceFactory(slug="crm", name="CRM"),
        kind="oauth2_code", label="OAuth 2.0", config=SIGNS_IN,
    )  # fmt: skip


@pytest.fixture
def running_out(ada, integration, oauth) -> dict[str, Connection]:
    """One of every kind, in the order of their names' first letters."""
    method = AuthMethodFactory()

    def make(name, **details):
        return connect(ada, method=method, name=name, link_name=name.lower(), **details)

    made = {name: make(name) for name in ("Bills", "Certified", "Echo")}
    made["Bills"].credentials.update(ends_at=in_days(5))
    made["Certified"].credentials.update(certificate_ends_at=in_days(10))
    rotation.give(made["Echo"], {"key_1": "next"}, by=ada)
    rotation.switch(made["Echo"], by=ada, grace=timedelta(days=7))
    made["Access"] = connect(
        ada, method=oauth, name="Access", link_name="access", secrets={},
        client_id="id", client_secret="x", client_secret_ends_at=in_days(20),
    )  # fmt: skip
    production = Environment.objects.get(slug="production")
    keep(made["Access"], Granted({"access_token": "t"}, in_days(-2)), environment=production)
    renewable = Granted({"access_token": "t", "refresh_token": "r"}, in_days(1), renewable=True)
    keep(made["Access"], renewable, environment=environments.lowest())
    key, _ = keys.issue(integration, environments.lowest(), name="flow", by=ada)
    IntegrationKey.objects.filter(pk=key.pk).update(expires_at=in_days(30))
    return made


ALL = [
    ("Access grant", "Access"),
    ("Secret", "Bills"),
    ("Old value, in its grace time", "Echo"),
    ("Server certificate", "Certified"),
    ("Client secret", "Access"),
    ("Integration key of Order to cash", "flow"),
]


def shown(client, **query) -> list[tuple[str, str]]:
    rows = client.get("/expiry/", query).context["page"].rows
    return [(row.ending.what, row.ending.name.partition(" (")[0]) for row in rows]


# --- The list -------------------------------------------------------------------------------------


def test_list_holds_every_kind_soonest_first_and_what_is_over_on_top(client, ada, running_out):
    client.force_login(ada)

    response = client.get("/expiry/")

    rows = response.context["page"].rows
    assert shown(client) == ALL
    assert [row.label for row in rows] == ["Over", "Soon", "Soon", "Soon", "Later", "Later"]
    assert response.context["text"] == "6 of 6 · soonest first"


@pytest.mark.parametrize(
    ("query", "places"),
    [
        ({"kind": "secret"}, [1]),
        ({"kind": "grant"}, [0]),
        ({"kind": "client-secret"}, [4]),
        ({"kind": "certificate"}, [3]),
        ({"kind": "old-value"}, [2]),
        ({"kind": "key"}, [5]),
        ({"within": "7"}, [0, 1, 2]),
        ({"within": "14"}, [0, 1, 2, 3]),
        ({"service": "crm"}, [0, 4]),
        ({"environment": "production"}, [0, 1, 2, 3, 4]),
        ({"environment": "development"}, [1, 2, 3, 4, 5]),
        ({"kind": "no", "service": "\0", "within": "x", "day": "0001-01-01"}, [0, 1, 2, 3, 4, 5]),
        ({"after": "nonsense", "month": "9999-99", "view": "x"}, [0, 1, 2, 3, 4, 5]),
    ],
)
def test_filters_narrow_the_list(client, ada, running_out, query, places):
    client.force_login(ada)

    assert shown(client, **query) == [ALL[place] for place in places]


def test_everybody_sees_what_is_theirs(client, ada, bob, eve, root, running_out):
    roles.grant(running_out["Bills"], bob, by=ada)

    seen = {}
    for person in (bob, eve, root):
        client.force_login(person)
        seen[person.name] = shown(client)

    assert seen == {"Bob": [ALL[1]], "Eve": [], "Root": ALL}


def test_shared_client_secret_is_shown_once_to_whoever_uses_it(client, ada, eve, root, oauth):
    oauth_apps.put(
        oauth.service, client_id="id", client_secret="x", environment=None, by=root,
        ends_at=in_days(9),
    )  # fmt: skip
    for number in range(3):
        connect(ada, method=oauth, name=f"C{number}", link_name=f"c{number}", secrets={})

    seen = {}
    for person in (ada, eve, root):
        client.force_login(person)
        seen[person.name] = shown(client)

    row = ("Shared client secret", "CRM")
    assert seen == {"Ada": [row], "Eve": [], "Root": [row]}


def test_what_was_revoked_or_deleted_runs_out_no_more(client, ada, running_out):
    from connhub.connections import lifecycle

    lifecycle.revoke(running_out["Bills"], by=ada)
    lifecycle.delete(running_out["Certified"], by=ada)
    lifecycle.delete(running_out["Access"], by=ada)
    client.force_login(ada)

    assert shown(client) == [ALL[2], ALL[5]]
    assert not OAuthApp.objects.exclude(ends_at=None).exists()
    assert not Credential.objects.exclude(ends_at=None).exists()


def test_pages_go_on_across_the_kinds(client, ada, running_out, monkeypatch):
    monkeypatch.setattr(expiry, "SIZE", 2)
    client.force_login(ada)

    found, cursor = [], {}
    for _ in range(3):
        page = client.get("/expiry/", cursor).context["page"]
        found += [(row.ending.what, row.ending.name.partition(" (")[0]) for row in page.rows]
        cursor = {"before": page.older}
    back = client.get("/expiry/", {"after": page.newer}).context["page"]

    assert found == ALL
    assert page.older == ""
    assert [row.ending.name for row in back.rows] == ["Echo", "Certified"]


def test_things_that_end_at_one_moment_are_all_shown_once(client, ada, running_out, monkeypatch):
    moment = in_days(3)
    Credential.objects.update(ends_at=moment, certificate_ends_at=moment)
    monkeypatch.setattr(expiry, "SIZE", 3)
    client.force_login(ada)

    found, query = [], {"within": "7"}
    for _ in range(6):
        page = client.get("/expiry/", query).context["page"]
        found += [(row.ending.what, row.ending.name, row.ending.environment) for row in page.rows]
        if not page.older:
            break
        query |= {"before": page.older}

    assert len(found) == len(set(found)) == 12


def test_as_many_queries_for_one_row_as_for_fifty(
    client, ada, running_out, django_assert_max_num_queries
):
    method = AuthMethodFactory()
    for number in range(40):
        made = connect(ada, method=method, link_name=f"more{number}")
        made.credentials.update(ends_at=in_days(number), certificate_ends_at=in_days(number))
    client.force_login(ada)

    for query in ("", "?view=calendar", "?kind=secret&within=30"):
        with django_assert_max_num_queries(14):
            client.get(f"/expiry/{query}")


def test_ways_to_renew_are_offered_to_admins_alone(client, ada, root, running_out):
    offered = {}
    for person in (ada, root):
        client.force_login(person)
        page = client.get("/expiry/").context["page"]
        offered[person.name] = [row.ending.action for row in page.rows]

    assert offered == {
        "Ada": ["Reconnect", "Rotate secret", "Look at it", "Test", "Edit", "Keys"],
        "Root": ["", "", "", "", "", "Keys"],
    }


# --- The calendar ---------------------------------------------------------------------------------


def test_calendar_counts_by_day_and_leads_to_the_list_of_the_day(client, ada, running_out):
    day = date(2031, 3, 5)
    at = timezone.make_aware(datetime(2031, 3, 5, 23, 59))
    Credential.objects.update(ends_at=at, certificate_ends_at=None)
    client.force_login(ada)

    response = client.get("/expiry/", {"view": "calendar", "month": "2031-02"})

    months = response.context["months"]
    days = {d.day: d.count for m in months for week in m.weeks for d in week if d.count}
    assert [month.first for month in months] == [
        date(2031, 2, 1),
        date(2031, 3, 1),
        date(2031, 4, 1),
    ]
    assert days == {day: 5}
    assert [month.total for month in months] == [0, 5, 0]
    assert 'href="?day=2031-03-05"' in response.content.decode()
    assert len(shown(client, day="2031-03-05")) == 5
    assert shown(client, day="2031-03-06") == []


def test_calendar_begins_with_this_month_and_keeps_the_filters(client, ada, running_out):
    client.force_login(ada)

    response = client.get("/expiry/", {"view": "calendar", "kind": "certificate"})

    months = response.context["months"]
    assert months[0].first == timezone.localdate().replace(day=1)
    assert sum(month.total for month in months) == 1
    assert "kind=certificate&amp;day=" in response.content.decode()


@pytest.mark.parametrize("month", ["2000-01", "2199-12", "1999-12", "9999-12", "x", ""])
def test_calendar_of_any_month(client, ada, running_out, month):
    client.force_login(ada)

    response = client.get("/expiry/", {"view": "calendar", "month": month})

    assert response.status_code == 200
    assert len(response.context["months"]) == 3


# --- The banner -----------------------------------------------------------------------------------


def test_banner_counts_what_breaks_within_14_days(client, ada, bob, root, running_out):
    said = {}
    for person in (ada, bob, root):
        client.force_login(person)
        said[person.name] = client.get("/connections/").context["ending"]

    assert said == {"Ada": 3, "Bob": 0, "Root": 0}
    client.force_login(ada)
    page = client.get("/connections/").content.decode()
    assert "3 things end within 14 days" in page
    assert 'href="/expiry/?within=14"' in page


# --- The dates that forms ask for -----------------------------------------------------------------


def ends_on(credential: Credential) -> date | None:
    return timezone.localtime(credential.ends_at).date() if credential.ends_at else None


def test_end_date_is_asked_on_create_edit_reconnect_and_own_settings(client, ada):
    method = AuthMethodFactory(service=ServiceFactory(slug="acme"))
    client.force_login(ada)
    typed = {"name": "Acme", "link_name": "acme", "access_mode": "proxy", "environment": ""}

    client.post("/connections/new/acme/", typed | {"s_key_1": "x", "ends_on": "2099-01-01"})
    made = Connection.objects.get(link_name="acme")
    first = ends_on(made.credentials.get())
    kept = client.get("/connections/acme/edit/").content.decode()
    client.post("/connections/acme/edit/", typed | {"ends_on": "2099-02-02"})
    second = ends_on(made.credentials.get())
    client.post("/connections/acme/reconnect/", {"key_1": "y", "ends_on": "2099-03-03"})
    third = ends_on(made.credentials.get())
    client.post(
        "/connections/acme/environments/production/", {"s_key_1": "z", "ends_on": "2099-04-04"}
    )
    own = made.credentials.exclude(environment=None).get()
    client.post("/connections/acme/edit/", typed | {"ends_on": ""})

    assert method.service.connections.get() == made
    assert 'value="2099-01-01"' in kept
    assert "Leave blank to keep it." in kept
    assert [first, second, third, ends_on(own)] == [date(2099, n, n) for n in (1, 2, 3, 4)]
    assert ends_on(made.credentials.get(environment=None)) is None
    assert actions(made).count("connection.edited") == 2


def test_a_date_that_is_over_may_stay_but_not_be_given(client, ada, connection):
    connection.credentials.update(ends_at=in_days(-9))
    was = ends_on(connection.credentials.get())
    client.force_login(ada)
    typed = {"name": "Invoices", "access_mode": "proxy"}

    stays = client.post("/connections/billing/edit/", typed | {"ends_on": was.isoformat()})
    earlier = (was - timedelta(days=1)).isoformat()
    refused = client.post("/connections/billing/edit/", typed | {"ends_on": earlier})

    assert stays.status_code == 303
    assert "This day is over." in refused.content.decode()


def test_end_date_of_a_client_secret_changes_alone(client, ada, oauth):
    made = connect(
        ada, method=oauth, link_name="crm", secrets={}, client_id="id", client_secret="x"
    )
    client.force_login(ada)
    typed = {"name": "CRM", "access_mode": "proxy", "client_id": "id"}

    client.post("/connections/crm/edit/", typed | {"client_secret_ends_on": "2099-05-05"})

    made.refresh_from_db()
    assert timezone.localtime(made.oauth_app.ends_at).date() == date(2099, 5, 5)
    assert made.oauth_app.client_secret.open().reveal() == "x"


def test_summary_says_when_the_secret_ends(client, ada, connection):
    connection.credentials.update(ends_at=timezone.make_aware(datetime(2099, 6, 6, 23, 59)))
    client.force_login(ada)

    assert "6 Jun 2099" in client.get("/connections/billing/").content.decode()
