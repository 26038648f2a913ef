"""The pages of flows, of an integration and standing alone, as people use them."""

import pytest
from django.urls import reverse

from connhub.connections.models import Connection
from connhub.forms import mistakes
from connhub.usage import flow_forms, flows, projects, registration
from connhub.usage.models import Flow, Registration
from tests.factories import IntegrationFactory, connect

pytestmark = pytest.mark.django_db
HTMX = {"HX-Request": "true"}
FLOWS = "/integrations/order-to-cash/flows/"


def typed(*steps, **more):
    """As the form sends it: each step is a name, a kind and a connection."""
    sent = {"name": "Nightly", "slug": "nightly", "row": [], **more}
    for number, values in enumerate(steps):
        sent["row"].append(str(number))
        for field, value in zip(("name", "kind", "connection"), values, strict=True):
            sent[f"step-{number}-{field}"] = value
    return sent


ORDERS = ("Orders", "export", "billing")


def save_new(*steps, integration, by, slug="nightly"):
    declared = [flows.DeclaredStep(*step) for step in steps]
    made = flows.create(slug, name=slug.title(), steps=declared, integration=integration, by=by)
    return made.thing


@pytest.fixture
def signed_in(client, ada):
    client.force_login(ada)
    return client


@pytest.fixture
def member(integration, eve, ada):
    projects.add_member(integration, eve, by=ada)
    return eve


def found(response, number=0):
    row = response.context["form"].rows[number]
    return [connection.link_name for connection in row.found or ()]


def messages(response):
    return [str(message) for message in response.context["messages"]]


def test_new_flow_shows_who_gains_before_and_after(signed_in, integration, connection, member):
    asked = signed_in.post(f"{FLOWS}new/", typed(ORDERS))

    assert "Register 1 connection with Order to cash?" in asked.text
    assert "<b>1 person gains access:</b> Eve." in asked.text
    assert (Flow.objects.count(), Registration.objects.count()) == (0, 0)

    done = signed_in.post(f"{FLOWS}new/", typed(ORDERS, seen=["billing"]), follow=True)

    assert done.redirect_chain == [("/integrations/order-to-cash/flows/nightly/", 303)]
    assert messages(done) == ["Nightly is saved. Registered Billing: Eve gained access."]
    assert integration.registrations.get().how == "automatic"


def test_what_is_asked_first_sends_everything_again(signed_in, integration, connection):
    sent = typed(ORDERS, ("Bills", "import", "billing"))

    asked = signed_in.post(f"{FLOWS}new/", sent).context["typed"]
    back = signed_in.post(f"{FLOWS}new/", dict(asked) | {"back": "1"})

    assert dict(asked) == {n: v if isinstance(v, list) else [v] for n, v in sent.items()}
    assert [row["name"].value() for row in back.context["form"].rows] == ["Orders", "Bills"]
    assert Flow.objects.count() == 0


def test_somebody_else_s_connection_is_refused_beside_its_step(signed_in, bob, integration):
    connect(bob, name="Bob's own", link_name="bobs")

    response = signed_in.post(f"{FLOWS}new/", typed(("Orders", "export", "bobs")))

    (row,) = response.context["form"].parts
    assert row.errors["connection"] == [
        "There is no connection of this name that you may use here."
    ]
    assert response.text.count('role="alert"') == 1
    assert Flow.objects.count() == 0


@pytest.mark.parametrize(
    ("sent", "errors"),
    [
        (typed(ORDERS, name=""), ["Flow name"]),
        (typed(ORDERS, slug="new"), ["Slug"]),
        (typed(ORDERS, slug="Upper"), ["Slug"]),
        (typed(ORDERS, slug="taken"), ["Slug"]),
        (typed(("", "export", "billing")), ["Step 1: Step"]),
        (typed(("Orders", "export", "")), ["Step Orders: Connection"]),
        (typed(("Orders", "neither", "billing")), ["Step Orders: Kind"]),
        (typed(("Orders", "export", "\0")), ["Step Orders: Connection"] * 2),
        (typed(ORDERS, ORDERS), ["Step Orders: Step"]),
    ],
)
def test_what_is_wrong_is_said(signed_in, ada, integration, connection, sent, errors):
    save_new(integration=None, by=ada, slug="taken")

    response = signed_in.post(f"{FLOWS}new/", sent)

    assert [mistake.label for mistake in mistakes(response.context["form"])] == errors
    assert Flow.objects.count() == 1


def test_steps_are_added_and_taken_away_with_and_without_javascript(
    signed_in, integration, connection
):
    for headers in ({}, HTMX):
        more = signed_in.post(f"{FLOWS}new/", typed(ORDERS, add="1"), headers=headers)
        sent = typed(ORDERS, ("Bills", "import", ""), remove="0")
        less = signed_in.post(f"{FLOWS}new/", sent, headers=headers)

        shown = [
            [(row.number, row["name"].value()) for row in response.context["form"].rows]
            for response in (more, less)
        ]
        assert shown == [[(0, "Orders"), (1, "")], [(1, "Bills")]]
        assert ("<html" in more.text) == (not headers)
    assert Flow.objects.count() == 0


@pytest.mark.parametrize("number", ["", "x", "-1", "99999999999", "²"])
def test_senseless_numbers_change_nothing(signed_in, integration, connection, number):
    sent = typed(ORDERS, row=[number], remove=number, search=number, choices=number)

    assert signed_in.post(f"{FLOWS}new/", sent).status_code == 200


def test_connections_are_searched_for_one_step(signed_in, ada, integration, connection):
    for name in ("sales_crm", "warehouse"):
        connect(ada, name=name, link_name=name)
    sent = typed(ORDERS, ("Bills", "import", "")) | {"step-1-q": "WARE"}

    typing = signed_in.post(f"{FLOWS}new/", sent | {"choices": "1"}, headers=HTMX)
    plain = signed_in.post(f"{FLOWS}new/", sent | {"search": "1"})
    change = signed_in.post(f"{FLOWS}new/", sent | {"search": "0"})

    assert [found(each, 1) for each in (typing, plain)] == [["warehouse"]] * 2
    assert '<input type="search"' not in typing.text
    assert "sales_crm" not in typing.text
    assert (found(plain), found(change)) == ([], ["billing", "sales_crm", "warehouse"])


def test_members_choose_what_is_registered(client, ada, member, integration, connection):
    connect(ada, name="Sales CRM", link_name="sales_crm")
    registration.register(integration, [connection], by=ada)
    client.force_login(member)

    page = client.get(f"{FLOWS}new/")
    done = client.post(f"{FLOWS}new/", typed(ORDERS), follow=True)

    assert found(page) == ["billing"]
    assert messages(done) == ["Nightly is saved."]
    assert Flow.objects.get().integration == integration
    assert "Delete flow" not in done.text


def test_edit_registers_nothing_again_and_the_page_says_so(signed_in, ada, integration, connection):
    save_new(ORDERS, integration=integration, by=ada)
    registration.deregister(integration, connection, by=ada)

    done = signed_in.post(f"{FLOWS}nightly/edit/", typed(ORDERS, name="Nights"), follow=True)

    assert messages(done) == ["Nights is saved."]
    assert done.text.count("In use, not registered") == 1
    assert Registration.objects.count() == 0


def test_attach_shows_what_it_registers_then_does_it(signed_in, ada, integration, connection):
    save_new(ORDERS, integration=None, by=ada)

    asked = signed_in.post(f"{FLOWS}attach/", {"flow": "nightly"})
    assert [c.link_name for c in asked.context["to_register"]] == ["billing"]
    assert Flow.objects.get().integration is None
    done = signed_in.post(f"{FLOWS}attach/", {"flow": "nightly", "seen": ["billing"]}, follow=True)

    assert messages(done) == [
        "Nightly is attached to Order to cash. Registered Billing: nobody new gained access."
    ]
    assert Flow.objects.get().integration == integration


def test_attach_offers_one_s_own_and_refuses_with_the_reason(
    signed_in, ada, bob, integration, connection
):
    save_new(ORDERS, integration=None, by=ada, slug="own")
    save_new(ORDERS, integration=None, by=bob, slug="theirs")
    connect(bob, name="Leads", link_name="leads")
    unusable = save_new(integration=None, by=ada, slug="unusable")
    unusable.steps.create(
        name="Leads", kind="export", connection=Connection.objects.get(link_name="leads")
    )

    listed = signed_in.get(f"{FLOWS}attach/")
    searched = signed_in.get(f"{FLOWS}attach/", {"q": "OWN"}, headers=HTMX)
    theirs, senseless, refused = (
        signed_in.post(f"{FLOWS}attach/", {"flow": slug}) for slug in ("theirs", "\0", "unusable")
    )

    assert [flow.slug for flow in listed.context["form"].found] == ["own", "unusable"]
    assert [flow.slug for flow in searched.context["form"].found] == ["own"]
    assert list(theirs.context["form"].errors) == ["flow"]
    assert list(senseless.context["form"].errors) == ["flow"]
    assert refused.context["form"].errors["flow"] == [
        "leads: There is no connection of this name that you may use here."
    ]
    assert Flow.objects.filter(integration=None).count() == 3


@pytest.mark.parametrize("headers", [{}, HTMX])
def test_delete_and_detach_say_what_stops(signed_in, ada, integration, connection, headers):
    save_new(ORDERS, integration=integration, by=ada)
    registration.deregister(integration, connection, by=ada)

    for name in ("detach", "delete"):
        asked = signed_in.get(f"{FLOWS}nightly/{name}/", headers=headers)
        assert "Order to cash can't call any more over Billing" in asked.text.replace("&#x27;", "'")
        assert ("<html" in asked.text) == (not headers)

    signed_in.post(f"{FLOWS}nightly/detach/", headers=headers)
    alone = signed_in.get("/flows/nightly/")
    signed_in.post("/flows/nightly/delete/", headers=headers)

    assert "Stands alone" in alone.text
    assert not Flow.objects.exists()


@pytest.mark.parametrize(
    ("who", "statuses"), [("ada", [200, 200, 200]), ("root", [200, 403, 200]), ("bob", [404] * 3)]
)
def test_standalone_flows_are_for_their_owners(client, request, ada, connection, who, statuses):
    save_new(ORDERS, integration=None, by=ada)
    client.force_login(request.getfixturevalue(who))

    pages = [client.get(f"/flows/nightly/{name}").status_code for name in ("", "edit/", "delete/")]
    listed = [flow.slug for flow in client.get("/flows/").context["page"].rows]

    assert pages == statuses
    assert listed == (["nightly"] if who != "bob" else [])


def test_standalone_flows_are_below_integrations_in_the_side_bar(signed_in):
    page = signed_in.get("/flows/")

    (current,) = [e.label for s in page.context["nav"] for e in s.entries if e.is_current]
    assert current == "Integrations"


def test_standalone_flow_is_made_and_registers_nothing(signed_in, connection):
    done = signed_in.post(reverse("flows:new"), typed(ORDERS), follow=True)

    assert done.redirect_chain == [("/flows/nightly/", 303)]
    assert Registration.objects.count() == 0


def test_flow_of_another_integration_is_not_found(signed_in, integration):
    other = IntegrationFactory(slug="other")
    Flow.objects.create(slug="nightly", name="Nightly", integration=other)

    statuses = {signed_in.get(f"{FLOWS}nightly/{name}").status_code for name in ("", "edit/")}

    assert statuses == {404}


def test_form_takes_as_many_queries_for_many_steps_as_for_one(
    signed_in, ada, integration, connection, monkeypatch, django_assert_max_num_queries
):
    monkeypatch.setattr(flow_forms, "SHOWN_AT_ONCE", 2)
    links = [connect(ada, name=f"C{n}", link_name=f"c{n}").link_name for n in range(4)]
    steps = [(f"Step {n}", "export", link) for n, link in enumerate(links)]
    save_new(*steps, integration=integration, by=ada)

    with django_assert_max_num_queries(11):
        edit = signed_in.get(f"{FLOWS}nightly/edit/")
    with django_assert_max_num_queries(12):
        signed_in.post(f"{FLOWS}new/", typed(*((n, k, "") for n, k, _ in steps), add="1"))

    assert [found(edit, number) for number in range(4)] == [[]] * 4
