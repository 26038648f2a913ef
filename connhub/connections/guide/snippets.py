"""Everything that the guide says about one connection in one environment; no secret, not even a key."""

from collections.abc import Mapping
from dataclasses import dataclass

from django.conf import settings

from connhub.accounts.models import Environment, User
from connhub.services.addresses import Unfilled, fill

from ..access import base_url_for, settings_for
from ..auth import METHODS
from ..databases import DRIVERS
from ..models import AccessMode, Connection
from . import languages
from .openings import NAMES, Opening, Server, opening
from .sample import Sample, sample_of


@dataclass(frozen=True, slots=True)
class Snippet:
    """`name` tells it apart in pages, `label` is for people."""

    name: str
    label: str
    code: str


@dataclass(frozen=True, slots=True)
class Guide:
    """Calls through the proxy and fetching of the credential; empty where the connection has none."""

    calls: list[Snippet]
    fetching: list[Snippet]
    sample: Sample
    address: str  # of the service there; "" where a part of it is missing


def begin_with(connection: Connection) -> Environment:
    """The lowest environment in which it can be called, else the lowest."""
    environments = list(Environment.objects.all())
    live = (each for each in environments if connection.standing_in(each).is_live)
    return next(live, environments[0])


def guide_to(connection: Connection, environment: Environment, user: User) -> Guide:
    """How to use it in an environment; `user` is the example of a login user."""
    method = connection.auth_method
    is_http = METHODS[method.kind].is_http
    stored = settings_for(connection, environment)
    acting_for = user.email if connection.login_user else ""
    sample = sample_of(method) if is_http else Sample()
    hands_out = connection.access_mode == AccessMode.CREDENTIALS and method.kind != "none"
    opened = NAMES if is_http else _opening(connection, stored.parameters)
    return Guide(
        calls=_calls(connection, sample, acting_for) if is_http else [],
        fetching=_fetching(connection, acting_for, opened) if hands_out else [],
        sample=sample,
        address=_address(connection, environment),
    )


def _calls(connection: Connection, sample: Sample, user: str) -> list[Snippet]:
    url = f"{_url(connection)}/proxy{sample.path}"
    hub, link_name = settings.CONNHUB_URL, connection.link_name
    return _four(
        curl=languages.curl(url, sample, user),
        python=languages.python(url, sample, user),
        client=languages.client(hub, link_name, sample, user),
        javascript=languages.javascript(url, sample, user),
    )


def _fetching(connection: Connection, user: str, opened: Opening) -> list[Snippet]:
    url = f"{_url(connection)}/credentials"
    hub, link_name = settings.CONNHUB_URL, connection.link_name
    return _four(
        curl=languages.curl(url, Sample(), user),
        python=languages.python_fetching(url, user, opened),
        client=languages.client_fetching(hub, link_name, user, opened),
        javascript=languages.javascript_fetching(url, user),
    )


LABELS = {
    "curl": "curl",
    "python": "Python",
    "client": "Python, ConnHub's client",
    "javascript": "JavaScript",
}


def _four(**texts: str) -> list[Snippet]:
    return [Snippet(name, LABELS[name], text) for name, text in texts.items()]


def _url(connection: Connection) -> str:
    return f"{settings.CONNHUB_URL}/api/v1/connections/{connection.link_name}"


def _opening(connection: Connection, parameters: Mapping[str, str]) -> Opening:
    driver = DRIVERS[connection.service.driver]
    usual_start = driver.tls_starts[0][0] if driver.tls_starts else ""
    server = Server.of(parameters, usual_start or Server().tls_start)
    return opening(driver.slug, server)


def _address(connection: Connection, environment: Environment) -> str:
    stored = settings_for(connection, environment)
    if not METHODS[connection.auth_method.kind].is_http:
        port = stored.parameters.get("port") or DRIVERS[connection.service.driver].default_port
        host = stored.parameters.get("host", "")
        return f"{host}:{port}" if host else ""
    try:
        return fill(base_url_for(connection, stored, environment), stored.parameters)
    except Unfilled:
        return ""
