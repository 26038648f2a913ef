import pytest
from django.utils import timezone

from connhub.accounts.models import Environment
from connhub.connections.access import (
    ConnectionDisabled,
    ConnectionRevoked,
    CredentialIncomplete,
    CredentialUnreadable,
    NotConnected,
    ReconnectNeeded,
    main_settings,
    prepare,
)
from connhub.connections.auth.base import Granted
from connhub.connections.keeping import keep
from connhub.connections.models import Connection, Credential, Settings, Status
from connhub.services.addresses import Unfilled
from connhub.services.models import Endpoint
from tests.conftest import CANARY
from tests.factories import AuthMethodFactory, ServiceFactory, connect

pytestmark = pytest.mark.django_db


@pytest.fixture
def staging():
    return Environment.objects.get(slug="staging")


def keys_of(access) -> dict[str, str]:
    return dict(access.injection.headers)


def test_call_goes_to_the_service_with_the_credential(connection):
    access = prepare(connection, None)

    assert access.base_url == "https://api.service.example/v1"
    assert keys_of(access) == {"X-Api-Key": CANARY}
    assert CANARY not in repr(access)


def test_address_is_filled_with_the_parameters(ada):
    service = ServiceFactory(base_url="https://{shop}.example/v1")
    method = AuthMethodFactory(service=service)
    made = connect(ada, method=method, parameters={"shop": "acme"})

    assert prepare(made, None).base_url == "https://acme.example/v1"
    Settings.objects.update(parameters={})
    with pytest.raises(Unfilled):
        prepare(made, None)


def test_environment_has_its_own_settings_endpoint_and_credential_or_those_for_all(
    connection, staging
):
    Endpoint.objects.create(
        service=connection.service, environment=staging, base_url="https://staging.example"
    )
    keep(connection, Granted({"key_1": "of staging"}), environment=staging)

    production = Environment.objects.get(slug="production")
    assert keys_of(prepare(connection, staging)) == {"X-Api-Key": "of staging"}
    assert prepare(connection, staging).base_url == "https://staging.example"
    assert keys_of(prepare(connection, production)) == {"X-Api-Key": CANARY}
    assert prepare(connection, production).base_url == "https://api.service.example/v1"


def test_key_of_one_environment_never_reaches_anothers(ada, staging):
    made = connect(ada, environment=staging)

    for environment in Environment.objects.exclude(pk=staging.pk):
        with pytest.raises(NotConnected):
            prepare(made, environment)
    with pytest.raises(NotConnected):
        prepare(made, None)


def test_revoked_in_one_environment_does_not_fall_back_to_all(connection, staging):
    own = keep(connection, Granted({"key_1": "x"}), environment=staging)
    own.payload.clear()
    own.status = Status.REVOKED
    own.save()

    with pytest.raises(ConnectionRevoked):
        prepare(connection, staging)


def test_login_users_credential_serves_nobody_else(ada, connection):
    Credential.objects.update(user=ada)

    with pytest.raises(NotConnected):
        prepare(connection, None)


@pytest.mark.parametrize(
    ("change", "refusal"),
    [
        (lambda: Connection.objects.update(deleted_at=timezone.now()), NotConnected),
        (lambda: Connection.objects.update(disabled_at=timezone.now()), ConnectionDisabled),
        (lambda: Credential.objects.update(status=Status.NOT_CONNECTED), NotConnected),
        (lambda: Credential.objects.update(status=Status.REVOKED), ConnectionRevoked),
        (lambda: Credential.objects.update(status=Status.RECONNECT_NEEDED), ReconnectNeeded),
        (lambda: Credential.objects.update(payload=None), NotConnected),
        (lambda: Credential.objects.update(payload=b"\x01broken"), CredentialUnreadable),
        (lambda: Credential.objects.all().delete(), NotConnected),
    ],
)
def test_what_no_call_may_use(connection, change, refusal):
    change()
    connection.refresh_from_db()

    with pytest.raises(refusal):
        prepare(connection, None)


def test_failing_connection_may_still_be_tried(connection):
    Credential.objects.update(status=Status.FAILING)

    assert keys_of(prepare(connection, None)) == {"X-Api-Key": CANARY}


def test_service_that_asks_for_more_than_is_stored_says_so(connection):
    connection.auth_method.config["keys"].append({"name": "X-App", "in": "header"})

    with pytest.raises(CredentialIncomplete):
        prepare(connection, None)


def test_main_settings_are_those_for_all_else_the_lowest_environments(ada, staging):
    made = connect(ada, environment=staging)
    development = Environment.objects.get(slug="development")

    first = main_settings(made)
    of_development = Settings.objects.create(connection=made, environment=development)
    second = main_settings(made)
    for_all = Settings.objects.create(connection=made)

    assert (first.environment, second, main_settings(made)) == (staging, of_development, for_all)
