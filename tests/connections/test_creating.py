from functools import partial

import pytest
from django.core.exceptions import PermissionDenied
from django.urls import reverse

from connhub.accounts import people
from connhub.accounts.models import Environment, Role
from connhub.connections import creating
from connhub.connections.access import prepare
from connhub.connections.auth.base import Granted
from connhub.connections.connecting import ConnectFailed
from connhub.connections.creating import Own
from connhub.connections.lifecycle import Details
from connhub.connections.models import Connection, Credential, Status
from connhub.services.models import Service
from connhub.sharing import roles
from connhub.usage.availability import Audience, audience_of
from tests.conftest import CANARY
from tests.connections.steps import actions
from tests.factories import AuthMethodFactory, IntegrationFactory, ServiceFactory

pytestmark = pytest.mark.django_db

SHOP = {
    "name": "shop", "label": "Shop", "help": "", "pattern": "^[a-z-]+$", "placeholder": "",
    "required": True, "default": "",
}  # fmt: skip
FORM = {"name": "CRM", "link_name": "crm", "access_mode": "proxy", "p_shop": "acme", "s_key_1": "a"}
WRONG = {"own-staging-s_key_1": "wrong"}
OWN = {"own-production-on": "on", "own-production-p_shop": "live", "own-production-s_key_1": CANARY}


@pytest.fixture
def shop():
    service = ServiceFactory(
        slug="shop", base_url="https://{shop}.example.com/v1", parameters=[SHOP]
    )
    return AuthMethodFactory(service=service)


@pytest.fixture
def oauth():
    config = {"authorize_url": "https://a.example/a", "token_url": "https://a.example/t"}
    return AuthMethodFactory(kind="oauth2_code", config=config, service__slug="oauth")


@pytest.fixture
def tested(upstream, allow):
    """A service with a test that wants the API key of `upstream`."""
    allow(upstream.port)
    service = ServiceFactory(
        slug="tested", base_url=upstream.url, test={"method": "GET", "path": "/key"}
    )
    return AuthMethodFactory(service=service)


@pytest.fixture
def signed_in(client, ada):
    client.force_login(ada)
    return client


def make(client, method, *parts, **more):
    typed = {name: value for part in parts for name, value in part.items()}
    return client.post(reverse("connections:new", args=[method.service.slug]), typed | more)


def reached(slug) -> tuple[str, str]:
    """Where a call in that environment goes, and with which key."""
    connection = Connection.objects.get(link_name="crm")
    access = prepare(connection, Environment.objects.get(slug=slug))
    return access.base_url, access.values["key_1"]


def standing(slug) -> Status:
    return Connection.objects.get(link_name="crm").standing_in(Environment.objects.get(slug=slug))


# --- Own settings ---------------------------------------------------------------------------------


def test_one_environment_has_its_own_from_the_start(signed_in, shop):
    answer = make(signed_in, shop, FORM, OWN)

    assert answer.status_code == 303
    assert reached("production") == ("https://live.example.com/v1", CANARY)
    assert reached("staging") == ("https://acme.example.com/v1", "a")
    connection = Connection.objects.get()
    assert actions(connection) == ["connection.created", "connection.environment_set"]
    assert CANARY not in signed_in.get(connection.get_absolute_url()).content.decode()


def test_endpoint_of_its_own(signed_in, shop):
    make(signed_in, shop, FORM, OWN, **{"own-production-base_url": "https://eu.example.net/v2"})

    assert reached("production")[0] == "https://eu.example.net/v2"


def test_what_is_switched_off_does_not_count(signed_in, shop):
    make(signed_in, shop, FORM, OWN, **{"own-production-on": ""})

    assert reached("production") == ("https://acme.example.com/v1", "a")
    assert Credential.objects.count() == 1


@pytest.mark.parametrize(
    ("typed", "field"),
    [
        ({"own-production-s_key_1": ""}, "s_key_1"),
        ({"own-production-p_shop": "../x"}, "p_shop"),
        ({"own-production-base_url": "http://plain.example.com"}, "base_url"),
        ({"environment": "production"}, "on"),
    ],
)
def test_bad_input_is_named_beside_its_field_and_makes_nothing(signed_in, shop, typed, field):
    answer = make(signed_in, shop, FORM, OWN, **typed)

    (own,) = answer.context["form"].parts
    assert list(own.errors) == [field]
    assert f"Production: {own.fields[field].label}</a>" in answer.content.decode()
    assert CANARY not in answer.content.decode()
    assert not Connection.objects.exists()


def test_member_is_asked_for_nothing_of_higher_environments(client, eve, shop):
    client.force_login(eve)

    answer = make(client, shop, FORM, OWN, environment="development")

    assert answer.status_code == 303
    assert list(Credential.objects.values_list("environment__slug", flat=True)) == ["development"]
    assert "own-" not in client.get(reverse("connections:new", args=["shop"])).content.decode()


def test_operation_refuses_what_a_member_may_not(eve, shop):
    owns = [Own(Environment.objects.get(slug="production"), {"shop": "b"}, {"key_1": "x"})]
    lowest = Environment.objects.get(slug="development")

    with pytest.raises(PermissionDenied):
        creating.create(
            shop, Details("CRM", parameters={"shop": "a"}, secrets={"key_1": "x"}),
            link_name="crm", by=eve, environment=lowest, owns=owns, settle=lambda made: None,
        )  # fmt: skip

    assert not Connection.objects.exists()


def test_nothing_is_half_made(ada, shop):
    def fail(connection):
        raise ConnectFailed

    owns = [Own(Environment.objects.get(slug="production"), {"shop": "b"}, {"key_1": "x"})]
    with pytest.raises(ConnectFailed):
        creating.create(
            shop, Details("CRM", parameters={"shop": "a"}, secrets={"key_1": "x"}),
            link_name="crm", by=ada, owns=owns, settle=fail,
        )  # fmt: skip

    assert (Connection.objects.count(), Credential.objects.count()) == (0, 0)


def test_own_of_a_service_that_people_sign_in_to_waits_for_that(signed_in, oauth):
    typed = {"own-production-on": "on", "own-production-base_url": "https://eu.example.net"}
    app = {"client_id": "id", "client_secret": "x", "more_scopes": "read"}

    answer = make(signed_in, oauth, FORM, typed, app)

    assert answer.headers["Location"] == "/connections/crm/authorize/"
    connection = Connection.objects.get()
    waiting = connection.credentials.get()
    assert (waiting.environment.slug, waiting.status) == ("production", Status.NOT_CONNECTED)
    summary = signed_in.get(connection.get_absolute_url()).content.decode()
    assert "/connections/crm/authorize/?environment=production" in summary


def test_login_users_have_no_use_for_it(signed_in, oauth):
    typed = {"own-production-on": "on", "login_user": "on"}
    app = {"client_id": "id", "client_secret": "x"}

    assert make(signed_in, oauth, FORM, typed, app).status_code == 303
    assert Connection.objects.get().settings.count() == 1


# --- The test before saving -----------------------------------------------------------------------


def test_each_place_is_tested_and_nothing_stored(signed_in, tested, upstream):
    typed = {"s_key_1": upstream.api_key, "own-staging-on": "on"} | WRONG | {"test": "1"}

    answer = make(signed_in, tested, FORM, typed)

    tests = [
        (t.environment and t.environment.slug, t.report.ok) for t in answer.context["rehearsals"]
    ]
    assert tests == [(None, True), ("staging", False)]
    assert "Staging: the test failed." in answer.content.decode()
    assert not Connection.objects.exists()


def test_each_place_keeps_the_report_of_its_own_test(signed_in, tested, upstream):
    typed = {"s_key_1": upstream.api_key, "own-staging-on": "on"} | WRONG

    make(signed_in, tested, FORM, typed, anyway="1")

    assert (standing("production"), standing("staging")) == (Status.CONNECTED, Status.FAILING)


def test_test_goes_to_the_endpoint_of_the_chosen_environment(signed_in, tested, upstream):
    production = Environment.objects.get(slug="production")
    tested.service.endpoints.create(environment=production, base_url=upstream.url)
    Service.objects.filter(pk=tested.service.pk).update(base_url="https://gone.invalid")
    typed = {"s_key_1": upstream.api_key, "environment": "production", "test": "1"}

    answer = make(signed_in, tested, FORM, typed)

    (only,) = answer.context["rehearsals"]
    assert (only.environment, only.report.ok) == (production, True)


# --- Available to ---------------------------------------------------------------------------------


@pytest.fixture
def integration(ada):
    made = IntegrationFactory(slug="order-to-cash")
    roles.grant(made, ada, by=ada)
    return made


def test_whole_account_unless_something_else_is_chosen(signed_in, shop, integration):
    make(signed_in, shop, FORM)

    assert audience_of(Connection.objects.get()) == Audience()


def test_one_project(signed_in, shop, integration):
    make(signed_in, shop, FORM, to="project", project=integration.project.slug)

    assert audience_of(Connection.objects.get()) == Audience(project=integration.project)


def test_one_integration_registers_it_there(signed_in, shop, integration):
    make(signed_in, shop, FORM, to="integration", integration="order-to-cash")

    connection = Connection.objects.get()
    assert audience_of(connection) == Audience(integration=integration)
    assert list(integration.connections.all()) == [connection]
    assert actions(connection)[-2:] == ["connection.registered", "connection.made_available"]


@pytest.mark.parametrize(
    ("typed", "field"),
    [
        ({"to": "project"}, "project"),
        ({"to": "integration", "integration": "not-theirs"}, "integration"),
        ({"to": "world"}, "to"),
    ],
)
def test_audience_must_be_theirs_to_choose(signed_in, shop, integration, typed, field):
    IntegrationFactory(slug="not-theirs")

    answer = make(signed_in, shop, FORM, typed)

    assert list(answer.context["form"].errors) == [field]
    assert not Connection.objects.exists()


def test_who_has_no_integration_is_not_asked(client, eve, shop, integration):
    client.force_login(eve)

    answer = client.get(reverse("connections:new", args=["shop"]))

    assert "Available to" not in answer.content.decode()


# --- Who is creating ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("end", "more"),
    [
        (people.deactivate, {}),
        (partial(people.change_role, to=Role.MEMBER), {"environment": "production"}),
        (partial(people.change_role, to=Role.MEMBER), OWN),
    ],
    ids=["deactivated", "demoted", "demoted, with an own part"],
)
def test_who_may_no_longer_once_the_service_has_answered_makes_nothing(
    signed_in, ada, root, shop, monkeypatch, end, more
):
    def slow(*asked):
        end(ada, by=root)
        return Granted({"key_1": CANARY})

    monkeypatch.setattr(creating, "obtain", slow)

    answer = make(signed_in, shop, FORM, more)

    assert answer.status_code == 403
    assert not Connection.objects.exists()
    assert not roles.user_grants(Connection).exists()
