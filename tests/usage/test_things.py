"""The pages of apps and functions, of an integration and standing alone, as people use them."""

import pytest

from connhub.forms import mistakes
from connhub.usage import data_objects, declaring, functions, projects, registration
from connhub.usage.data_objects import DeclaredObject
from connhub.usage.functions import DeclaredUse
from connhub.usage.models import App, Flow, Function, Registration
from tests.factories import IntegrationFactory, connect

pytestmark = pytest.mark.django_db
HTMX = {"HX-Request": "true"}
HERE = "/integrations/order-to-cash"
APP = {
    "name": "Desk", "slug": "desk", "row": ["0"], "step-0-name": "Orders",
    "step-0-connection": "billing",
}  # fmt: skip
FUNCTION = {"name": "sync", "row": ["0"], "step-0-connection": "billing"}
NOUNS = pytest.mark.parametrize(
    ("noun", "typed", "key"), [("app", APP, "desk"), ("function", FUNCTION, "sync")]
)


def save_new(noun, *, integration, by, key="desk"):
    sort, uses = {
        "app": (data_objects.SORT, [DeclaredObject("Orders", "billing")]),
        "function": (functions.SORT, [DeclaredUse("billing")]),
    }[noun]
    made = declaring.create(sort, key, name=key, uses=uses, integration=integration, by=by)
    return made.thing


@pytest.fixture
def signed_in(client, ada):
    client.force_login(ada)
    return client


@pytest.fixture
def member(integration, eve, ada):
    projects.add_member(integration, eve, by=ada)
    return eve


def messages(response):
    return [str(message) for message in response.context["messages"]]


@NOUNS
def test_new_one_shows_who_gains_before_and_after(
    signed_in, integration, connection, member, noun, typed, key
):
    url = f"{HERE}/{noun}s/new/"

    asked = signed_in.post(url, typed)
    assert "<b>1 person gains access:</b> Eve." in asked.text
    assert (App.objects.count() + Function.objects.count(), Registration.objects.count()) == (0, 0)
    done = signed_in.post(url, typed | {"seen": ["billing"]}, follow=True)

    assert done.redirect_chain == [(f"{HERE}/{noun}s/{key}/", 303)]
    assert messages(done) == [f"{typed['name']} is saved. Registered Billing: Eve gained access."]
    assert integration.registrations.get().how == "automatic"


@NOUNS
def test_edited_registers_nothing_again_and_is_deleted_with_what_stops(
    signed_in, ada, integration, connection, noun, typed, key
):
    thing = save_new(noun, integration=integration, by=ada, key=key)
    registration.deregister(integration, connection, by=ada)

    done = signed_in.post(f"{HERE}/{noun}s/{key}/edit/", typed, follow=True)
    asked = signed_in.get(f"{HERE}/{noun}s/{key}/delete/", headers=HTMX)
    signed_in.post(f"{HERE}/{noun}s/{key}/delete/")

    assert done.text.count("In use, not registered") == 1
    assert "Order to cash can't call any more over Billing" in asked.text.replace("&#x27;", "'")
    assert not type(thing).objects.exists()


@NOUNS
@pytest.mark.parametrize(
    ("who", "statuses"), [("ada", [200, 200, 200]), ("root", [200, 403, 200]), ("bob", [404] * 3)]
)
def test_standing_alone_it_is_for_its_owner(
    client, request, ada, connection, noun, typed, key, who, statuses
):
    save_new(noun, integration=None, by=ada, key=key)
    client.force_login(request.getfixturevalue(who))

    pages = [client.get(f"/{noun}s/{key}/{n}").status_code for n in ("", "edit/", "delete/")]
    listed = [thing.key for thing in client.get(f"/{noun}s/").context["page"].rows]

    assert pages == statuses
    assert listed == ([key] if who != "bob" else [])


@NOUNS
def test_standing_alone_it_is_made_and_registers_nothing(signed_in, connection, noun, typed, key):
    done = signed_in.post(f"/{noun}s/new/", typed, follow=True)

    assert done.redirect_chain == [(f"/{noun}s/{key}/", 303)]
    assert "Stands alone" in done.text
    assert Registration.objects.count() == 0


@NOUNS
def test_one_of_another_integration_is_not_found(signed_in, ada, integration, noun, typed, key):
    elsewhere = IntegrationFactory()
    App.objects.create(slug="desk", name="Desk", integration=elsewhere)
    Function.objects.create(name="sync", integration=elsewhere)

    statuses = {signed_in.get(f"{HERE}/{noun}s/{key}/{n}").status_code for n in ("", "edit/")}

    assert statuses == {404}


@pytest.mark.parametrize(
    ("url", "sent", "errors"),
    [
        ("apps", APP | {"name": ""}, ["App name"]),
        ("apps", APP | {"slug": "new"}, ["Slug"]),
        ("apps", APP | {"slug": "taken"}, ["Slug"]),
        ("apps", APP | {"step-0-name": ""}, ["Data object 1: Data object"]),
        ("apps", APP | {"step-0-connection": ""}, ["Data object Orders: Connection"]),
        ("functions", FUNCTION | {"name": "a b"}, ["Function name"]),
        ("functions", FUNCTION | {"name": "taken"}, ["Function name"]),
        ("functions", FUNCTION | {"step-0-connection": ""}, [""]),
        ("functions", FUNCTION | {"step-0-connection": "\0"}, ["Connection 1: Connection"] * 2),
        (
            "functions",
            FUNCTION | {"row": ["0", "1"], "step-1-connection": "billing"},
            ["Connection 2: Connection"],
        ),
    ],
)
def test_what_is_wrong_is_said(signed_in, integration, connection, url, sent, errors):
    App.objects.create(slug="taken", name="Taken")
    Function.objects.create(name="taken", integration=integration)

    response = signed_in.post(f"{HERE}/{url}/new/", sent)

    assert [mistake.label for mistake in mistakes(response.context["form"])] == errors


def test_lists_show_each_use_and_take_few_queries(
    signed_in, ada, integration, connection, django_assert_max_num_queries
):
    ledger = connect(ada, name="Ledger", link_name="ledger")
    for number in range(3):
        app = save_new("app", integration=integration, by=ada, key=f"desk{number}")
        app.data_objects.create(name="Books", connection=ledger)
        function = save_new("function", integration=integration, by=ada, key=f"sync{number}")
        function.connections.add(ledger)
    Flow.objects.create(slug="empty", name="Empty", integration=integration)

    for noun in ("app", "function", "flow"):
        with django_assert_max_num_queries(9):
            page = signed_in.get(f"{HERE}/{noun}s/")
        assert page.text.count('aria-current="page">Flows') == 1
        assert page.text.count(">ledger</small>") == (0 if noun == "flow" else 3)


def test_find_usage_leads_to_the_pages_of_what_the_person_sees(
    client, ada, root, integration, connection
):
    save_new("app", integration=integration, by=ada)
    save_new("app", integration=None, by=ada, key="alone")
    save_new("function", integration=integration, by=ada, key="sync")
    theirs = App.objects.create(slug="theirs", name="Theirs", owner=root)
    theirs.data_objects.create(name="Orders", connection=connection)
    client.force_login(ada)

    picture, table = (
        client.get(f"/connections/billing/usage/{query}").text for query in ("", "?view=table")
    )

    for url in (f"{HERE}/apps/desk/", "/apps/alone/", f"{HERE}/functions/sync/"):
        assert f'href="{url}"' in picture and f'href="{url}"' in table
    assert "Theirs" in table and "/apps/theirs/" not in table + picture


def test_deregister_counts_all_that_keeps_working(signed_in, ada, integration, connection):
    save_new("app", integration=integration, by=ada)
    save_new("function", integration=integration, by=ada)

    asked = signed_in.get(f"{HERE}/connections/billing/deregister/")

    assert "<b>1 app and 1 function</b> of Order to cash use it and keep working." in asked.text
