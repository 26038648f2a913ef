import re
from html import unescape

import pytest
from django.utils import timezone

from connhub.accounts.models import Environment
from connhub.audit.models import Event
from connhub.connections import login_users
from connhub.connections.auth import METHODS
from connhub.connections.models import Connection
from connhub.services.models import AuthMethod
from connhub.usage import keys
from connhub.usage.models import CallDay, Registration
from tests.conftest import CANARY
from tests.factories import AuthMethodFactory, IntegrationFactory, ServiceFactory, connect

pytestmark = pytest.mark.django_db


@pytest.fixture
def signed_in(client, ada):
    client.force_login(ada)
    return client


def shown(client, link_name="billing", environment=""):
    """The guide of an environment, as its page has it."""
    query = {"environment": environment} if environment else {}
    return client.get(f"/connections/{link_name}/guide/", query)


def facts(client, link_name="billing", environment="") -> dict[str, str]:
    """What it says of the place: each term with its words."""
    page = shown(client, link_name, environment).content.decode()
    found = re.findall(r"<dt>(.*?)</dt><dd[^>]*>(.*?)</dd>", page, re.S)
    return {term: " ".join(unescape(re.sub("<[^>]+>", "", words)).split()) for term, words in found}


# --- Which environment ------------------------------------------------------------------------------


def test_it_begins_where_the_connection_can_be_called(signed_in, ada, connection):
    production = Environment.objects.get(slug="production")
    connect(ada, link_name="live", environment=production)
    connect(ada, link_name="nowhere", method=oauth(), secrets={})

    begun = {name: shown(signed_in, name).context["environment"].slug
             for name in ("billing", "live", "nowhere")}  # fmt: skip

    assert begun == {"billing": "development", "live": "production", "nowhere": "development"}


def test_each_environment_has_its_address_and_status(signed_in, ada, connection):
    production = Environment.objects.get(slug="production")
    connection.service.endpoints.create(environment=production, base_url="https://live.example/v2")
    connection.credentials.update(environment=production)

    pages = {slug: shown(signed_in, environment=slug) for slug in ("staging", "production")}

    assert [facts(signed_in, environment=slug)["Address"] for slug in pages] == [
        "https://api.service.example/v1",
        "https://live.example/v2",
    ]
    assert [page.context["status"].label for page in pages.values()] == [
        "Not connected",
        "Connected",
    ]
    connect_there = 'href="/connections/billing/reconnect/?environment=staging"'
    assert [connect_there in page.text for page in pages.values()] == [True, False]


def test_an_address_with_a_part_missing_is_told_as_such(signed_in, connection):
    connection.service.base_url = "https://{shop}.example"
    connection.service.save()

    assert facts(signed_in)["Address"] == "A part of it is missing"


@pytest.mark.parametrize("slug", ["moon", "", "a\0b"])
def test_an_environment_that_is_not_there_is_not_found(signed_in, connection, slug):
    response = signed_in.get("/connections/billing/guide/", {"environment": slug})

    assert response.status_code == (404 if slug else 200)


# --- Which key --------------------------------------------------------------------------------------


def test_it_names_the_integrations_that_one_sees_and_their_keys(
    signed_in, ada, connection, integration
):
    for place in (integration, IntegrationFactory(name="Payroll")):
        Registration.objects.create(integration=place, connection=connection)
    for slug in ("staging", "staging", "production"):
        keys.issue(integration, Environment.objects.get(slug=slug), name="flow", by=ada)
    keys.revoke(integration.keys.filter(environment__slug="staging")[0], by=ada)

    pages = [shown(signed_in, environment=slug).text for slug in ("staging", "development")]

    assert all('href="/integrations/order-to-cash/keys/"' in page for page in pages)
    assert ["1 for Staging" in pages[0], "none for Development yet" in pages[1]] == [True, True]
    assert not any("Payroll" in page or "Register it" in page for page in pages)


def test_a_connection_that_nobody_registered_is_to_be_registered_first(signed_in, connection):
    assert 'href="/integrations/">Register it' in shown(signed_in).text


# --- What ConnHub adds ------------------------------------------------------------------------------


def oauth():
    config = {"authorize_url": "https://a.example/a", "token_url": "https://a.example/t"}
    return AuthMethodFactory(kind="oauth2_code", config=config)


TWO_KEYS = {
    "keys": [{"name": "X-Key", "in": "header", "label": "Key"}, {"name": "k", "in": "query"}]
}
ADDED = [
    ("api_key", TWO_KEYS, "Key in the header X-Key, The API key in the query parameter k"),
    ("api_key", {"keys": [{"name": "t", "in": "form"}]}, "The API key in the form field t"),
    ("basic", {}, "User name and password in the header Authorization (Basic)"),
    ("bearer", {}, "The token in the header Authorization (Bearer)"),
    ("bearer", {"headers": {"V": "2"}},
     "The token in the header Authorization (Bearer); V where a call has none of its own"),
    ("none", {}, "Nothing: the service asks nobody who they are"),
    ("aws_sigv4", {}, "An AWS signature of the whole call in the header Authorization"),
    ("oauth1", {}, "An OAuth 1.0a signature in the header Authorization"),
    ("oauth2_code", {}, "The access token in the header Authorization"),
    ("two_step", {"apply": {"in": "query", "name": "s"}, "fields": []},
     "The access token in the query parameter s"),
    ("oauth2_client_credentials", {}, "The access token in the header Authorization"),
    ("jwt_bearer", {}, "The access token in the header Authorization"),
]  # fmt: skip


def test_what_is_added_is_told_for_every_way_to_call_over_http():
    assert {kind for kind, _, _ in ADDED} == {k for k, m in METHODS.items() if m.is_http}


@pytest.mark.parametrize(("kind", "config", "words"), ADDED)
def test_it_says_what_connhub_adds_and_no_value(signed_in, connection, kind, config, words):
    AuthMethod.objects.update(kind=kind, config=config)

    assert facts(signed_in)["ConnHub adds"] == words
    assert CANARY not in shown(signed_in).text


# --- Login users, access modes, databases -----------------------------------------------------------


def test_login_users_are_told_to_sign_in_and_stand_in_the_snippets(signed_in, ada):
    made = connect(ada, secrets={}, login_user=True)

    before = facts(signed_in)["Login user"]
    login_users.sign_in(made, {"key_1": CANARY}, by=ada)
    page = shown(signed_in)

    assert before.startswith("You have not signed in")
    assert facts(signed_in)["Login user"].startswith("You have signed in")
    assert all(ada.email in snippet.code for snippet in page.context["guide"].calls)


@pytest.mark.parametrize(("mode", "shown_sets"), [("proxy", (4, 0)), ("credentials", (4, 4))])
def test_fetching_is_shown_where_the_access_mode_allows_it(signed_in, connection, mode, shown_sets):
    Connection.objects.update(access_mode=mode)

    guide = shown(signed_in).context["guide"]

    assert (len(guide.calls), len(guide.fetching)) == shown_sets


@pytest.mark.parametrize("mode", ["proxy", "credentials"])
def test_database_is_opened_with_what_the_credentials_call_answers(signed_in, ada, mode):
    service = ServiceFactory(driver="postgresql", base_url="")
    connect(
        ada,
        method=AuthMethodFactory(kind="database", label="Database", config={}, service=service),
        parameters={"host": "db.example.com", "database": "d", "user": "u"},
        secrets={"password": CANARY},
        access_mode=mode,
    )

    page = shown(signed_in)

    assert ("psycopg.connect(login[&quot;dsn&quot;]" in page.text) == (mode == "credentials")
    assert ("no flow can use it" in page.text) == (mode == "proxy")
    assert facts(signed_in)["Address"] == "db.example.com:5432"
    assert CANARY not in page.text


# --- The example call -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("test", "operations", "words"),
    [
        ({}, [], "<b>Replace the path</b>"),
        ({"method": "GET", "path": "/me"}, [], "the one that tests the connection"),
        ({"method": "GET", "path": "/a%2Fb"}, [], "<b>Replace the path</b>"),
        ({}, ["/pets"], "one of the operations"),
        ({}, ["/pets/{id}", "/a//b"], "<b>Replace the path</b>"),
    ],
)
def test_it_says_where_the_example_comes_from(signed_in, connection, test, operations, words):
    connection.service.test = test
    connection.service.save()
    for path in operations:
        connection.service.operations.create(method="GET", path=path)

    assert words in shown(signed_in).text


def test_an_operation_that_has_to_be_given_something_is_no_example(signed_in, connection):
    given = {"name": "q", "in": "query", "required": True, "about": ""}
    connection.service.operations.create(method="GET", path="/a", parameters=[given])
    connection.service.operations.create(method="GET", path="/longer", parameters=[])

    assert shown(signed_in).context["guide"].sample.path == "/longer"


@pytest.mark.parametrize(
    ("limits", "call"),
    [
        ({"allowed_paths": ["/v2", "/v3"]}, ("GET", "/v2")),
        ({"allowed_paths": ["/me"]}, ("GET", "/me?x=1")),
        ({"allowed_methods": ["POST", "PUT"]}, ("POST", "/")),
        ({"allowed_methods": ["GET"], "allowed_paths": ["/pets"]}, ("GET", "/pets")),
    ],
)
def test_the_example_is_a_call_that_the_service_may_be_called_with(
    signed_in, connection, limits, call
):
    for name, value in limits.items():
        setattr(connection.service, name, value)
    connection.service.test = {"method": "GET", "path": "/me?x=1"}
    connection.service.save()

    sample = shown(signed_in).context["guide"].sample

    assert (sample.method, sample.path) == call


def test_summary_begins_with_the_snippets_until_a_flow_has_called(
    signed_in, connection, integration
):
    def is_first():
        page = signed_in.get("/connections/billing/").text
        return page.index("Use it from a flow") < page.index("Calls, last 30 days")

    before = is_first()
    CallDay.objects.create(
        connection=connection, integration=integration, day=timezone.localdate(), ok=1
    )

    assert (before, is_first()) == (True, False)


@pytest.mark.parametrize("url", ["/connections/billing/guide/", "/connections/billing/"])
def test_as_many_queries_with_many_integrations(
    signed_in, connection, django_assert_max_num_queries, url
):
    signed_in.get(url)
    for _ in range(5):
        Registration.objects.create(integration=IntegrationFactory(), connection=connection)

    with django_assert_max_num_queries(40 if url.endswith("billing/") else 20):
        signed_in.get(url)


# --- Activity ---------------------------------------------------------------------------------------


def test_activity_tells_what_happened_page_by_page(client, ada, connection):
    client.force_login(ada)
    for number in range(30):
        client.post("/connections/billing/rename/", {"name": f"Name {number}"})

    first = client.get("/connections/billing/activity/")

    assert first.content.decode().count("Ada renamed") == 25
    rest = client.get("/connections/billing/activity/", {"before": first.context["page"].older})
    assert rest.content.decode().count("Ada renamed") == 5
    assert "Ada created" in rest.content.decode()


def test_reading_the_activity_is_on_record_as_reading_the_log_is(client, ada, root, connection):
    client.force_login(ada)

    client.get("/connections/billing/activity/")

    event = Event.objects.latest("sequence")
    assert (event.actor, event.action) == ("Ada", "audit.read")
    client.force_login(root)
    found = client.get(f"/audit/?{event.detail['filters']}").context["page"].rows
    assert {found.object for found in found} == {"Billing"}


@pytest.mark.parametrize("tab", ["guide", "activity"])
def test_nobody_else_sees_them(client, eve, connection, tab):
    client.force_login(eve)

    assert client.get(f"/connections/billing/{tab}/").status_code == 404
