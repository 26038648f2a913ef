"""What an import would do: new, changed, taken, or not possible here."""

import pytest

from connhub.accounts.models import Environment
from connhub.connections import lifecycle
from connhub.connections.bundles import imports, preview
from connhub.connections.bundles.document import Bundle, Grant, Item, Place
from connhub.connections.bundles.preview import Choice, Decisions, State
from connhub.services.models import Service
from connhub.sharing import roles
from tests.conftest import CANARY
from tests.connections.bundles.conftest import PASSPHRASE
from tests.factories import AuthMethodFactory, ServiceFactory, connect

pytestmark = pytest.mark.django_db


@pytest.fixture
def acme(db):
    service = ServiceFactory(
        slug="acme", name="Acme", origin="default", base_url="https://{region}.acme.example",
        parameters=[{"name": "region", "label": "Region", "pattern": "^[a-z]+$", "required": True}],
    )  # fmt: skip
    return AuthMethodFactory(service=service)


def item(**more) -> Item:
    made = {
        "link_name": "crm", "name": "CRM", "service": "acme", "kind": "api_key", "label": "API key",
        "settings": [Place(None, {"region": "eu"})], "credentials": [Grant(None, {"key_1": CANARY})],
    }  # fmt: skip
    return Item(**made | more)


def look(by, *items, **decisions) -> list[preview.Entry]:
    return preview.look(Bundle({}, items), Decisions(**decisions), by)


def opened(file, by) -> Bundle:
    return imports.open_file(file, PASSPHRASE, by=by)


# --- New, changed, same, taken --------------------------------------------------------------------


def test_a_link_name_that_is_free_is_new(ada, acme):
    (entry,) = look(ada, item())

    assert (entry.state, entry.choice, entry.link_name) == (State.NEW, Choice.ADD, "crm")


def test_an_own_connection_that_differs_is_changed_field_by_field(ada, acme):
    connect(ada, method=acme, name="Old", link_name="crm", parameters={"region": "us"})

    (entry,) = look(ada, item(tags=["x"]))

    assert (entry.state, entry.choice) == (State.CHANGED, Choice.KEEP)
    assert [tuple(change) for change in entry.changes] == [
        ("Name", "Old", "CRM"),
        ("Tags", "", "x"),
        ("region", "us", "eu"),
        ("Credentials of all environments", "", "come from the file"),
    ]


def test_no_value_of_a_secret_is_in_the_differences(ada, acme):
    connect(ada, method=acme, link_name="crm", secret="before-" + CANARY)

    (entry,) = look(ada, item(client_id="x", client_secret=CANARY))

    assert CANARY not in str([tuple(change) for change in entry.changes])


def test_an_export_without_secrets_of_what_is_here_is_the_same(ada, keyed, connection, export):
    found = preview.look(opened(export(secrets=False), ada), Decisions(), ada)

    assert {entry.state for entry in found} == {State.SAME}


@pytest.mark.parametrize("whose", ["somebody else's", "a deleted one", "a super admin's view"])
def test_a_link_name_of_somebody_else_is_taken_and_no_more_is_said(ada, bob, root, acme, whose):
    theirs = connect(bob, method=acme, name="Secret plans", link_name="crm")
    if whose == "a deleted one":
        lifecycle.delete(theirs, by=bob)

    (entry,) = look(root if "super" in whose else ada, item(), existing="replace")

    assert (entry.state, entry.why, entry.changes, entry.existing) == (State.TAKEN, "", (), None)
    assert (entry.choice, entry.will) == (Choice.KEEP, "Kept as it is here")


def test_what_is_of_another_service_here_is_not_replaced(ada, acme):
    connect(ada, link_name="crm")

    (entry,) = look(ada, item(), existing="replace")

    assert (entry.state, entry.choice) == (State.TAKEN, Choice.KEEP)


def test_added_under_the_next_free_link_name(ada, bob, acme):
    connect(ada, method=acme, link_name="crm")
    connect(bob, method=acme, link_name="crm_2")

    found = look(ada, item(), item(link_name="crm_3"), existing="add")

    assert [entry.link_name for entry in found] == ["crm_4", "crm_3"]
    assert found[0].will == "Added as crm_4"


def test_a_long_link_name_stays_within_its_length(ada, acme):
    connect(ada, method=acme, link_name="x" * 50)

    (entry,) = look(ada, item(link_name="x" * 50), existing="add")

    assert entry.link_name == "x" * 48 + "_2"


def test_a_decision_that_is_not_possible_falls_back_to_keeping(ada, acme):
    (entry,) = look(ada, item(), single={"crm": "replace"}, existing="replace")

    assert (entry.state, entry.choice) == (State.NEW, Choice.ADD)


# --- Not possible here ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"link_name": "new"}, "Its link name can't be used here."),
        ({"link_name": "A b"}, "Its link name can't be used here."),
        ({"service": "nowhere"}, "There is no service “nowhere” here."),
        ({"kind": "basic"}, "The service here has no such auth method."),
        ({"kind": "magic"}, "The service here has no such auth method."),
        ({"settings": [Place("qa")]}, "There is no environment “qa” here."),
        ({"settings": [Place(None, {"zone": "x"})]}, "The service here doesn't know “zone”."),
        ({"settings": [Place(None, {"region": "e.u"})]}, "Region can't be used as it is."),
        ({"settings": [Place(None, {}, "http://127.0.0.1/")]}, "Its address can't be used."),
        ({"settings": [Place(None, {}, "https://a@b/")]}, "Its address can't be used."),
        ({"credentials": [Grant(None, {})]}, "A secret that the service asks for is missing."),
    ],
)
def test_what_can_not_be_here_is_left_out_and_told(ada, acme, changed, why):
    (entry,) = look(ada, item(**changed), existing="add", single={"crm": "add"})

    assert (entry.state, entry.why, entry.choice) == (State.BLOCKED, why, Choice.KEEP)


def test_what_a_driver_can_not_use_is_told_without_a_value(ada):
    service = ServiceFactory(slug="pg", driver="postgresql", origin="default")
    AuthMethodFactory(service=service, kind="database", label="Database", config={})
    where = {"host": "db.example", "port": "5432", "database": "crm", "user": "grace"}

    (entry,) = look(
        ada,
        item(
            service="pg", kind="database", label="Database", settings=[Place(None, where)],
            credentials=[Grant(None, {"password": CANARY + "\r"})],
        ),
    )  # fmt: skip

    assert (entry.state, CANARY in entry.why) == (State.BLOCKED, False)


@pytest.mark.parametrize(
    ("stage", "state"),
    [("development", State.NEW), ("production", State.BLOCKED), (None, State.BLOCKED)],
)
def test_members_import_for_the_lowest_environment_alone(eve, acme, stage, state):
    here = [Place(stage, {"region": "eu"})]

    (entry,) = look(eve, item(settings=here, credentials=[Grant(stage, {"key_1": "x"})]))

    assert entry.state == state


def test_a_member_replaces_nothing_that_serves_other_environments(ada, eve, acme):
    roles.grant(connect(ada, method=acme, link_name="crm"), eve, by=ada)
    lowest = [Place("development", {"region": "eu"})]

    (entry,) = look(eve, item(settings=lowest, credentials=[]), existing="replace")

    assert (entry.state, entry.choice) == (State.TAKEN, Choice.KEEP)


# --- Custom services ------------------------------------------------------------------------------


def test_a_custom_service_that_is_missing_would_be_made(ada, keyed, export):
    file = export()
    slug = keyed.service.slug
    keyed.credentials.all().delete()
    keyed.settings.all().delete()
    keyed.delete()
    Service.objects.filter(slug=slug).delete()

    (entry,) = preview.look(opened(file, ada), Decisions(), ada)

    assert (entry.state, entry.target.service.pk) == (State.NEW, None)


def test_a_member_makes_no_services(ada, eve, keyed, export):
    bundle = opened(export(), ada)
    bundle.items[0].service = "another"
    bundle.services["another"] = bundle.services[keyed.service.slug] | {"slug": "another"}

    assert preview.look(bundle, Decisions(), eve)[0].state == State.BLOCKED


@pytest.mark.parametrize(
    "change", [{"base_url": "https://evil.example"}, {"origin": "default"}], ids=str
)
def test_secrets_go_to_no_other_service_of_the_same_name(ada, keyed, export, change):
    file = export()
    Service.objects.filter(pk=keyed.service_id).update(**change)

    (entry,) = preview.look(opened(file, ada), Decisions(existing="add"), ada)

    assert (entry.state, "is a different service here" in entry.why) == (State.BLOCKED, True)


def test_a_service_that_says_the_same_in_other_words_is_the_same(ada, keyed, export):
    file = export()
    Service.objects.filter(pk=keyed.service_id).update(name="Renamed", summary="Other words")

    assert preview.look(opened(file, ada), Decisions(), ada)[0].state == State.CHANGED


def test_a_custom_service_that_can_not_travel_is_known_by_where_it_sends(ada, keyed, export):
    method = AuthMethodFactory(
        service__slug="steps", kind="two_step", label="x", config={"fields": [], "login": {}}
    )
    made = connect(ada, method=keyed.auth_method, link_name="steps")
    type(made).objects.filter(pk=made.pk).update(service=method.service, auth_method=method)
    bundle = opened(export(link_names=["steps"], secrets=False), ada)

    same = preview.look(bundle, Decisions(), ada)[0].state
    Service.objects.filter(slug="steps").update(base_url="https://evil.example")

    assert list(bundle.others) == ["steps"]
    assert (same, preview.look(bundle, Decisions(), ada)[0].state) == (State.SAME, State.BLOCKED)


# --- The fingerprint ------------------------------------------------------------------------------


def test_the_fingerprint_moves_with_what_is_here_and_not_with_decisions(ada, bob, acme):
    first = preview.fingerprint(look(ada, item()))
    decided = preview.fingerprint(look(ada, item(), single={"crm": "keep"}, existing="add"))
    made = connect(bob, method=acme, link_name="crm")
    taken = preview.fingerprint(look(ada, item()))
    made.delete()

    assert (first == decided, first == taken) == (True, False)


def test_looking_takes_the_same_queries_for_many(ada, acme, django_assert_num_queries):
    for n in range(9):
        connect(ada, method=acme, link_name=f"c{n}", environment=Environment.objects.first())
    few, many = ([item(link_name=f"c{n}") for n in range(count)] for count in (1, 9))

    for some in (few, many):
        with django_assert_num_queries(13):
            look(ada, *some)
