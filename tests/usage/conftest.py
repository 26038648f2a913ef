"""A connection to the test upstream, a key for it, and ConnHub serving calls over it."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
import requests
from django.db import transaction

from connhub.accounts import environments
from connhub.accounts.models import Environment
from connhub.audit.log import record
from connhub.audit.models import Event
from connhub.connections.auth.base import Granted
from connhub.connections.keeping import keep
from connhub.connections.models import Connection
from connhub.services.models import AuthMethod
from connhub.usage import keys, registration
from connhub.usage.models import Integration, IntegrationKey
from tests.conftest import CANARY
from tests.factories import AuthMethodFactory, ServiceFactory, connect
from tests.servers.app import AppServer
from tests.servers.upstream import Upstream

TIMEOUT_S = 20


@dataclass
class Flow:
    """Makes calls with one key, as a flow would; nothing is decoded or followed on the way."""

    server: AppServer
    key: IntegrationKey
    token: str

    def __call__(self, method: str, link_name: str, path: str = "/", **options: Any):
        return self.send(method, self.server.proxy(link_name, path), **options)

    def credentials(self, link_name: str, method: str = "GET", **options: Any):
        return self.send(method, self.server.credentials(link_name), **options)

    def send(self, method: str, url: str, headers: dict | None = None, **options: Any):
        return requests.request(
            method,
            url,
            headers={"Authorization": f"Bearer {self.token}"} | (headers or {}),
            timeout=TIMEOUT_S,
            allow_redirects=False,
            **options,
        )


@pytest.fixture
def reach(ada, integration, upstream: Upstream) -> Callable[..., Connection]:
    """Makes a connection to the upstream and registers it with the integration."""

    def reach(link_name: str = "crm", *, kind: str = "api_key", config: dict | None = None, **more):
        where = more.pop("where", {})
        method = method_for(upstream, kind, config, **where)
        more.setdefault("secrets", SECRETS.get(kind, {}))
        made = connect(ada, method=method, name=link_name.title(), link_name=link_name, **more)
        registration.register(integration, [made], by=ada)
        return made

    return reach


SECRETS = {
    "api_key": {"key_1": CANARY},
    "bearer": {"token": CANARY},
    "basic": {"username": "grace", "password": CANARY},
    "none": {},
}


def method_for(upstream: Upstream, kind: str, config: dict | None, path: str = "") -> AuthMethod:
    service = ServiceFactory(base_url=upstream.url + path)
    header = {"keys": [{"name": "X-Api-Key", "in": "header", "label": "API key"}]}
    default = header if kind == "api_key" else {}
    return AuthMethodFactory(service=service, kind=kind, config=config or default)


@pytest.fixture
def flow_in(ada, app_server: AppServer) -> Callable[..., Flow]:
    """Makes a key of an integration, and what calls with it."""

    def flow_in(integration: Integration, environment: Environment | None = None) -> Flow:
        environment = environment or environments.lowest()
        return Flow(app_server, *keys.issue(integration, environment, name="flow", by=ada))

    return flow_in


@pytest.fixture
def flow(flow_in, integration) -> Flow:
    return flow_in(integration)


@transaction.atomic
def replace_secret(
    made: Connection, granted: Granted, environment: Environment | None = None
) -> None:
    """As if somebody had reconnected it."""
    keep(made, granted, environment=environment)
    record("test.reconnected", on=made)


def problem(response: requests.Response) -> tuple[int, str]:
    """The status and code of a problem document; fails if it is none."""
    assert response.headers["Content-Type"] == "application/problem+json"
    document = response.json()
    assert document["status"] == response.status_code
    return response.status_code, document["type"].rpartition("/")[2]


def wait_for_event(action: str, *, by: IntegrationKey) -> Event:
    """What a key did, which may still be on its way onto the record."""
    for _ in range(100):
        if event := Event.objects.filter(action=action, actor_id=str(by.pk)).last():
            return event
        time.sleep(0.05)
    raise AssertionError(f"{action} is not on record")
