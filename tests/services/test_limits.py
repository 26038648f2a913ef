"""At which hosts connections to a service may be."""

import pytest

from connhub.services.limits import is_host_of
from tests.factories import AuthMethodFactory, ServiceFactory

pytestmark = pytest.mark.django_db
ALLOWED = ["files.acme.example", "*.eu.acme.example"]


@pytest.fixture
def method(db):
    service = ServiceFactory(base_url="https://{shop}.acme.example:8443/v1", allowed_hosts=ALLOWED)
    service.endpoints.create(base_url="https://staging.example.net")
    return AuthMethodFactory(service=service, config={"base_url": "https://old.acme.example"})


@pytest.mark.parametrize(
    "host",
    [
        *("blue.acme.example", "FILES.acme.example", "a.eu.acme.example", "a.b.eu.acme.example"),
        *("staging.example.net", "old.acme.example"),
    ],
)
def test_the_service_s_hosts_and_those_that_it_names_are_its_own(method, host):
    assert is_host_of(method, host)


@pytest.mark.parametrize(
    "host",
    [
        *("acme.example", "a.b.acme.example", "evil.example", "evilfiles.acme.example.net"),
        *("xeu.acme.example.evil", "filesxacme.example", "", "127.0.0.1"),
    ],
)
def test_others_are_not(method, host):
    assert not is_host_of(method, host)


def test_every_host_will_do_where_none_is_named(method):
    method.service.allowed_hosts = []

    assert is_host_of(method, "evil.example")
