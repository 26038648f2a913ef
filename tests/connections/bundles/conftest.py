from collections.abc import Callable

import pytest

from connhub.connections.bundles import applying, exporting, imports
from connhub.connections.bundles.applying import Outcome
from connhub.connections.bundles.preview import Decisions
from connhub.connections.models import Connection
from connhub.vault import passphrase
from tests.conftest import CANARY
from tests.factories import AuthMethodFactory, ServiceFactory, connect

PASSPHRASE = "a passphrase for the tests"
OAUTH = {
    "authorize_url": "https://login.service.example/authorize",
    "token_url": "https://login.service.example/token",
}


@pytest.fixture(autouse=True)
def cheap_passphrases(monkeypatch):
    """As cheap to try as a file may say it is, for there are many here."""
    monkeypatch.setattr(passphrase, "LOG_N", passphrase.CHEAPEST_LOG_N)


@pytest.fixture
def export(ada) -> Callable[..., bytes]:
    """The file of what ada administers."""

    def export(*, secrets=True, by=ada, link_names=None, sealed_under=PASSPHRASE) -> bytes:
        wanted = Connection.objects.administered_by(by)
        if link_names is not None:
            wanted = Connection.objects.live().filter(link_name__in=link_names)
        return exporting.export(wanted, with_secrets=secrets, sealed_under=sealed_under, by=by)

    return export


@pytest.fixture
def bring_in() -> Callable[..., Outcome]:
    """Imports a file as somebody, with what they decide."""

    def bring_in(file: bytes, by, **decisions) -> Outcome:
        bundle = imports.open_file(file, PASSPHRASE, by=by)
        return applying.apply(bundle, Decisions(**decisions), by=by)

    return bring_in


@pytest.fixture
def keyed(ada) -> Connection:
    """A connection with an API key."""
    return connect(
        ada, name="Keyed", link_name="keyed", secret=CANARY, description="For invoices", tags=["a"]
    )


@pytest.fixture
def oauth_method(db):
    service = ServiceFactory(slug="oauth", name="OAuth service", origin="default")
    return AuthMethodFactory(service=service, kind="oauth2_code", label="OAuth 2.0", config=OAUTH)
