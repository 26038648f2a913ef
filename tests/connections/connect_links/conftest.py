"""A link to `crm`, whose people sign in with OAuth 2.0, and one to a connection with an API key."""

from dataclasses import dataclass

import pytest
from django.test import Client
from django.urls import reverse

from connhub.connections.connect_links import making
from connhub.connections.models import ConnectLink
from tests.factories import AuthMethodFactory, ServiceFactory, connect


@dataclass
class Sent:
    """A link as its maker sent it, and as somebody opens it in a browser."""

    link: ConnectLink
    token: str

    @property
    def url(self) -> str:
        return reverse("open_connect_link", args=[self.token])

    @property
    def page(self) -> str:
        return reverse("connect_link", args=[self.link.pk])

    def open(self, browser: Client) -> str:
        answer = browser.get(self.url)
        assert answer.headers["Location"] == self.page
        return self.page


def send(connection, by, **details) -> Sent:
    return Sent(*making.make(connection, by=by, **details))


@pytest.fixture
def sent(ada, crm) -> Sent:
    return send(crm, ada, note="For the nightly sync")


@pytest.fixture
def visitor() -> Client:
    """Somebody without an account."""
    return Client()


@pytest.fixture
def parcels(ada, upstream, allow):
    """Takes an API key, which its test tells right from wrong; it has a wrong one."""
    allow(upstream.port)
    service = ServiceFactory(
        name="Parcels", base_url=upstream.url, test={"method": "GET", "path": "/key"}
    )
    method = AuthMethodFactory(service=service)
    return connect(ada, method=method, name="Parcels", link_name="parcels", secret="outdated")
