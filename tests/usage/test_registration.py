from concurrent.futures import ThreadPoolExecutor

import pytest
from django.core.exceptions import PermissionDenied
from django.db import connection as database

from connhub.audit.log import AuditUnavailable
from connhub.audit.models import Event
from connhub.connections import lifecycle
from connhub.sharing import roles
from connhub.usage import projects, registration
from connhub.usage.models import Availability, Flow, Kind, Registration, Step
from tests.factories import IntegrationFactory, connect


@pytest.fixture
def other(ada):
    """Another integration, of another project."""
    made = IntegrationFactory(name="Lead sync", slug="lead-sync")
    roles.grant(made, ada, by=ada)
    return made


def add_flow(integration, connection):
    flow = Flow.objects.create(slug="nightly", name="Nightly", integration=integration)
    return Step.objects.create(flow=flow, kind="export", name="Orders", connection=connection)


def actions():
    return list(Event.objects.order_by("sequence").values_list("action", flat=True))


def test_register_makes_it_usable_and_is_on_record(ada, integration, connection):
    added = registration.register(integration, [connection], by=ada)

    made = Registration.objects.get()
    assert added == [connection]
    assert list(registration.usable_in(integration)) == [connection]
    assert (made.how, made.by) == ("by_hand", ada)
    assert actions()[-1] == "connection.registered"


def test_register_twice_changes_nothing(ada, integration, connection):
    registration.register(integration, [connection], by=ada)

    added = registration.register(integration, [connection], by=ada)

    assert added == []
    assert actions().count("connection.registered") == 1


def test_register_nothing_registers_nothing(ada, integration, connection):
    assert registration.register(integration, [], by=ada) == []
    assert Registration.objects.count() == 0


def test_register_refuses_a_connection_that_the_person_may_not_use(ada, bob, integration):
    theirs = connect(bob, name="Bob's own", link_name="bobs")

    with pytest.raises(PermissionDenied):
        registration.register(integration, [theirs], by=ada)


def test_register_is_all_or_nothing(ada, bob, integration, connection):
    theirs = connect(bob, name="Bob's own", link_name="bobs")

    with pytest.raises(PermissionDenied):
        registration.register(integration, [connection, theirs], by=ada)

    assert Registration.objects.count() == 0


def test_register_takes_what_a_member_may_use_elsewhere(ada, eve, integration, other, connection):
    registration.register(other, [connection], by=ada)
    projects.add_member(other, eve, by=ada)
    roles.grant(integration, eve, by=ada)

    added = registration.register(integration, [connection], by=eve)

    assert added == [connection]


@pytest.mark.parametrize("who", ["bob", "eve", "root"])
def test_registrations_are_changed_by_admins_of_the_integration_alone(
    request, ada, integration, connection, who
):
    registration.register(integration, [connection], by=ada)
    person = request.getfixturevalue(who)

    with pytest.raises(PermissionDenied):
        registration.register(integration, [connection], by=person)
    with pytest.raises(PermissionDenied):
        registration.deregister(integration, connection, by=person)


def test_super_admin_may_not_bring_what_is_not_shared_to_them(ada, root, connection, integration):
    roles.grant(integration, root, by=root)

    assert list(registration.registrable(integration, by=root)) == []
    with pytest.raises(PermissionDenied):
        registration.register(integration, [connection], by=root)


def test_registration_is_not_offered_for_integration_apps(ada, integration, connection):
    integration.kind = Kind.APP
    integration.save()

    with pytest.raises(registration.RegistrationNotOffered):
        registration.register(integration, [connection], by=ada)
    with pytest.raises(registration.RegistrationNotOffered):
        registration.deregister(integration, connection, by=ada)


@pytest.mark.parametrize("narrowed_to", ["project", "integration"])
def test_register_refuses_what_is_available_elsewhere_only(
    ada, integration, other, connection, narrowed_to
):
    place = {"project": other.project, "integration": other}[narrowed_to]
    Availability.objects.create(connection=connection, **{narrowed_to: place})

    assert list(registration.registrable(integration, by=ada)) == []
    with pytest.raises(registration.AvailableElsewhere):
        registration.register(integration, [connection], by=ada)


@pytest.mark.parametrize("narrowed_to", ["project", "integration"])
def test_register_takes_what_is_available_here_only(ada, integration, connection, narrowed_to):
    place = {"project": integration.project, "integration": integration}[narrowed_to]
    Availability.objects.create(connection=connection, **{narrowed_to: place})

    assert list(registration.registrable(integration, by=ada)) == [connection]
    assert registration.register(integration, [connection], by=ada) == [connection]


def test_what_is_available_to_the_project_is_usable_without_registration(
    ada, integration, other, connection
):
    Availability.objects.create(connection=connection, project=integration.project)

    assert list(registration.usable_in(integration)) == [connection]
    assert list(registration.usable_in(other)) == []


@pytest.mark.parametrize("narrowed_to", ["project", "integration"])
def test_what_is_narrowed_to_another_place_is_usable_here_no_more(
    ada, integration, other, connection, narrowed_to
):
    registration.register(integration, [connection], by=ada)
    add_flow(integration, connection)
    place = {"project": other.project, "integration": other}[narrowed_to]

    Availability.objects.create(connection=connection, **{narrowed_to: place})

    assert list(registration.usable_in(integration)) == []
    assert list(registration.offered_in(integration)) == []


def test_deregister_keeps_saved_flows_working_and_offers_it_to_no_new_one(
    ada, integration, connection
):
    registration.register(integration, [connection], by=ada)
    add_flow(integration, connection)

    registration.deregister(integration, connection, by=ada)

    assert list(registration.usable_in(integration)) == [connection]
    assert list(registration.offered_in(integration)) == []
    assert actions()[-1] == "connection.deregistered"


def test_deregister_of_what_no_flow_uses_ends_its_use(ada, integration, other, connection):
    registration.register(integration, [connection], by=ada)
    registration.register(other, [connection], by=ada)

    registration.deregister(integration, connection, by=ada)

    assert list(registration.usable_in(integration)) == []
    assert list(registration.usable_in(other)) == [connection]


def test_deregister_refuses_what_is_not_registered(ada, integration, connection):
    with pytest.raises(registration.NotRegistered):
        registration.deregister(integration, connection, by=ada)


def test_deleted_connection_is_neither_usable_nor_registrable(ada, integration, connection):
    registration.register(integration, [connection], by=ada)
    lifecycle.delete(connection, by=ada)

    assert list(registration.usable_in(integration)) == []
    with pytest.raises(PermissionDenied):
        registration.register(IntegrationFactory(), [connection], by=ada)


def test_nothing_is_registered_that_can_not_be_put_on_record(
    ada, integration, connection, refuse_events
):
    with pytest.raises(AuditUnavailable):
        registration.register(integration, [connection], by=ada)

    assert Registration.objects.count() == 0


@pytest.fixture
def refuse_events(connection, integration):
    """From now on the database takes no event."""
    if database.vendor == "sqlite":
        statement = (
            "CREATE TEMP TRIGGER full BEFORE INSERT ON main.audit_event"
            " BEGIN SELECT RAISE(ABORT, 'full'); END"
        )
        undo = "DROP TRIGGER full"
    else:
        statement = "ALTER TABLE audit_event ADD CONSTRAINT full_up CHECK (sequence < 0) NOT VALID"
        undo = "ALTER TABLE audit_event DROP CONSTRAINT full_up"
    with database.cursor() as cursor:
        cursor.execute(statement)
    yield
    with database.cursor() as cursor:
        cursor.execute(undo)


@pytest.mark.django_db(transaction=True)
def test_registered_by_many_at_once_it_is_registered_once(ada, integration, connection):
    def register(_):
        try:
            return registration.register(integration, [connection], by=ada)
        finally:
            database.close()

    with ThreadPoolExecutor(4) as pool:
        added = list(pool.map(register, range(4)))

    assert sorted(map(len, added)) == [0, 0, 0, 1]
    assert Registration.objects.count() == 1
    assert actions().count("connection.registered") == 1
