import pytest
from django.utils import timezone

from connhub.audit.models import Event
from connhub.connections.models import Connection
from connhub.sharing import roles
from connhub.usage import projects
from connhub.usage.models import Availability, Integration, Kind, Registration
from tests.factories import AuthMethodFactory, IntegrationFactory, connect

pytestmark = pytest.mark.django_db
URL = "/connections/bulk-actions/"


@pytest.fixture
def five(client, ada):
    """Ada's connections: one to be registered, and four with something about them."""
    client.force_login(ada)
    method = AuthMethodFactory()
    names = ("free", "known", "narrowed", "disabled", "gone")
    made = {name: connect(ada, method=method, name=name, link_name=name) for name in names}
    Registration.objects.create(
        integration=IntegrationFactory(name="Elsewhere"), connection=made["known"]
    )
    Availability.objects.create(connection=made["narrowed"], integration=IntegrationFactory())
    now = timezone.now()
    Connection.objects.filter(link_name="disabled").update(disabled_at=now)
    Connection.objects.filter(link_name="gone").update(deleted_at=now)
    return made


def register(client, *names, **more):
    return client.post(URL, {"action": "register", "link_name": names, **more})


def confirmed(client, integration, *names):
    return register(client, *names, confirmed="1", integration=integration.slug)


def registered(integration: Integration) -> set[str]:
    return set(integration.connections.values_list("link_name", flat=True))


def test_the_integration_is_asked_for_and_who_gains_is_said(client, five, integration):
    page = register(client, "free", "known").content.decode()

    assert "Register 2 connections" in page
    assert "Order to cash (0 members)" in page and "Elsewhere" not in page
    assert "Who gains" in page
    assert registered(integration) == set()


def test_each_is_registered_and_what_can_not_be_is_told_plainly(client, five, integration):
    Registration.objects.create(integration=integration, connection=five["known"])

    answer = confirmed(client, integration, *five, "no_such")

    assert {o.link_name: (o.done, o.text) for o in answer.context["outcomes"]} == {
        "free": (True, "Registered."),
        "known": (False, "It is registered there already."),
        "narrowed": (
            False,
            "This connection is available to another project or integration only.",
        ),
        "disabled": (True, "Registered. It is disabled: calls over it fail."),
        "gone": (False, "It is gone, or not shared with you."),
        "no_such": (False, "It is gone, or not shared with you."),
    }
    assert registered(integration) == {"free", "known", "disabled"}
    assert Event.objects.filter(action="connection.registered").count() == 2


def test_one_that_they_may_see_but_not_use_stays_out(client, root, five, integration):
    client.force_login(root)
    roles.grant(integration, root, by=root)

    answer = confirmed(client, integration, "free")

    assert [o.text for o in answer.context["outcomes"]] == ["You don't administer it."]
    assert registered(integration) == set()


def test_where_somebody_gains_that_is_shown_first(client, ada, eve, five, integration):
    projects.add_member(integration, eve, by=ada)

    asked = confirmed(client, integration, "free")
    before = registered(integration)
    done = register(
        client, "free", confirmed="1", integration=integration.slug, seen=integration.slug
    )

    assert "1 person gains access: Eve." in asked.text
    assert (before, registered(integration)) == (set(), {"free"})
    assert [o.done for o in done.context["outcomes"]] == [True]


@pytest.mark.parametrize("chosen", ["", "no-such", "not-theirs", "app"])
def test_only_their_own_integrations_can_be_chosen_and_no_integration_app(
    client, ada, five, integration, chosen
):
    IntegrationFactory(slug="not-theirs")
    roles.grant(IntegrationFactory(slug="app", kind=Kind.APP), ada, by=ada)

    answer = register(client, "free", confirmed="1", integration=chosen)

    assert "integration" in answer.context["form"].errors
    assert not Registration.objects.filter(connection=five["free"]).exists()


def test_whoever_has_no_integration_is_told_so(client, five):
    page = register(client, "free").content.decode()

    assert "There is no integration whose connections you may change." in page
    assert 'value="register"' not in page
