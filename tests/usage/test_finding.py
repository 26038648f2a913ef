"""Find Usage: what is declared beside what was observed, as a picture and as a table."""

import re
from datetime import timedelta
from itertools import pairwise

import pytest
from django.utils import timezone

from connhub.sharing import roles
from connhub.usage import projects, registration
from connhub.usage.models import (
    App,
    Availability,
    CallStep,
    CallTally,
    DataObject,
    Flow,
    Integration,
    Registration,
    Step,
)
from connhub.usage.reach.drawing import BOX, ROW
from tests.factories import IntegrationFactory, ProjectFactory, function_over

pytestmark = pytest.mark.django_db

HTMX = {"HX-Request": "true"}
USAGE = "/connections/billing/usage/"
TABLE = f"{USAGE}?view=table"


@pytest.fixture
def registered(connection, integration, ada) -> Integration:
    registration.register(integration, [connection], by=ada)
    return integration


@pytest.fixture
def elsewhere(connection) -> Integration:
    """Uses the connection, and nobody of the cast but super admins sees it."""
    made = IntegrationFactory(name="Payroll")
    add_flow(made, connection, "wages", "Salaries", "Bonuses")
    return made


def add_flow(integration, connection, slug="nightly", *steps) -> Flow:
    flow = Flow.objects.create(slug=slug, name=slug.title(), integration=integration)
    Step.objects.bulk_create(
        Step(flow=flow, kind="export", name=name, connection=connection)
        for name in steps or ("Orders",)
    )
    return flow


def observe(connection, integration, flow="", step="", **sums) -> None:
    sums = {"ok": 3, "last_at": timezone.now()} | sums
    CallStep.objects.create(
        connection=connection, integration=integration, flow=flow, step=step, **sums
    )


def boxes(response) -> dict[str, str]:
    return {node.title: node.note for node in response.context["picture"].nodes}


def words(response) -> str:
    """What a page says of the usage, without its markup."""
    return " ".join(re.sub(r"<[^>]*>", " ", response.text).split())


# --- Who sees what --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("who", "status"), [("ada", 200), ("bob", 200), ("root", 200), ("eve", 404)]
)
@pytest.mark.parametrize("url", [USAGE, TABLE])
def test_usage_shows_to_whoever_sees_the_connection(client, request, connection, who, status, url):
    client.force_login(request.getfixturevalue(who))

    assert client.get(url).status_code == status


def test_members_find_usage_and_nothing_else_of_the_connection(
    client, ada, eve, connection, registered, elsewhere
):
    projects.add_member(registered, eve, by=ada)
    client.force_login(eve)

    page = client.get(TABLE)
    listed = client.get(f"/integrations/{registered.slug}/connections/")

    assert "In other integrations – Bonuses Export" in words(page)
    assert "Payroll" not in page.text
    assert "Wages" not in page.text
    assert '<a href="/connections/billing/' not in page.text
    assert f'<a class="svc" href="{USAGE}">' in listed.text


def test_names_are_for_members_where_the_registration_is_in_force(
    client, ada, bob, connection, registered, elsewhere
):
    client.force_login(ada)
    before = client.get(TABLE)
    flows_before = client.get(f"/integrations/{registered.slug}/flows/")
    Availability.objects.create(connection=connection, integration=elsewhere)

    after = client.get(TABLE)
    flows_after = client.get(f"/integrations/{registered.slug}/flows/")

    assert "Salaries" in before.text
    assert "Salaries" in flows_before.text
    assert "Salaries" not in after.text
    assert "Salaries" not in flows_after.text


def test_flows_page_says_that_names_are_cut(client, ada, connection, registered):
    add_flow(IntegrationFactory(), connection, "many", *map(str, range(101)))
    client.force_login(ada)

    page = client.get(f"/integrations/{registered.slug}/flows/")

    assert len(page.context["elsewhere"]) == 100
    assert "These are the first 100; there are more." in page.text


@pytest.mark.parametrize("url", [USAGE, TABLE])
def test_what_the_person_may_not_see_is_counted_by_things(client, bob, connection, elsewhere, url):
    Registration.objects.create(integration=elsewhere, connection=connection)
    function_over(connection, name="secret", integration=elsewhere)
    observe(connection, elsewhere, "hidden-flow", "x")
    client.force_login(bob)

    page = client.get(url, headers=HTMX)

    hidden = "and 1 integration, 1 flow and 1 function that you cannot see"
    assert hidden in words(page)
    assert not re.search("Payroll|Wages|Salaries|secret|hidden-flow", page.text)
    assert "<html" not in page.text


def test_calls_of_an_integration_that_is_gone_are_nobodys(client, ada, connection, registered):
    observe(connection, registered, "nightly", "Orders")
    CallStep.objects.update(integration=999_999)
    client.force_login(ada)

    page = client.get(USAGE)

    assert page.context["usage"].hidden_in_words == ""
    assert "nightly" not in page.text


# --- Declared beside observed ---------------------------------------------------------------------


def test_picture_says_of_each_step_what_was_observed(client, ada, connection, registered):
    now = timezone.now()
    add_flow(registered, connection, "nightly", "Orders", "Prices", "Stock")
    observe(connection, registered, "nightly", "Orders", last_at=now - timedelta(minutes=2))
    observe(connection, registered, "nightly", "Prices", failed=1, last_at=now, last_failed_at=now)
    observe(connection, registered, "nightly", "Guests")
    observe(connection, registered, "unheard-of", "Anything")
    client.force_login(ada)

    page = client.get(USAGE)

    assert boxes(page) == {
        "Billing": str(connection.service),
        "Order to cash": "integration · registered",
        "Nightly": "flow",
        "Guests": "used, not declared",
        "Prices": "export · failed just now",
        "Orders": "export · 2 min ago",
        "Stock": "export · never",
        "unheard-of": "used, not declared",
        "Anything": "used, not declared",
    }
    tones = {node.title: node.tone for node in page.context["picture"].nodes if node.tone}
    assert tones == {
        "Billing": "target", "Guests": "warn", "Prices": "bad", "unheard-of": "warn",
        "Anything": "warn",
    }  # fmt: skip
    assert [line.is_dashed for line in page.context["picture"].lines].count(True) == 1
    assert "Order to cash: integration · registered Nightly: flow Guests: used, not" in words(page)


def test_table_counts_calls_and_failures(client, ada, connection, registered):
    add_flow(registered, connection, "nightly", "Orders", "Stock")
    now = timezone.now()
    observe(
        connection, registered, "nightly", "Orders",
        ok=1200, failed=34, last_at=now, last_failed_at=now - timedelta(hours=3),
    )  # fmt: skip
    client.force_login(ada)

    said = words(client.get(TABLE))

    assert "Order to cash registered Nightly Orders Export 1,234 34 3 h ago just now" in said
    assert "Stock Export 0 0 never" in said


def test_calls_count_before_the_worker_has_added_them(client, ada, connection, registered):
    add_flow(registered, connection)
    earlier, now = timezone.now() - timedelta(days=3), timezone.now()
    observe(connection, registered, "nightly", "Orders", ok=5, last_at=earlier)
    for ok, failed in ((2, 0), (1, 4)):
        CallTally.objects.create(
            day=now.date(), connection=connection, integration=registered, flow="nightly",
            step="Orders", environment_id=1, ok=ok, failed=failed, last_at=now,
            last_failed_at=now if failed else None,
        )  # fmt: skip
    client.force_login(ada)

    assert "Nightly Orders Export 12 4 just now just now Failed" in words(client.get(TABLE))


def test_what_failed_before_its_last_call_went_well_is_not_failing_before_it_is_added_up(
    client, ada, connection, registered
):
    add_flow(registered, connection)
    now = timezone.now()
    CallTally.objects.create(
        day=now.date(), connection=connection, integration=registered, flow="nightly",
        step="Orders", environment_id=1, ok=1, failed=4, last_at=now,
        last_failed_at=now - timedelta(seconds=1),
    )  # fmt: skip
    client.force_login(ada)

    assert "Nightly Orders Export 5 4 just now just now" in words(client.get(TABLE))
    assert "Failed" not in words(client.get(TABLE)).partition("Orders")[2]


def test_calls_that_name_no_step_are_no_sign_of_a_missing_declaration(
    client, ada, connection, registered
):
    other = projects.create("Silent", slug="silent", project="Other", by=ada)
    add_flow(registered, connection)
    observe(connection, registered, "nightly", "")
    observe(connection, other, "", "")
    client.force_login(ada)

    page = client.get(USAGE)

    picture = [(node.title, node.note) for node in page.context["picture"].nodes]
    assert ("No step named", "just now") in picture
    assert ("No step named", "used, not declared") in picture
    assert ("Silent", "no longer registered") in picture


def test_function_is_observed_by_the_name_it_calls_under(client, ada, connection, registered):
    for name in ("sync", "report"):
        function_over(connection, name=name, integration=registered)
    observe(connection, registered, "sync")
    client.force_login(ada)

    page = client.get(USAGE)

    assert boxes(page)["sync"] == "function · just now"
    assert boxes(page)["report"] == "function · never"
    assert "2 functions" in page.text


def test_use_without_registration_is_said(client, ada, connection, registered):
    add_flow(registered, connection)
    registration.deregister(registered, connection, by=ada)
    client.force_login(ada)

    page = client.get(USAGE)
    table = client.get(TABLE)

    (box,) = [node for node in page.context["picture"].nodes if node.title == "Order to cash"]
    assert (box.note, box.tone) == ("in use, not registered", "warn")
    assert '<span class="pill warn">In use, not registered</span>' in table.text


def test_connection_of_the_project_needs_no_registration(client, ada, connection, integration):
    add_flow(integration, connection)
    Availability.objects.create(connection=connection, project=integration.project)
    client.force_login(ada)

    assert boxes(client.get(USAGE))["Order to cash"] == "integration · of its project"


def test_narrowed_elsewhere_is_said(client, ada, connection, registered):
    Availability.objects.create(connection=connection, project=ProjectFactory())
    client.force_login(ada)

    assert boxes(client.get(USAGE))["Order to cash"] == "not available here"


def test_data_objects_stand_with_their_app(client, ada, connection):
    app = App.objects.create(slug="field", name="Field service")
    for name in ("Customers", "Visits"):
        DataObject.objects.create(app=app, name=name, connection=connection)
    client.force_login(ada)

    page, table = client.get(USAGE), client.get(TABLE)

    assert boxes(page)["Field service"] == "2 external data objects"
    assert page.context["counts"] == "0 integrations · 0 flows · 2 data objects"
    assert "Field service app – Customers External data object – – – – Visits" in words(table)


def test_flow_that_stands_alone_shows_to_super_admins(client, root, ada, connection):
    add_flow(None, connection, "alone")
    client.force_login(root)
    seen = client.get(USAGE)
    client.force_login(ada)

    assert boxes(seen)["No integration"] == "stands alone"
    assert boxes(client.get(USAGE))["You cannot see"] == "1 flow"


# --- Many -----------------------------------------------------------------------------------------


def fill(connection, ada, uses: int) -> None:
    """So many steps: of integrations with 10 flows each of 5, the last one in a flow that failed."""
    places = [IntegrationFactory(name=f"Integration {n:02}") for n in range(-(-uses // 50))]
    Registration.objects.bulk_create(
        Registration(integration=place, connection=connection) for place in places
    )
    for place in places:
        roles.grant(place, ada, by=ada)
    flows = Flow.objects.bulk_create(
        Flow(slug=f"flow-{n}", name=f"Flow {n:03}", integration=places[n // 10])
        for n in range(-(-uses // 5))
    )
    Step.objects.bulk_create(
        Step(flow=flows[n // 5], kind="import", name=f"Step {n:04}", connection=connection)
        for n in range(uses)
    )
    now = timezone.now()
    last = f"flow-{(uses - 1) // 5}"
    observe(
        connection, places[-1], last, f"Step {uses - 1:04}",
        failed=1, last_at=now, last_failed_at=now,
    )  # fmt: skip


def folded_of(branch) -> int:
    """How many steps a branch of the picture draws or counts, as its words say."""
    number = re.search(r"(?:and )?([\d,]+) (?:more|\w+s?\b)", branch.node.title)
    if "folded" not in branch.node.tone:
        return sum(map(folded_of, branch.branches)) if branch.branches else 1
    word = branch.node.note if "more" in branch.node.title else branch.node.title
    each = {"integration": 50, "flow": 5, "step": 1}
    return int(number[1].replace(",", "")) * next(n for w, n in each.items() if w in word)


@pytest.mark.parametrize("uses", [1, 30, 200, 2_000])
def test_picture_has_room_for_all_or_counts_them(
    client, ada, connection, uses, django_assert_max_num_queries
):
    fill(connection, ada, uses)
    client.force_login(ada)
    client.get(USAGE)

    with django_assert_max_num_queries(12):
        page = client.get(USAGE)

    picture = page.context["picture"]
    places = {(node.x, node.y) for node in picture.nodes}
    assert len(places) == len(picture.nodes) <= 70
    for column in {x for x, _ in places}:
        rows = sorted(y for x, y in places if x == column)
        assert all(below - above >= ROW for above, below in pairwise(rows))
        assert rows[0] >= 0
        assert rows[-1] + BOX[1] <= picture.height <= 20 * ROW
    assert max(x for x, _ in places) + BOX[0] <= picture.width
    assert folded_of(picture.root) == uses
    assert len(picture.lines) == len(picture.nodes) - 1
    # What failed is drawn, however much is folded, or the box that stands for it says so.
    assert any("failed" in node.note or "to look at" in node.note for node in picture.nodes)


def test_table_of_many_comes_in_pages_and_of_one_integration(
    client, ada, connection, django_assert_max_num_queries
):
    fill(connection, ada, 200)
    client.force_login(ada)
    client.get(TABLE)

    with django_assert_max_num_queries(12):
        first = client.get(TABLE)
    second = client.get(f"{TABLE}&page=2")
    (place, *_) = first.context["usage"].places
    one = client.get(f"{TABLE}&in={place.slug}")

    assert "1–100 of 200" in first.text
    assert "101–200 of 200" in second.text
    assert "1–50 of 50" in one.text
    assert {row.place.slug for row in one.context["table"].rows} == {place.slug}


@pytest.mark.parametrize(
    "nonsense", ["?view=nonsense", "?view=table&page=-1", "?view=table&page=x&in=nowhere",
                 "?view=table&page=999999999999", "?view=table&page=0", "?view=table&in=%00"]
)  # fmt: skip
def test_nonsense_is_answered_like_nothing(client, ada, connection, registered, nonsense):
    client.force_login(ada)

    assert client.get(USAGE + nonsense).status_code == 200


def test_unused_connection_says_so(client, ada, connection):
    client.force_login(ada)

    assert "Not used anywhere yet" in client.get(USAGE).text


def test_same_queries_with_3_integrations_as_with_1(
    client, ada, connection, registered, django_assert_num_queries
):
    client.force_login(ada)
    add_flow(registered, connection)
    client.get(USAGE)

    with django_assert_num_queries(10):
        client.get(USAGE)
    for number in (2, 3):
        more = projects.create(f"More {number}", slug=f"more-{number}", project="More", by=ada)
        registration.register(more, [connection], by=ada)
        add_flow(more, connection, slug=f"more-{number}")
    with django_assert_num_queries(10):
        client.get(USAGE)
