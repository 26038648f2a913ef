import pytest
from django.core.exceptions import PermissionDenied

from connhub.accounts.permissions import may
from connhub.connections.models import Connection
from connhub.sharing import roles
from connhub.usage.availability import Audience, audience_of, narrow
from connhub.usage.models import Availability, Flow, Membership, Registration, Step
from connhub.usage.registration import deregister, usable_in
from tests.connections.steps import actions
from tests.factories import IntegrationFactory

pytestmark = pytest.mark.django_db
URL = "/connections/billing/availability/"


@pytest.fixture
def signed_in(client, ada):
    client.force_login(ada)
    return client


def test_one_project_uses_it_without_registration(signed_in, connection, integration):
    sibling = IntegrationFactory(project=integration.project)

    answer = signed_in.post(URL, {"to": "project", "project": integration.project.slug})

    assert answer.status_code == 303
    assert connection in usable_in(integration) and connection in usable_in(sibling)
    assert actions(connection)[-1] == "connection.made_available"
    assert str(integration.project) in signed_in.get("/connections/billing/").content.decode()


def test_one_integration_has_it_registered(signed_in, connection, integration):
    signed_in.post(URL, {"to": "integration", "integration": integration.slug})

    assert Registration.objects.get(connection=connection).integration == integration
    assert audience_of(connection) == Audience(integration=integration)


def test_the_same_integration_again_registers_what_was_deregistered(ada, connection, integration):
    narrow(connection, Audience(integration=integration), by=ada)
    deregister(integration, connection, by=ada)

    narrow(connection, Audience(integration=integration), by=ada)

    assert Registration.objects.get(connection=connection).integration == integration
    assert actions(connection)[-1] == "connection.registered"


def test_whole_account_again(signed_in, ada, connection, integration):
    narrow(connection, Audience(integration=integration), by=ada)

    assert signed_in.post(URL, {"to": "account"}).status_code == 303
    assert not Availability.objects.exists()
    assert Registration.objects.filter(connection=connection).exists()


def test_what_would_stop_has_to_be_ticked(signed_in, ada, connection, integration):
    foreign = IntegrationFactory(name="Payroll")
    flow = Flow.objects.create(slug="pay", name="Pay", integration=foreign)
    Step.objects.create(flow=flow, kind="export", name="read", connection=connection)
    typed = {"to": "integration", "integration": integration.slug}

    answer = signed_in.post(URL, typed)
    assert "Stop it in Payroll" in answer.content.decode()
    assert audience_of(connection) == Audience()

    assert signed_in.post(URL, typed | {"stops": "on"}).status_code == 303
    assert connection not in usable_in(foreign)


@pytest.mark.parametrize(
    ("typed", "field"),
    [
        ({}, "to"),
        ({"to": "planet"}, "to"),
        ({"to": "project"}, "project"),
        ({"to": "project", "project": "no-such"}, "project"),
        ({"to": "integration", "integration": ""}, "integration"),
        ({"to": "integration", "integration": "somebody-elses"}, "integration"),
    ],
)
def test_bad_input_is_named_beside_its_field(signed_in, connection, integration, typed, field):
    IntegrationFactory(slug="somebody-elses")

    answer = signed_in.post(URL, typed)

    assert answer.status_code == 200 and field in answer.context["form"].errors
    assert not Availability.objects.exists()


def test_only_admins_of_both_narrow_it(client, ada, bob, eve, root, connection, integration):
    for person, status in ((eve, 404), (root, 403)):
        client.force_login(person)
        assert client.post(URL, {"to": "account"}).status_code == status
    for audience in (Audience(integration=integration), Audience(project=integration.project)):
        with pytest.raises(PermissionDenied):
            narrow(connection, audience, by=bob)
    with pytest.raises(PermissionDenied):
        narrow(connection, Audience(), by=eve)
    roles.grant(integration, bob, by=ada)
    narrow(connection, Audience(integration=integration), by=bob)


def test_the_same_audience_again_is_no_change(ada, connection):
    narrow(connection, Audience(), by=ada)

    assert "connection.made_available" not in actions(connection)


def test_members_may_no_more_use_it_than_their_integrations_keys_once_it_is_narrowed_elsewhere(
    ada, eve, connection, integration
):
    Membership.objects.create(integration=integration, user=eve)
    Registration.objects.create(integration=integration, connection=connection)
    elsewhere = IntegrationFactory()
    roles.grant(elsewhere, ada, by=None)
    before = may(eve, "connection.use", connection)

    narrow(connection, Audience(project=elsewhere.project), by=ada)

    assert before is True
    assert may(eve, "connection.use", connection) is False
    assert not usable_in(integration).exists()


def duplicated(browser):
    browser.post("/connections/billing/duplicate/", {"name": "Copy", "link_name": "copy"})
    return Connection.objects.get(link_name="copy")


@pytest.mark.parametrize("kind", ["project", "integration"])
def test_a_duplicate_is_available_to_whom_the_first_is(
    signed_in, ada, connection, integration, kind
):
    to = {
        "project": Audience(project=integration.project),
        "integration": Audience(integration=integration),
    }[kind]
    narrow(connection, to, by=ada)

    page = signed_in.get("/connections/billing/duplicate/").content.decode()
    copy = duplicated(signed_in)

    assert f"available to {to} alone" in page
    assert audience_of(copy) == to and copy in usable_in(integration)
    registered = ["connection.registered"] if kind == "integration" else []
    assert actions(copy) == ["connection.duplicated", *registered, "connection.made_available"]


def test_a_duplicate_goes_nowhere_that_is_not_theirs_to_bring_connections_into(
    client, ada, bob, connection, integration
):
    narrow(connection, Audience(integration=integration), by=ada)
    client.force_login(bob)

    copy = duplicated(client)

    assert audience_of(copy) == Audience()
    assert not copy.registrations.exists() and actions(copy) == ["connection.duplicated"]
