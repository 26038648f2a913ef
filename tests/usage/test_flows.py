"""Flows that people save: what their steps may select, and what that registers."""

import pytest
from django.core.exceptions import PermissionDenied

from connhub.accounts import environments
from connhub.accounts.models import Team
from connhub.audit.models import Event
from connhub.sharing import roles
from connhub.usage import attaching, flows, gains, policies, projects, registration, selecting
from connhub.usage.models import Availability, Flow, Kind, Registration
from tests.factories import IntegrationFactory, UserFactory, connect

pytestmark = pytest.mark.django_db


def step(connection="billing", name="Orders", kind="export"):
    return flows.DeclaredStep(name, kind, connection)


def save_new(*steps, integration, by, slug="nightly"):
    return flows.create(slug, name="Nightly", steps=steps, integration=integration, by=by)


def latest(number):
    found = Event.objects.order_by("-sequence")[:number]
    return [(event.action, event.actor, event.detail) for event in reversed(found)]


@pytest.fixture
def member(integration, eve, ada):
    projects.add_member(integration, eve, by=ada)
    return eve


@pytest.fixture
def alone(ada, connection):
    """A flow of ada's that stands alone, over the connection."""
    return save_new(step(), integration=None, by=ada).thing


@pytest.fixture
def other(ada):
    made = IntegrationFactory(name="Lead sync", slug="lead-sync")
    roles.grant(made, ada, by=ada)
    return made


def test_saving_registers_what_is_selected_and_is_on_record(ada, integration, connection):
    saved = save_new(step(), integration=integration, by=ada)

    made = Registration.objects.get()
    assert saved.registered == [connection]
    assert (made.connection, made.how, made.by) == (connection, "automatic", ada)
    assert (saved.thing.integration, saved.thing.owner) == (integration, None)
    assert latest(2) == [
        ("connection.registered", "Ada", {"integration": "order-to-cash", "how": "automatic"}),
        ("flow.saved", "Ada", {"flow": "nightly", "integration": "order-to-cash"}),
    ]


def test_saving_is_all_or_nothing_and_says_which_and_why(ada, bob, integration, other, connection):
    connect(bob, name="Bob's own", link_name="bobs")
    elsewhere = connect(ada, name="Leads", link_name="leads")
    Availability.objects.create(connection=elsewhere, integration=other)
    steps = [step(), step("bobs", "b"), step("leads", "c"), step("no_such", "d")]

    with pytest.raises(selecting.NotSelectable) as refused:
        save_new(*steps, integration=integration, by=ada)

    unknown = "There is no connection of this name that you may use here."
    assert refused.value.reasons == {
        "bobs": unknown,
        "leads": "It is available to another project or integration only.",
        "no_such": unknown,
    }
    assert (Flow.objects.count(), Registration.objects.count()) == (0, 0)


def test_member_selects_what_is_registered_and_registers_nothing(
    ada, member, integration, connection
):
    registration.register(integration, [connection], by=ada)
    own = connect(member, name="Eve's", link_name="eves", environment=environments.lowest())

    saved = save_new(step(), integration=integration, by=member)
    with pytest.raises(selecting.NotSelectable, match="only admins of Order to cash register"):
        flows.save(saved.thing, name="Nightly", steps=[step(own.link_name)], by=member)

    assert saved.registered == []
    assert list(integration.connections.all()) == [connection]


def test_member_uses_what_is_available_to_the_project_without_registering_it(
    member, integration, connection
):
    Availability.objects.create(connection=connection, project=integration.project)

    saved = save_new(step(), integration=integration, by=member)

    assert (saved.registered, Registration.objects.count()) == ([], 0)


def test_saved_again_it_registers_nothing_again(ada, integration, connection):
    flow = save_new(step(), integration=integration, by=ada).thing
    registration.deregister(integration, connection, by=ada)
    events = Event.objects.count()

    same = flows.save(flow, name="Nightly", steps=[step()], by=ada)
    assert Event.objects.count() == events
    more = flows.save(flow, name="Nights", steps=[step(), step(name="Bills")], by=ada)

    assert (same.registered, more.registered) == ([], [])
    assert Registration.objects.count() == 0
    assert sorted(Event.objects.latest("sequence").fields) == ["Bills", "name"]


def test_flow_of_an_app_registers_nothing(ada, integration, connection):
    integration.kind = Kind.APP
    integration.save()

    with pytest.raises(
        selecting.NotSelectable, match="An integration app comes with its connections"
    ):
        save_new(step(), integration=integration, by=ada)

    assert Registration.objects.count() == 0


@pytest.mark.parametrize("who", ["bob", "eve", "root"])
def test_flows_are_saved_by_those_who_belong(request, ada, integration, connection, who):
    registration.register(integration, [connection], by=ada)
    flow = save_new(integration=integration, by=ada).thing
    person = request.getfixturevalue(who)

    with pytest.raises(PermissionDenied):
        save_new(step(), integration=integration, by=person, slug="theirs")
    with pytest.raises(PermissionDenied):
        flows.save(flow, name="Theirs", steps=[], by=person)


def test_members_neither_delete_nor_detach(member, ada, integration):
    flow = save_new(integration=integration, by=member).thing

    for operation in (flows.delete, flows.detach):
        with pytest.raises(PermissionDenied):
            operation(flow, by=member)


def test_slug_is_taken_once(ada, integration, alone):
    with pytest.raises(flows.FlowSlugTaken):
        save_new(integration=integration, by=ada)


def test_standalone_flow_is_its_makers_and_registers_nothing(ada, bob, root, alone, connection):
    assert (alone.owner, alone.integration, Registration.objects.count()) == (ada, None, 0)
    for person in (bob, root):
        with pytest.raises(PermissionDenied):
            flows.save(alone, name="Theirs", steps=[], by=person)
    with pytest.raises(PermissionDenied):
        flows.delete(alone, by=bob)

    flows.delete(alone, by=root)

    assert latest(1) == [("flow.deleted", "Root", {"flow": "nightly"})]
    assert not Flow.objects.exists()


def test_standalone_flow_goes_over_what_its_owner_may_use(ada, bob):
    connect(bob, name="Bob's own", link_name="bobs")

    with pytest.raises(selecting.NotSelectable):
        save_new(step("bobs"), integration=None, by=ada)


def test_attach_registers_and_is_on_record(ada, integration, connection, alone):
    registered = attaching.attach(alone, to=integration, by=ada)

    flow = Flow.objects.get()
    assert registered == list(integration.connections.all()) == [connection]
    assert (flow.integration, flow.owner) == (integration, None)
    assert [action for action, _, _ in latest(2)] == ["connection.registered", "flow.attached"]
    with pytest.raises(flows.FlowGone):
        attaching.attach(alone, to=integration, by=ada)


def test_attach_is_all_or_nothing(ada, member, integration, connection):
    connect(member, name="Eve's", link_name="eves", environment=environments.lowest())
    own = save_new(step("eves"), integration=None, by=member).thing

    with pytest.raises(selecting.NotSelectable, match="eves: It isn't registered here"):
        attaching.attach(own, to=integration, by=member)

    assert Flow.objects.get().owner == member
    assert Registration.objects.count() == 0


@pytest.mark.parametrize("who", ["bob", "root"])
def test_nobody_attaches_what_is_not_theirs(request, ada, integration, alone, who):
    person = request.getfixturevalue(who)
    roles.grant(integration, person, by=ada)

    with pytest.raises(PermissionDenied):
        attaching.attach(alone, to=integration, by=person)


def test_detached_flow_is_of_whoever_detached_it(ada, integration, connection):
    flow = save_new(step(), integration=integration, by=ada).thing
    registration.deregister(integration, connection, by=ada)

    flows.detach(flow, by=ada)

    flow.refresh_from_db()
    assert (flow.integration, flow.owner) == (None, ada)
    assert not registration.usable_in(integration).exists()
    assert latest(1)[0][0] == "flow.detached"
    with pytest.raises(flows.FlowGone):
        flows.detach(flow, by=ada)


def test_gains_are_those_who_could_not_use_it_before(
    ada, bob, member, root, integration, other, connection
):
    """As the querysets say it of each person, one by one."""
    through_other, through_project, by_team = UserFactory.create_batch(3)
    team = Team.objects.create(name="Sales")
    by_team.groups.add(team)
    for person in (bob, through_other, through_project):
        projects.add_member(integration, person, by=ada)
    roles.grant(integration, team, by=ada)
    registration.register(other, [connection], by=ada)
    projects.add_member(other, through_other, by=ada)
    ledger = connect(ada, name="Ledger", link_name="ledger")
    third = IntegrationFactory()
    Availability.objects.create(connection=ledger, project=third.project)
    third.memberships.create(user=through_project)

    for chosen in ([connection], [ledger], [connection, ledger]):
        found = gains.gains(integration, chosen, viewer=root)
        lacking = [
            person.name
            for person in (ada, bob, member, through_other, through_project, by_team)
            if set(chosen) - set(policies.usable_connections(person))
        ]
        assert (sorted(found.names), found.others) == (sorted(lacking), 0)


def test_gains_name_whom_the_viewer_may_see(
    ada, member, integration, connection, monkeypatch, django_assert_num_queries
):
    team = Team.objects.create(name="Sales")
    UserFactory(name="Ted").groups.add(team)
    roles.grant(integration, team, by=ada)
    projects.add_member(integration, UserFactory(name="Zoe"), by=ada)
    integration.memberships.create(user=UserFactory(name="Gone", is_active=False))

    with django_assert_num_queries(2):
        found = gains.gains(integration, [connection], viewer=ada)
    monkeypatch.setattr(gains, "MOST_NAMED", 1)
    few = gains.gains(integration, [connection], viewer=ada)

    assert str(found) == "Eve, Zoe and 1 other"
    assert str(few) == "Eve and 2 others"
    assert str(gains.Gains([], 2)) == "2 people"
    assert str(gains.Gains(["Eve", "Zoe"], 0)) == "Eve and Zoe"
    assert str(gains.Gains([], 0)) == "nobody"
