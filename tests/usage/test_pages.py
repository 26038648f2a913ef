"""Every page of an integration, by the cast."""

from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from connhub.accounts import environments
from connhub.accounts.models import Environment
from connhub.paging import SIZE
from connhub.sharing import roles
from connhub.usage import keys, projects, registration
from connhub.usage.models import Flow, IntegrationKey, Kind, Step
from tests.factories import IntegrationFactory, UserFactory, connect

HTMX = {"HX-Request": "true"}


def url(name, integration, *args):
    return reverse(f"usage:{name}", args=[integration.slug, *args])


@pytest.fixture
def registered(integration, connection, ada):
    registration.register(integration, [connection], by=ada)
    return connection


@pytest.fixture
def member(integration, eve, ada):
    projects.add_member(integration, eve, by=ada)
    return eve


@pytest.fixture
def key(integration, ada):
    made, _ = keys.issue(integration, environments.lowest(), name="laptop", by=ada)
    return made


def add_flow(integration, connection, slug="nightly"):
    flow = Flow.objects.create(slug=slug, name=slug.title(), integration=integration)
    Step.objects.create(flow=flow, kind="export", name="Orders", connection=connection)
    return flow


TABS = ["connections", "flows", "members", "keys"]


@pytest.mark.parametrize("tab", TABS)
@pytest.mark.parametrize(("who", "status"), [("ada", 200), ("root", 200), ("eve", 404)])
def test_pages_show_to_those_who_belong(
    client, request, integration, registered, key, tab, who, status
):
    client.force_login(request.getfixturevalue(who))

    response = client.get(url(tab, integration))

    assert response.status_code == status


@pytest.mark.parametrize("tab", TABS)
def test_pages_show_to_members(client, integration, registered, member, key, tab):
    client.force_login(member)

    response = client.get(url(tab, integration))

    assert response.status_code == 200
    assert "hx-get" not in response.text.partition('class="card"')[2].partition("</main>")[0]


CHANGES = [
    "register",
    "deregister",
    "add_member",
    "remove_member",
    "issue_key",
    "rotate_key",
    "revoke_key",
]


@pytest.fixture
def change_url(integration, registered, key, member):
    arguments = {
        "deregister": [registered.link_name],
        "remove_member": [member.public_id],
        "rotate_key": [key.pk],
        "revoke_key": [key.pk],
    }
    return lambda name: url(name, integration, *arguments.get(name, []))


@pytest.mark.parametrize("method", ["get", "post"])
@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize(("who", "status"), [("root", 403), ("eve", 403), ("bob", 404)])
def test_changes_are_for_admins_of_the_integration(
    client, request, change_url, method, change, who, status
):
    if (who, change) == ("root", "revoke_key"):
        status = 200 if method == "get" else 303  # a super admin may end any key
    client.force_login(request.getfixturevalue(who))

    response = getattr(client, method)(change_url(change))

    assert response.status_code == status


@pytest.mark.parametrize("headers", [{}, HTMX])
@pytest.mark.parametrize("change", CHANGES)
def test_changes_ask_first_on_a_page_or_in_the_pop_up(client, ada, change_url, change, headers):
    client.force_login(ada)

    response = client.get(change_url(change), headers=headers)

    assert response.status_code == 200
    assert ("<html" in response.text) == (not headers)


def test_list_shows_counts_of_what_the_person_sees(client, ada, integration, registered, key):
    IntegrationFactory(name="Somebody else's")
    add_flow(integration, registered)
    client.force_login(ada)

    (row,) = client.get(reverse("usage:integrations")).context["page"].rows

    assert (row.slug, row.connection_count, row.flow_count, row.key_count) == (
        "order-to-cash", 1, 1, 1,
    )  # fmt: skip


@pytest.mark.parametrize(("who", "offered"), [("ada", True), ("root", True), ("eve", False)])
def test_empty_list_offers_the_next_step_to_those_who_may(client, request, who, offered):
    client.force_login(request.getfixturevalue(who))

    response = client.get(reverse("usage:integrations"))

    assert ("Create integration" in response.text) == offered
    assert "No integrations yet" in response.text


def test_create_makes_a_project_and_goes_to_the_integration(client, ada):
    client.force_login(ada)
    typed = {"name": "Lead sync", "slug": "lead-sync", "new_project": "Sales"}

    response = client.post(reverse("usage:create"), typed)

    assert response.status_code == 303
    assert response.url == "/integrations/lead-sync/connections/"


@pytest.mark.parametrize(
    ("typed", "field"),
    [
        ({"slug": "new"}, "slug"),
        ({"slug": "9lives"}, "slug"),
        ({"slug": "order-to-cash"}, "slug"),
        ({"name": "two\nlines"}, "name"),
        ({"new_project": ""}, "new_project"),
        ({"project": "order", "new_project": "Sales"}, "new_project"),
    ],
)
def test_create_says_what_is_wrong(client, ada, integration, typed, field):
    integration.project.slug = "order"
    integration.project.save()
    client.force_login(ada)
    good = {"name": "Lead sync", "slug": "lead-sync", "new_project": "Sales"}

    response = client.post(reverse("usage:create"), good | typed)

    assert response.status_code == 200
    assert list(response.context["form"].errors) == [field]


@pytest.mark.parametrize(("who", "status"), [("ada", 200), ("root", 200), ("eve", 403)])
def test_create_takes_the_role_admin(client, request, who, status):
    client.force_login(request.getfixturevalue(who))

    response = client.get(reverse("usage:create"))

    assert response.status_code == status


def test_register_pop_up_lists_what_the_person_may_bring(client, ada, bob, integration, registered):
    connect(ada, name="Sales CRM", link_name="sales_crm")
    connect(bob, name="Bob's own", link_name="bobs")
    client.force_login(ada)

    response = client.get(url("register", integration), headers=HTMX)

    assert [c.link_name for c in response.context["form"].found] == ["sales_crm"]


def test_register_search_keeps_what_is_ticked(client, ada, integration):
    for name in ("sales_crm", "warehouse", "support"):
        connect(ada, name=name, link_name=name)
    client.force_login(ada)

    query = {"q": "WARE", "connections": ["sales_crm"]}
    response = client.get(url("register", integration), query, headers=HTMX)

    assert [c.link_name for c in response.context["form"].found] == ["sales_crm", "warehouse"]
    assert response.text.count(" checked") == 1


def test_register_search_without_javascript_registers_nothing(client, ada, integration, connection):
    client.force_login(ada)

    typed = {"q": "bill", "connections": ["billing"], "search": "1"}
    response = client.post(url("register", integration), typed)

    assert response.status_code == 200
    assert integration.registrations.count() == 0


def test_register_registers_what_is_ticked(client, ada, integration, connection):
    client.force_login(ada)

    typed = {"connections": ["billing"]}
    response = client.post(url("register", integration), typed, headers=HTMX)

    assert response.status_code == 204
    assert "registration-changed" in response["HX-Trigger"]
    assert integration.registrations.get().connection == connection


def test_register_says_who_gains_by_what_is_ticked(client, ada, eve, integration, connection):
    projects.add_member(integration, eve, by=ada)
    roles.grant(connect(ada, name="Ledger", link_name="ledger"), eve, by=ada)
    client.force_login(ada)
    ticks = HTMX | {"HX-Target": "gains"}

    listed = client.get(url("register", integration))
    known = client.get(url("register", integration), {"connections": "ledger"}, headers=ticks)
    new = client.get(url("register", integration), {"connections": "billing"}, headers=ticks)
    done = client.post(url("register", integration), {"connections": ["billing"]}, follow=True)

    assert "<b>1 person gains access</b> to one or more of these: Eve." in listed.text
    assert known.text.count("<b>Nobody new gains access:</b>") == 1
    assert "<b>1 person gains access</b> to what you ticked: Eve." in new.text
    assert "<html" not in new.text and "ledger" not in new.text
    assert [str(m) for m in done.context["messages"]] == ["Registered Billing: Eve gained access."]


@pytest.mark.parametrize("chosen", [[], ["nothing"], ["bobs"], ["\0"], ["billing", "bobs"]])
def test_register_refuses_what_is_not_offered(client, ada, bob, integration, chosen):
    connect(bob, name="Bob's own", link_name="bobs")
    client.force_login(ada)

    response = client.post(url("register", integration), {"connections": chosen})

    assert response.status_code == 200
    assert list(response.context["form"].errors) == ["connections"]
    assert integration.registrations.count() == 0


def test_register_is_not_offered_for_integration_apps(client, ada, integration, connection):
    integration.kind = Kind.APP
    integration.save()
    client.force_login(ada)

    page = client.get(url("connections", integration))
    response = client.post(url("register", integration), {"connections": ["billing"]})

    assert "Register connections" not in page.text
    assert response.status_code == 409


def test_connections_in_use_and_not_registered_are_marked(client, ada, integration, connection):
    add_flow(integration, connection)
    client.force_login(ada)

    response = client.get(url("connections", integration))

    assert response.text.count("In use, not registered") == 1
    assert "Deregister" not in response.text


def test_deregister_says_how_many_flows_keep_working(client, ada, integration, registered):
    add_flow(integration, registered)
    client.force_login(ada)

    asked = client.get(url("deregister", integration, "billing"))
    done = client.post(url("deregister", integration, "billing"))

    assert "<b>1 flow</b> of Order to cash uses it and keeps working." in asked.text
    assert done.status_code == 303
    assert integration.registrations.count() == 0


def test_flows_show_what_runs_elsewhere_over_registered_connections_by_name_alone(
    client, integration, registered, member
):
    hidden = IntegrationFactory(name="Not for Eve", slug="not-for-eve")
    add_flow(hidden, registered, slug="secret-flow")
    client.force_login(member)

    response = client.get(url("flows", integration))

    assert [step.name for step in response.context["elsewhere"]] == ["Orders"]
    assert "Not for Eve" not in response.text
    assert "secret-flow" not in response.text.lower()


def test_add_member_gives_access(client, ada, eve, integration):
    client.force_login(ada)

    response = client.post(url("add_member", integration), {"email": "EVE@acme.example"})

    assert response.status_code == 303
    assert integration.memberships.get().user == eve


def test_add_member_says_the_same_of_unknown_and_deactivated(client, ada, eve, integration):
    eve.is_active = False
    eve.save()
    client.force_login(ada)

    errors = [
        client.post(url("add_member", integration), {"email": email}).context["form"].errors
        for email in ("eve@acme.example", "nobody@acme.example")
    ]

    assert errors[0] == errors[1]
    assert integration.memberships.count() == 0


def test_removed_member_finds_nothing_on_the_next_request(client, ada, member, integration):
    client.force_login(ada)
    client.post(url("remove_member", integration, member.public_id))

    client.force_login(member)
    response = client.get(url("connections", integration))

    assert response.status_code == 404


def test_new_key_is_shown_once(client, ada, integration):
    client.force_login(ada)

    typed = {"name": "laptop", "days": "30"}
    shown = client.post(url("issue_key", integration), typed, headers=HTMX)
    listed = client.get(url("keys", integration))

    token = shown.context["token"]
    key = IntegrationKey.objects.get()
    assert shown.text.count(token) == 1
    assert "It is not shown again" in shown.text
    assert token not in listed.text
    assert key.prefix in listed.text
    assert key.environment == environments.lowest()
    assert key.expires_at - key.issued_at < timedelta(days=30, minutes=1)


@pytest.mark.parametrize("typed", [{"name": ""}, {"days": "9999"}, {"days": "x"}])
def test_issue_key_says_what_is_wrong(client, ada, integration, typed):
    client.force_login(ada)

    response = client.post(url("issue_key", integration), {"name": "laptop", "days": "30"} | typed)

    assert list(response.context["form"].errors) == list(typed)
    assert IntegrationKey.objects.count() == 0


def test_issue_key_page_makes_keys_of_the_lowest_environment_alone(client, ada, integration):
    client.force_login(ada)

    typed = {"name": "laptop", "days": "30", "environment": "production"}
    client.post(url("issue_key", integration), typed)

    assert IntegrationKey.objects.get().environment.slug == "development"


def test_a_key_is_rotated_and_the_page_says_what_follows_it(client, ada, integration, key):
    client.force_login(ada)

    offered = client.get(url("keys", integration))
    shown = client.post(url("rotate_key", integration, key.pk), {"overlap": 24, "days": 30})
    listed = client.get(url("keys", integration))

    old, new = IntegrationKey.objects.order_by("issued_at")
    rotate_url = url("rotate_key", integration, key.pk)
    assert keys.authenticate(shown.context["token"]) == new
    assert (new.name, new.environment, new.replaces) == (old.name, old.environment, old)
    assert abs(old.expires_at - timezone.now() - timedelta(days=1)) < timedelta(minutes=1)
    assert f', then <span class="mono">{new.prefix}…' in listed.text
    assert rotate_url in offered.text
    assert rotate_url not in listed.text


def test_a_key_of_a_higher_environment_is_not_rotated_on_a_page(client, ada, integration):
    production = Environment.objects.get(slug="production")
    key, _ = keys.issue(integration, production, name="nightly", by=ada)
    client.force_login(ada)

    listed = client.get(url("keys", integration))
    answer = client.get(url("rotate_key", integration, key.pk))

    assert answer.status_code == 404
    assert url("rotate_key", integration, key.pk) not in listed.text


@pytest.mark.parametrize("typed", [{"overlap": "0"}, {"overlap": "x"}, {"days": "9999"}])
def test_rotate_key_says_what_is_wrong(client, ada, integration, key, typed):
    client.force_login(ada)

    sent = {"overlap": "24", "days": "30"} | typed
    response = client.post(url("rotate_key", integration, key.pk), sent)

    assert list(response.context["form"].errors) == list(typed)
    assert IntegrationKey.objects.get().expires_at == key.expires_at


def test_keys_are_shown_page_by_page(client, ada, integration):
    for number in range(SIZE + 2):
        keys.issue(integration, environments.lowest(), name=f"key {number}", by=ada)
    client.force_login(ada)

    first = client.get(url("keys", integration)).context["page"]
    second = client.get(url("keys", integration), {"before": first.older}).context["page"]

    assert [len(first.rows), len(second.rows)] == [SIZE, 2]
    assert {key.name for key in [*first.rows, *second.rows]} == {
        f"key {number}" for number in range(SIZE + 2)
    }


def test_keys_page_names_the_command_for_higher_environments(client, ada, integration):
    client.force_login(ada)

    response = client.get(url("keys", integration))

    assert "issue_key order-to-cash staging" in response.text


def test_revoke_key_page_revokes(client, ada, integration, key):
    client.force_login(ada)

    response = client.post(url("revoke_key", integration, key.pk))

    key.refresh_from_db()
    assert response.status_code == 303
    assert not key.is_usable


def test_key_of_another_integration_is_not_found(client, ada, integration, key):
    other = projects.create("Other", slug="other", project="Other", by=ada)
    client.force_login(ada)

    response = client.post(url("revoke_key", other, key.pk))

    assert response.status_code == 404


def add_row(number, integration, ada):
    """One more row on every page: a connection, a flow, a member, a key."""
    made = connect(ada, name=f"Connection {number}", link_name=f"connection_{number}")
    registration.register(integration, [made], by=ada)
    add_flow(integration, made, slug=f"flow-{number}")
    add_flow(IntegrationFactory(), made, slug=f"outside-{number}")
    projects.add_member(integration, UserFactory(), by=ada)
    keys.issue(integration, environments.lowest(), name=f"key {number}", by=ada)


@pytest.mark.parametrize(
    ("tab", "queries"),
    [
        ("connections", 9),
        ("flows", 8),
        ("members", 7),
        ("keys", 8),
        ("register", 11),
    ],
)
def test_pages_make_as_many_queries_with_3_rows_as_with_1(
    client, ada, integration, django_assert_num_queries, tab, queries
):
    client.force_login(ada)
    add_row(1, integration, ada)
    connect(ada, name="To register", link_name="to_register_1")
    client.get(url(tab, integration))

    with django_assert_num_queries(queries):
        client.get(url(tab, integration))
    for number in (2, 3):
        add_row(number, integration, ada)
        connect(ada, name="To register", link_name=f"to_register_{number}")
    with django_assert_num_queries(queries):
        client.get(url(tab, integration))


def test_list_makes_as_many_queries_with_3_rows_as_with_1(
    client, ada, integration, django_assert_num_queries
):
    client.force_login(ada)
    client.get(reverse("usage:integrations"))

    with django_assert_num_queries(4):
        client.get(reverse("usage:integrations"))
    for number in (2, 3):
        projects.create(f"More {number}", slug=f"more-{number}", project="More", by=ada)
    with django_assert_num_queries(4):
        client.get(reverse("usage:integrations"))


def test_side_bar_counts_the_integrations_that_the_person_sees(client, ada, integration):
    IntegrationFactory()
    client.force_login(ada)

    response = client.get(reverse("usage:integrations"))

    assert '<span class="count">1</span>' in response.text


def test_django_admin_shows_keys_without_their_hash(client, root, key):
    client.force_login(root)

    response = client.get(reverse("admin:usage_integrationkey_change", args=[key.pk]))

    assert response.status_code == 200
    assert key.prefix in response.text
    assert key.digest not in response.text
