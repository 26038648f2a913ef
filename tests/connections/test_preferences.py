import pytest

from connhub.connections.models import ListingColumns, SavedView
from tests.factories import AuthMethodFactory, connect

pytestmark = pytest.mark.django_db
VIEWS, COLUMNS = "/connections/saved-views/", "/connections/shown-columns/"


@pytest.fixture
def signed_in(client, ada):
    client.force_login(ada)
    method = AuthMethodFactory()
    connect(ada, method=method, tags=["Finance"])
    connect(ada, method=method, name="CRM", link_name="crm")
    return client


# --- Views ----------------------------------------------------------------------------------------


def test_view_is_saved_opened_and_deleted(signed_in):
    saved = signed_in.post(f"{VIEWS}?q=bill&sort=created&page=9&status=x", {"name": "Bills"})
    opened = signed_in.get(saved.url)
    view = SavedView.objects.get()
    signed_in.post(f"{VIEWS}{view.public_id}/delete/")

    assert view.query == "q=bill&sort=created"
    assert saved.url == "/connections/?q=bill&sort=created"
    assert [row.connection.name for row in opened.context["page"].rows] == ["Billing"]
    assert 'href="/connections/?q=bill&amp;sort=created"' in opened.content.decode()
    assert not SavedView.objects.exists()


def test_view_of_the_same_name_takes_the_place_of_the_older(signed_in):
    for query in ("q=a", "q=b"):
        signed_in.post(f"{VIEWS}?{query}", {"name": "Mine"})

    assert SavedView.objects.get().query == "q=b"


@pytest.mark.parametrize(
    ("query", "name"), [("", "All"), ("q=a", ""), ("q=a", "x" * 41), ("sort=x", "Nonsense")]
)
def test_view_of_nothing_or_without_a_good_name_is_not_saved(signed_in, query, name):
    answer = signed_in.post(f"{VIEWS}?{query}", {"name": name})

    assert answer.status_code == 200
    assert not SavedView.objects.exists()


def test_person_has_twenty_views_at_most(signed_in, ada):
    SavedView.objects.bulk_create(
        SavedView(user=ada, name=f"v{number}", query="q=a") for number in range(20)
    )

    refused = signed_in.post(f"{VIEWS}?q=a", {"name": "one more"})
    replaced = signed_in.post(f"{VIEWS}?q=b", {"name": "v0"})

    assert (refused.status_code, replaced.status_code) == (409, 303)
    assert SavedView.objects.count() == 20


def test_views_of_others_are_not_seen_opened_or_deleted(signed_in, eve):
    theirs = SavedView.objects.create(user=eve, name="Secret plan", query="q=a")

    assert "Secret plan" not in signed_in.get("/connections/").content.decode()
    assert signed_in.post(f"{VIEWS}{theirs.public_id}/delete/").status_code == 404


# --- Columns --------------------------------------------------------------------------------------


def headings(client) -> list[str]:
    page = client.get("/connections/").content.decode()
    head = page[page.index("<thead>") : page.index("</thead>")]
    return [
        label for label in ("Name", "Service", "Tags", "Created", "Used by") if f">{label}<" in head
    ]


def test_columns_are_chosen_by_each_person_and_the_name_stays(signed_in, bob):
    at_first = headings(signed_in)
    signed_in.post(COLUMNS, {"columns": ["tags", "created"]})
    chosen, page = headings(signed_in), signed_in.get("/connections/").content.decode()
    signed_in.post(COLUMNS, {})
    none = headings(signed_in)
    signed_in.force_login(bob)

    assert at_first == ["Name", "Service", "Used by"]
    assert chosen == ["Name", "Tags", "Created"]
    assert '<td data-label="Tags">Finance</td>' in page
    assert none == ["Name"]
    assert ListingColumns.objects.count() == 1


def test_column_that_there_is_not_is_refused(signed_in):
    answer = signed_in.post(COLUMNS, {"columns": ["password"]})

    assert answer.status_code == 200
    assert not ListingColumns.objects.exists()


# --- Keys -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("headers", [{}, {"HX-Request": "true"}])
def test_keys_are_listed_as_page_and_pop_up(signed_in, headers):
    answer = signed_in.get("/connections/listing-keys/", headers=headers).content.decode()

    assert "Next and previous row" in answer
    assert ("<html" in answer) == (not headers)
