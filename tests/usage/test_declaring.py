"""Apps and functions that people save: what that registers, and how they go."""

import pytest
from django.core.exceptions import PermissionDenied

from connhub.accounts import environments
from connhub.audit.models import Event
from connhub.connections import lifecycle
from connhub.usage import (
    data_objects,
    declaring,
    functions,
    keys,
    projects,
    registration,
    selecting,
)
from connhub.usage.data_objects import DeclaredObject
from connhub.usage.functions import DeclaredUse
from connhub.usage.models import App, DataObject, Function, FunctionUse, Registration
from tests.factories import IntegrationFactory, connect

pytestmark = pytest.mark.django_db
APP, FUNCTION = data_objects.SORT, functions.SORT
USES = {APP: [DeclaredObject("Orders", "billing")], FUNCTION: [DeclaredUse("billing")]}
SORTS = pytest.mark.parametrize("sort", [APP, FUNCTION], ids=["app", "function"])


def save_new(sort, *, integration, by, uses=None, key="desk"):
    uses = USES[sort] if uses is None else uses
    return declaring.create(sort, key, name=key, uses=uses, integration=integration, by=by)


def latest(number):
    found = Event.objects.order_by("-sequence")[:number]
    return [(event.action, event.actor, event.detail) for event in reversed(found)]


@pytest.fixture
def member(integration, eve, ada):
    projects.add_member(integration, eve, by=ada)
    return eve


@SORTS
def test_saving_registers_what_is_selected_and_is_on_record(ada, integration, connection, sort):
    saved = save_new(sort, integration=integration, by=ada)

    noun = sort.model.PAGE
    assert saved.registered == [connection]
    assert Registration.objects.get().how == "automatic"
    assert latest(2) == [
        ("connection.registered", "Ada", {"integration": "order-to-cash", "how": "automatic"}),
        (f"{noun}.saved", "Ada", {noun: "desk", "integration": "order-to-cash"}),
    ]


@SORTS
def test_connection_is_kept_usable_by_what_is_saved(ada, integration, connection, sort):
    thing = save_new(sort, integration=integration, by=ada).thing
    registration.deregister(integration, connection, by=ada)

    assert list(registration.usable_in(integration)) == [connection]
    assert list(registration.kept_by(thing, integration)) == [connection]
    declaring.delete(sort, thing, by=ada)
    assert not registration.usable_in(integration).exists()


@SORTS
def test_it_keeps_its_connection_from_being_deleted(ada, integration, connection, sort):
    thing = save_new(sort, integration=integration, by=ada).thing

    with pytest.raises(lifecycle.StillInUse):
        lifecycle.delete(connection, by=ada)
    declaring.delete(sort, thing, by=ada)
    lifecycle.delete(connection, by=ada)


@SORTS
def test_somebody_else_s_connection_is_refused_and_nothing_saved(ada, bob, integration, sort):
    connect(bob, name="Bob's own", link_name="bobs")
    uses = [DeclaredUse("bobs")] if sort is FUNCTION else [DeclaredObject("Orders", "bobs")]

    for place in (integration, None):
        with pytest.raises(selecting.NotSelectable):
            save_new(sort, integration=place, by=ada, uses=uses)

    assert not sort.model.objects.exists() and not Registration.objects.exists()


@SORTS
def test_members_save_and_only_admins_delete(ada, member, integration, connection, sort):
    registration.register(integration, [connection], by=ada)

    thing = save_new(sort, integration=integration, by=member).thing
    with pytest.raises(PermissionDenied):
        declaring.delete(sort, thing, by=member)
    declaring.delete(sort, thing, by=ada)

    assert latest(1)[0][0] == f"{sort.model.PAGE}.deleted"


@SORTS
def test_what_stands_alone_is_its_makers_and_registers_nothing(ada, bob, root, connection, sort):
    thing = save_new(sort, integration=None, by=ada).thing

    assert (thing.owner, Registration.objects.count()) == (ada, 0)
    for person in (bob, root):
        with pytest.raises(PermissionDenied):
            declaring.save(sort, thing, name="Theirs", uses=[], by=person)
    with pytest.raises(PermissionDenied):
        declaring.delete(sort, thing, by=bob)
    declaring.delete(sort, thing, by=root)
    with pytest.raises(sort.gone):
        declaring.save(sort, thing, name="Again", uses=[], by=ada)


@SORTS
def test_name_is_taken_once(ada, integration, connection, sort):
    for place in (integration, None) if sort is FUNCTION else (integration,):
        save_new(sort, integration=place, by=ada)
        with pytest.raises(sort.taken):
            save_new(sort, integration=place, by=ada)


def test_functions_of_two_integrations_may_have_one_name(ada, integration, connection):
    other = IntegrationFactory()
    Function.objects.create(name="desk", integration=other)

    save_new(FUNCTION, integration=integration, by=ada)

    assert Function.objects.filter(name="desk").count() == 2


def test_saving_again_makes_the_uses_exactly_these(ada, integration, connection):
    ledger = connect(ada, name="Ledger", link_name="ledger")
    app = save_new(APP, integration=integration, by=ada).thing

    uses = [DeclaredObject("Orders", "ledger"), DeclaredObject("Bills", "billing")]
    declaring.save(APP, app, name="Desk", uses=uses, by=ada)

    found = DataObject.objects.order_by("name").values_list("name", "connection__link_name")
    assert list(found) == [("Bills", "billing"), ("Orders", "ledger")]
    assert set(integration.connections.all()) == {connection, ledger}
    assert sorted(Event.objects.latest("sequence").fields) == ["Bills", "Orders", "name"]


def test_data_objects_are_seen_by_those_of_the_integration_too(ada, bob, member, integration):
    theirs = connect(bob, name="Bob's own", link_name="bobs")
    app = App.objects.create(slug="desk", name="Desk", integration=integration)
    made = DataObject.objects.create(app=app, name="Orders", connection=theirs)

    seen = [list(DataObject.objects.visible_to(person)) for person in (member, bob, ada)]
    integration.memberships.all().delete()

    assert seen == [[made]] * 3
    assert not DataObject.objects.visible_to(member).exists()


# --- By a key ---------------------------------------------------------------------------------------


@pytest.fixture
def key(ada, integration):
    return keys.issue(integration, environments.lowest(), name="laptop", by=ada)[0]


def test_last_data_object_takes_its_app_along(ada, integration, connection, key):
    registration.register(integration, [connection], by=ada)
    for name in ("Orders", "Bills"):
        data_objects.declare("desk", DeclaredObject(name, "billing"), by=key)

    for name in ("Orders", "Bills"):
        data_objects.withdraw("desk", name, by=key)
    with pytest.raises(data_objects.NoSuchDataObject):
        data_objects.withdraw("desk", "Bills", by=key)

    assert not App.objects.exists()
    assert [action for action, *_ in latest(2)] == ["app.saved", "app.deleted"]


def test_app_takes_no_more_than_so_many_data_objects(
    ada, integration, connection, key, monkeypatch
):
    monkeypatch.setattr(data_objects, "MOST_USES", 1)
    registration.register(integration, [connection], by=ada)
    data_objects.declare("desk", DeclaredObject("Orders", "billing"), by=key)

    with pytest.raises(data_objects.TooManyDataObjects):
        data_objects.declare("desk", DeclaredObject("Bills", "billing"), by=key)


def test_key_that_was_revoked_meanwhile_withdraws_nothing(ada, integration, connection, key):
    save_new(FUNCTION, integration=integration, by=ada)
    keys.revoke(key, by=ada)

    with pytest.raises(declaring.Unauthorized):
        declaring.withdraw(FUNCTION, "desk", by=key)
    assert FunctionUse.objects.exists()
