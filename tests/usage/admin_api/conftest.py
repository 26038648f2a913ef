"""Programs that call the admin API, each with a token of somebody's."""

from collections.abc import Callable
from typing import Any

import pytest
from django.http import HttpResponse
from django.test import Client

from connhub.accounts import admin_tokens
from connhub.accounts.models import User
from connhub.services.models import AuthMethod
from tests.factories import AuthMethodFactory, ServiceFactory

ROOT = "/api/v1/admin"


class Program:
    """Calls the admin API with one token."""

    def __init__(self, person: User, **options: Any) -> None:
        self.token, self.text = admin_tokens.issue("pipeline", by=person, **options)
        self.client = Client(raise_request_exception=False)

    def __call__(self, method: str, path: str, body: Any = None, **headers: str) -> HttpResponse:
        headers = {"Authorization": f"Bearer {self.text}"} | {
            name.replace("_", "-"): value for name, value in headers.items()
        }
        send = {"data": body, "content_type": "application/json"} if body is not None else {}
        return getattr(self.client, method.lower())(ROOT + path, headers=headers, **send)


@pytest.fixture
def program(db) -> Callable[..., Program]:
    return Program


@pytest.fixture
def call(ada) -> Program:
    """By ada, who administers the connection."""
    return Program(ada)


@pytest.fixture
def api_key(db) -> AuthMethod:
    """Of a service that asks for a key and has a parameter."""
    service = ServiceFactory(
        slug="ledger",
        name="Ledger",
        base_url="https://{region}.ledger.example",
        parameters=[{"name": "region", "label": "Region"}],
    )
    return AuthMethodFactory(service=service)


@pytest.fixture
def oauth(db) -> AuthMethod:
    """Of a service that people sign in at."""
    return AuthMethodFactory(
        service=ServiceFactory(slug="acme", name="Acme"),
        kind="oauth2_code",
        label="OAuth 2.0",
        config={
            "authorize_url": "https://login.acme.example/authorize",
            "token_url": "https://login.acme.example/token",
        },
        scopes=[{"name": "read", "label": "Read", "default": True}, {"name": "write"}],
    )


def problem(response: HttpResponse) -> tuple[int, str]:
    """The status and code of a problem document; fails if it is none."""
    assert response["Content-Type"] == "application/problem+json"
    document = response.json()
    assert document["status"] == response.status_code
    return response.status_code, document["type"].rpartition("/")[2]
