"""The audit log as super admins read it: filters, pages, one event, and what reading leaves."""

from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection as database
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from connhub.accounts import environments, people
from connhub.audit.context import Context, current
from connhub.audit.log import record
from connhub.audit.models import Event
from connhub.connections import lifecycle
from connhub.usage import keys
from tests.factories import UserFactory

pytestmark = pytest.mark.django_db

LOG = reverse("audit:log")


@pytest.fixture
def auditor(client, root):
    client.force_login(root)
    return client


def shown(client, **filters) -> list[str]:
    """What a page of the log says, without what reading it and signing in left there."""
    page = client.get(LOG, filters).context["page"]
    return [e.sentence for e in page.rows if e.kind != "audit" and e.action != "person.signed_in"]


@pytest.mark.parametrize(
    "url", [LOG, f"{LOG}1/", f"{LOG}export.csv", f"{LOG}export.jsonl"], ids=lambda url: url
)
@pytest.mark.parametrize(
    ("who", "status"), [("ada", 403), ("bob", 403), ("eve", 403), ("root", 200)]
)
def test_the_audit_log_is_for_super_admins(client, request, who, status, url):
    record("catalogue.loaded")
    client.force_login(request.getfixturevalue(who))

    assert client.get(url).status_code == status


@pytest.fixture
def history(ada, bob, connection, integration):
    """What Ada and Bob did, what a key did, and what went wrong."""
    key, _ = keys.issue(integration, environments.lowest(), name="nightly", by=ada)
    lifecycle.rename(connection, to="Salesforce production", by=bob)
    connection.refresh_from_db()
    record("credential.read", by=key, on=connection, change=False)
    record("credential.read", by=key, on=connection, outcome="denied", change=False)
    lifecycle.revoke(connection, by=ada)
    record("second_factor.reset", by=ada, on=bob)
    return key


@pytest.mark.parametrize(
    ("filters", "said"),
    [
        ({"person": "bob"}, ["Ada reset the second factor of Bob", "Bob renamed Salesforce production"]),
        ({"person": "BOB@acme.example", "kind": "connection"}, ["Bob renamed Salesforce production"]),
        ({"person": "bob", "kind": "second_factor"}, ["Ada reset the second factor of Bob"]),
        (
            {"person": "ada", "connection": "billing"},
            ["Ada revoked Salesforce production", "Ada created Billing"],
        ),
        (
            {"key": "nightly", "outcome": "denied"},
            ["nightly ({prefix}…) fetched the credential of Salesforce production, which was denied"],
        ),
        (
            {"kind": "credential", "outcome": "ok"},
            ["nightly ({prefix}…) fetched the credential of Salesforce production"],
        ),
        ({"kind": "connection.revoked"}, ["Ada revoked Salesforce production"]),
        ({"kind": "key"}, ["Ada issued the integration key nightly ({prefix}…) (development, order-to-cash)"]),
        ({"person": "bob", "kind": "key"}, []),
        ({"person": "bob", "key": "nightly"}, []),
        (
            {"person": "ada", "key": "nightly"},
            ["Ada issued the integration key nightly ({prefix}…) (development, order-to-cash)"],
        ),
        ({"person": "ada", "key": "nightly", "connection": "billing"}, []),
        (
            {"key": "nightly", "outcome": "ok"},
            [
                "nightly ({prefix}…) fetched the credential of Salesforce production",
                "Ada issued the integration key nightly ({prefix}…) (development, order-to-cash)",
            ],
        ),
        ({"outcome": "failed"}, []),
        ({"until": "2001-01-01"}, []),
        ({"since": "2001-01-01", "kind": "connection.renamed"}, ["Bob renamed Salesforce production"]),
        ({"until": "9999-12-31", "kind": "connection.renamed"}, ["Bob renamed Salesforce production"]),
    ],
    ids=str,
)  # fmt: skip
def test_filters_narrow_the_log(auditor, history, filters, said):
    assert shown(auditor, **filters) == [line.format(prefix=history.prefix) for line in said]


@pytest.mark.parametrize(
    ("filters", "error"),
    [
        ({"person": "nobody at all"}, "There is no such person."),
        ({"connection": "%"}, "There is no such connection."),
        ({"key": "'"}, "There is no such key."),
        ({"person": "\0"}, "Null characters are not allowed."),
        ({"person": "x" * 255}, "Ensure this value has at most 254 characters (it has 255)."),
        ({"kind": "nonsense"}, "Select a valid choice. nonsense is not one of the available choices."),
        ({"outcome": "well"}, "Select a valid choice. well is not one of the available choices."),
        ({"since": "yesterday"}, "Enter a valid date."),
        ({"since": "2020-01-02", "until": "2020-01-01"}, "This is before the first day."),
        ({"object": "connection:1;drop"}, "Enter a valid value."),
        ({"request": "x"}, "Enter a valid value."),
    ],
    ids=str,
)  # fmt: skip
def test_a_filter_that_makes_no_sense_finds_nothing_and_says_so(auditor, history, filters, error):
    response = auditor.get(LOG, filters)

    assert response.context["page"].rows == []
    assert error in response.content.decode().replace("&#x27;", "'")


def test_where_several_people_fit_one_is_chosen(auditor):
    for email in ("ben@acme.example", "benita@acme.example"):
        UserFactory(name="Ben", email=email)

    offered = dict(auditor.get(LOG, {"person": "be", "outcome": "failed"}).context["offered"])

    assert offered == {
        "person": [
            ("Ben (ben@acme.example)", f"{LOG}?person=ben%40acme.example&outcome=failed"),
            ("Ben (benita@acme.example)", f"{LOG}?person=benita%40acme.example&outcome=failed"),
        ]
    }


def test_what_a_person_did_to_themself_is_there_once_on_all_pages(auditor, ada, bob):
    for number in range(40):
        record("person.renamed", by=(ada, bob)[number % 2], on=ada)
        record("person.renamed", by=ada, on=ada)
    wanted = {"person": "ada", "kind": "person.renamed"}

    first = auditor.get(LOG, wanted).context["page"]
    pages = [first]
    while pages[-1].older:
        pages.append(auditor.get(LOG, wanted | {"before": pages[-1].older}).context["page"])
    back = auditor.get(LOG, wanted | {"after": pages[1].newer}).context["page"]

    found = [event.sequence for page in pages for event in page.rows]
    every = Event.objects.filter(action="person.renamed").values_list("sequence", flat=True)
    assert found == sorted(every, reverse=True)
    assert [event.sequence for event in back.rows] == [event.sequence for event in first.rows]
    exported = b"".join(auditor.get(f"{LOG}export.jsonl", wanted).streaming_content)
    assert len(exported.splitlines()) == 80


def test_a_deleted_connection_is_found_by_its_name_and_has_no_link(auditor, ada, connection):
    lifecycle.delete(connection, by=ada)

    for typed in ("billing", "Bill"):
        page = auditor.get(LOG, {"connection": typed, "kind": "connection"}).context["page"]

        assert "Ada deleted Billing" in [event.sentence for event in page.rows]
        assert {event.url for event in page.rows} == {""}


def test_time_spans_are_whole_days(auditor, ada):
    event = record("person.renamed", by=ada, on=ada)
    day = event.at.date()

    assert len(shown(auditor, since=day, until=day, kind="person.renamed")) == 1
    assert shown(auditor, until=day - timedelta(days=1), kind="person.renamed") == []
    assert shown(auditor, since=day + timedelta(days=1), kind="person.renamed") == []


def test_who_is_gone_is_still_found_by_the_link_of_their_event(auditor, root, eve):
    people.rename(eve, to="Eva", by=eve)
    reference = f"user:{eve.pk}"
    people.delete(eve, by=root)

    assert shown(auditor, actor=reference) == ["Eva changed the name of Eva"]
    assert shown(auditor, object=reference) == [
        "Root deleted the account of Eva",
        "Eva changed the name of Eva",
    ]


def test_pages_go_to_the_oldest_event_and_back(auditor, ada):
    for number in range(60):
        record("connection.renamed", by=ada, detail={"n": number})
    wanted = {"person": "ada", "kind": "connection.renamed"}

    seen, cursor = [], ""
    while True:
        page = auditor.get(LOG, wanted | {"before": cursor}).context["page"]
        seen += [event.detail["n"] for event in page.rows]
        if not page.older:
            break
        cursor = page.older
    back = auditor.get(LOG, wanted | {"after": page.newer}).context["page"]

    assert seen == list(range(59, -1, -1))
    assert [event.detail["n"] for event in back.rows] == list(range(34, 9, -1))


def test_a_page_of_the_log_takes_as_many_queries_for_many_events_as_for_one(
    auditor, history, ada, connection
):
    with CaptureQueriesContext(database) as few:
        auditor.get(LOG)
    for _ in range(20):
        record("connection.renamed", by=ada, on=connection)

    with CaptureQueriesContext(database) as many:
        auditor.get(LOG)

    assert len(many) <= len(few)


def test_an_event_links_what_it_happened_to_while_that_exists(auditor, ada, connection):
    event = record("connection.renamed", by=ada, on=connection)
    url = event.get_absolute_url()

    assert connection.get_absolute_url() in auditor.get(url).content.decode()
    lifecycle.delete(connection, by=ada)
    assert connection.get_absolute_url() not in auditor.get(url).content.decode()


def test_an_event_page_has_every_field_and_the_others_of_its_request(auditor, ada, connection):
    token = current.set(Context("192.0.2.7", "f" * 32))
    event = record("connection.edited", by=ada, on=connection, fields=["name"], detail={"k": "v"})
    other = record("connection.renamed", by=ada, on=connection)
    current.reset(token)

    response = auditor.get(event.get_absolute_url())

    text = response.content.decode()
    lacking = [
        name
        for name in (
            "actor",
            "actor_id",
            "ip",
            "action",
            "object",
            "object_id",
            "request_id",
            "mac",
        )
        if str(getattr(event, name)) not in text
    ]
    assert lacking == []
    assert response.context["others"] == [other]
    assert shown(auditor, request="f" * 32) == ["Ada renamed Billing", "Ada edited Billing"]


def test_an_event_that_is_not_there_is_not_found(auditor):
    assert auditor.get(f"{LOG}999999999999999999/").status_code == 404


def test_reading_and_exporting_are_on_record(auditor):
    auditor.get(LOG, {"outcome": "failed"})
    auditor.get(f"{LOG}1/")
    b"".join(auditor.get(f"{LOG}export.csv", {"kind": "key"}).streaming_content)

    audited = Event.objects.filter(kind="audit").order_by("sequence")
    assert [(e.sentence, e.detail) for e in audited] == [
        ("Root read the audit log (outcome=failed)", {"filters": "outcome=failed"}),
        ("Root read the audit log", {"event": 1}),
        ("Root exported the audit log (kind=key, csv)", {"filters": "kind=key", "format": "csv"}),
    ]


def test_the_picture_counts_the_events_of_each_day(auditor, ada):
    before = auditor.get(LOG).context["days"][-1]
    record("connection.renamed", by=ada)
    record("connection.tested", by=ada, outcome="failed")

    days = auditor.get(LOG).context["days"]

    assert len(days) == 30
    assert days[-1]["day"] == datetime.now(UTC).date()
    # The two, and that the page was read before.
    assert (days[-1]["ok"], days[-1]["failed"]) == (before["ok"] + 2, before["failed"] + 1)
