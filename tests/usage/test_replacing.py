import pytest
from django.core.exceptions import PermissionDenied

from connhub.accounts.models import Environment
from connhub.connections import lifecycle
from connhub.connections.models import Connection, Status
from connhub.sharing import roles
from connhub.usage import replacing
from connhub.usage.models import (
    App,
    Availability,
    DataObject,
    Flow,
    Kind,
    Registration,
    Step,
)
from connhub.usage.registration import AvailableElsewhere, RegistrationNotOffered
from tests.connections.steps import actions
from tests.factories import IntegrationFactory, connect, function_over

pytestmark = pytest.mark.django_db


@pytest.fixture
def new(ada, connection):
    return connect(ada, method=connection.auth_method, name="Billing 2", link_name="billing_2")


@pytest.fixture
def used(connection, integration):
    """The connection, used in every way."""
    Registration.objects.create(integration=integration, connection=connection)
    flow = Flow.objects.create(slug="nightly", name="Nightly", integration=integration)
    alone = Flow.objects.create(slug="alone", name="Alone")
    for place in (flow, alone):
        Step.objects.create(flow=place, kind="export", name="read", connection=connection)
    app = App.objects.create(slug="desk", name="Desk")
    DataObject.objects.create(app=app, name="Orders", connection=connection)
    function_over(connection, name="Sum up", integration=integration)
    return connection


def uses(connection) -> tuple[int, ...]:
    relations = ("steps", "data_objects", "functions", "registrations")
    return tuple(getattr(connection, name).count() for name in relations)


def test_every_declared_use_moves_and_both_have_it_on_record(ada, used, new):
    replacing.replace(used, by_connection=new, by=ada)

    assert (uses(used), uses(new)) == ((0, 0, 0, 0), (2, 1, 1, 1))
    assert actions(used)[-1] == "connection.replaced"
    assert actions(new)[-2:] == ["connection.registered", "connection.took_over"]
    lifecycle.delete(used, by=ada)


def test_preview_says_what_moves_and_where_the_new_one_falls_short(ada, used, new, integration):
    Connection.objects.filter(pk=used.pk).update(scopes=["read", "write"])
    Connection.objects.filter(pk=new.pk).update(scopes=["read"])
    production = Environment.objects.get(slug="production")
    new.credentials.create(environment=production, status=Status.FAILING)
    used.refresh_from_db()
    new.refresh_from_db()

    preview = replacing.preview(used, new)

    assert (preview.steps, preview.data_objects, preview.functions) == (2, 1, 1)
    assert preview.integrations == [integration]
    assert preview.missing_scopes == ["write"]
    assert [(str(s.environment), s.status) for s in preview.worse] == [
        ("Production", Status.FAILING)
    ]


def test_page_moves_nothing_before_its_preview_was_seen(client, ada, used, new):
    client.force_login(ada)
    url = "/connections/billing/replace/"

    assert "Billing 2 (billing_2)" in client.get(url).content.decode()
    for typed in ({"to": "billing_2"}, {"to": "billing_2", "seen": "other"}):
        page = client.post(url, typed)
        assert "<b>2 steps, 1 data object and 1 function</b>" in page.content.decode()
    assert uses(used) == (2, 1, 1, 1)

    answer = client.post(url, {"to": "billing_2", "seen": "billing_2"})
    assert answer.headers["Location"] == "/connections/billing_2/"
    assert uses(used) == (0, 0, 0, 0)


@pytest.mark.parametrize("chosen", ["", "billing", "no_such", "\0"])
def test_what_is_no_replacement_is_named_beside_the_field(client, ada, used, new, chosen):
    client.force_login(ada)

    answer = client.post("/connections/billing/replace/", {"to": chosen, "seen": chosen})

    assert answer.status_code == 200 and "to" in answer.context["form"].errors
    assert uses(used) == (2, 1, 1, 1)


def test_other_services_and_other_peoples_connections_are_no_replacement(ada, bob, eve, used):
    other_service = connect(ada, name="CRM", link_name="crm")
    someone_elses = connect(bob, method=used.auth_method, name="Theirs", link_name="theirs")

    for other in (other_service, someone_elses, used):
        with pytest.raises(replacing.NotAReplacement):
            replacing.replace(used, by_connection=other, by=ada)
    assert uses(used) == (2, 1, 1, 1)


def test_only_admins_of_the_old_one_replace_it(client, eve, root, used, new):
    roles.grant(new, eve, by=new.created_by)
    with pytest.raises(PermissionDenied):
        replacing.replace(used, by_connection=new, by=eve)
    for person, status in ((eve, 404), (root, 403)):
        client.force_login(person)
        assert client.get("/connections/billing/replace/").status_code == status


def test_function_that_both_have_is_had_once(ada, used, new, integration):
    function = integration.functions.get()
    function.connections.add(new)
    function_over(new, name="Sum up")

    replacing.replace(used, by_connection=new, by=ada)

    assert (uses(used)[2], uses(new)[2]) == (0, 2)
    assert list(function.connections.all()) == [new]


def test_new_one_that_is_available_elsewhere_only_is_refused_and_nothing_moves(ada, used, new):
    Availability.objects.create(connection=new, integration=IntegrationFactory())

    with pytest.raises(AvailableElsewhere):
        replacing.replace(used, by_connection=new, by=ada)
    assert uses(used) == (2, 1, 1, 1)


def test_integration_app_keeps_its_connections(ada, used, new, integration):
    integration.kind = Kind.APP
    integration.save()

    with pytest.raises(RegistrationNotOffered):
        replacing.replace(used, by_connection=new, by=ada)
    assert uses(used) == (2, 1, 1, 1)
