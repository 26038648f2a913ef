import pytest
from django.core.exceptions import PermissionDenied

from connhub.accounts.models import Environment
from connhub.connections import own_settings
from connhub.connections.access import AddressIncomplete, prepare
from connhub.connections.editing import (
    OtherSecretsWouldMove,
    SecretAskedAgain,
    edit,
    reconnect,
)
from connhub.connections.lifecycle import Details
from connhub.connections.models import Connection, Settings, Status
from connhub.connections.refresh import fresh_access
from connhub.services.models import Service
from tests.conftest import CANARY
from tests.connections.steps import actions
from tests.factories import AuthMethodFactory, ServiceFactory, connect

pytestmark = pytest.mark.django_db
SHOP = {
    "name": "shop", "label": "Shop", "help": "", "pattern": "^[a-z-]+$", "placeholder": "",
    "required": True, "default": "",
}  # fmt: skip
URL = "/connections/billing/environments/production/"


@pytest.fixture
def made(ada):
    service = ServiceFactory(base_url="https://{shop}.example.com/v1", parameters=[SHOP])
    return connect(ada, method=AuthMethodFactory(service=service), parameters={"shop": "acme"})


@pytest.fixture
def signed_in(client, ada):
    client.force_login(ada)
    return client


def reached(connection, slug) -> tuple[str, dict]:
    access = prepare(Connection.objects.get(pk=connection.pk), Environment.objects.get(slug=slug))
    return access.base_url, {k: v for k, v in access.values.items() if k == "key_1"}


def test_environment_has_parameters_and_secret_of_its_own(signed_in, made):
    answer = signed_in.post(URL, {"p_shop": "acme-live", "s_key_1": CANARY})

    assert answer.status_code == 303
    assert reached(made, "production") == ("https://acme-live.example.com/v1", {"key_1": CANARY})
    assert reached(made, "staging") == ("https://acme.example.com/v1", {"key_1": "s3cret-value"})
    assert actions(made)[-1] == "connection.environment_set"
    assert CANARY not in signed_in.get(URL).content.decode()


def test_environment_has_an_endpoint_of_its_own(signed_in, made):
    typed = {"p_shop": "acme", "s_key_1": "x", "base_url": "https://sandbox.example.net/{shop}"}

    assert signed_in.post(URL, typed).status_code == 303

    assert reached(made, "production")[0] == "https://sandbox.example.net/acme"


def test_endpoint_is_at_a_host_of_the_service_where_that_names_some(signed_in, made):
    Service.objects.update(allowed_hosts=["sandbox.example.net"])
    typed = {"p_shop": "acme", "s_key_1": "x"}

    refused = signed_in.post(URL, typed | {"base_url": "https://evil.example.net/{shop}"})
    signed_in.post(URL, typed | {"base_url": "https://sandbox.example.net/{shop}"})

    assert list(refused.context["form"].errors) == ["base_url"]
    assert reached(made, "production")[0] == "https://sandbox.example.net/acme"


def test_endpoint_that_the_service_no_longer_names_is_not_called(signed_in, made):
    typed = {"p_shop": "acme", "s_key_1": "x", "base_url": "https://sandbox.example.net/{shop}"}
    signed_in.post(URL, typed)
    Service.objects.update(allowed_hosts=["files.example.net"])

    with pytest.raises(AddressIncomplete):
        fresh_access(Connection.objects.get(pk=made.pk), Environment.objects.get(slug="production"))
    assert reached(made, "staging")[0] == "https://acme.example.com/v1"


@pytest.mark.parametrize(
    ("typed", "field"),
    [
        ({"p_shop": "acme-live"}, "s_key_1"),
        ({"p_shop": "../x", "s_key_1": "x"}, "p_shop"),
        ({"p_shop": "", "s_key_1": "x"}, "p_shop"),
        ({"p_shop": "a", "s_key_1": "x", "base_url": "http://a.example.com"}, "base_url"),
        ({"p_shop": "a", "s_key_1": "x", "base_url": "https://user@e.example.com"}, "base_url"),
        ({"p_shop": "a", "s_key_1": "x", "base_url": "https://e.example.com/{host}"}, "base_url"),
        ({"p_shop": "a", "s_key_1": "x", "base_url": "https://e.example.com/?q=1"}, "base_url"),
    ],
)
def test_bad_input_is_named_beside_its_field_and_changes_nothing(signed_in, made, typed, field):
    answer = signed_in.post(URL, typed)

    assert answer.status_code == 200 and field in answer.context["form"].errors
    assert (made.settings.count(), made.credentials.count()) == (1, 1)


def test_operation_sends_no_stored_secret_to_a_new_place(ada, made):
    with pytest.raises(SecretAskedAgain):
        own_settings.give(
            made,
            Environment.objects.get(slug="production"),
            parameters={"shop": "evil"},
            secrets={},
            by=ada,
        )
    assert reached(made, "production")[0] == "https://acme.example.com/v1"


def test_address_for_all_does_not_move_while_other_environments_secrets_go_there(
    signed_in, ada, made
):
    production = Environment.objects.get(slug="production")
    reconnect(made, {"key_1": CANARY}, by=ada, environment=production)
    typed = {
        "name": "Billing", "access_mode": "proxy", "version": Connection.objects.get().version,
        "p_shop": "evil", "s_key_1": "mine",
    }  # fmt: skip

    answer = signed_in.post("/connections/billing/edit/", typed)

    assert list(answer.context["form"].errors) == ["p_shop"]
    assert "for all environments: Production." in answer.context["form"].errors["p_shop"][0]
    with pytest.raises(OtherSecretsWouldMove):
        edit(
            made, Details(name="Billing", parameters={"shop": "x"}, secrets={"key_1": "y"}), by=ada
        )
    assert reached(made, "production") == ("https://acme.example.com/v1", {"key_1": CANARY})


def test_address_for_all_moves_once_other_environments_have_their_own(ada, made):
    production = Environment.objects.get(slug="production")
    own_settings.give(
        made, production, parameters={"shop": "live"}, secrets={"key_1": CANARY}, by=ada
    )

    edit(made, Details(name="Billing", parameters={"shop": "x"}, secrets={"key_1": "y"}), by=ada)

    assert reached(made, "production") == ("https://live.example.com/v1", {"key_1": CANARY})
    assert reached(made, "staging") == ("https://x.example.com/v1", {"key_1": "y"})


def test_dropping_goes_back_to_what_is_for_all(signed_in, made):
    signed_in.post(URL, {"p_shop": "acme-live", "s_key_1": "own"})

    answer = signed_in.post(URL + "drop/")

    assert answer.status_code == 303
    assert reached(made, "production") == ("https://acme.example.com/v1", {"key_1": "s3cret-value"})
    assert (made.settings.count(), made.credentials.count()) == (1, 1)
    assert actions(made)[-1] == "connection.environment_dropped"


def test_dropping_what_is_not_there_is_refused(signed_in, made):
    assert signed_in.post(URL + "drop/").status_code == 409


def test_dropping_the_only_credentials_is_refused(signed_in, ada):
    production = Environment.objects.get(slug="production")
    connect(ada, environment=production)

    answer = signed_in.post(URL + "drop/")

    assert answer.status_code == 409
    assert Connection.objects.get().status == Status.CONNECTED


def test_member_changes_nothing_in_higher_environments(client, eve):
    made = connect(eve, environment=Environment.objects.get(slug="development"))
    client.force_login(eve)

    assert client.post(URL, {"s_key_1": "x"}).status_code == 403
    with pytest.raises(PermissionDenied):
        own_settings.give(
            made,
            Environment.objects.get(slug="production"),
            parameters={},
            secrets={"key_1": "x"},
            by=eve,
        )


def test_oauth_settings_take_effect_when_the_sign_in_succeeds(
    client, ada, crm, connected, sign_in, oauth_server
):
    typed = {"base_url": oauth_server.api_url + "/v2"}
    answer = client.post("/connections/crm/environments/production/", typed)
    assert not Settings.objects.exclude(environment=None).exists()

    query = answer.headers["Location"].partition("?")[2]
    sign_in(crm, query="?" + query)

    own = Settings.objects.get(environment__slug="production")
    assert own.base_url == oauth_server.api_url + "/v2"
    assert crm.credentials.filter(environment__slug="production").get().status == Status.CONNECTED
    assert crm.credentials.filter(environment=None).get().status == Status.CONNECTED


def test_it_asks_for_nothing_else(signed_in, made):
    fields = signed_in.get(URL).context["form"].visible_fields()
    assert [field.name for field in fields] == ["base_url", "p_shop", "s_key_1", "ends_on"]
