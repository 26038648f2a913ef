"""What a file of connections holds, once it is opened: JSON of a strict shape."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.utils import timezone
from django.utils.dateparse import parse_datetime

from connhub.accounts.models import Environment
from connhub.connections.models import AccessMode
from connhub.errors import Refusal
from connhub.services import portable, strict
from connhub.services.strict import Misshapen, each, flag, line, maybe, one_of, pairs, record, text

MAX_BYTES = 10 * 2**20
MAX_ITEMS = 10_000
LONG = 20_000

NAME = line(50, blank=False)
ENVIRONMENT = maybe(line(30, blank=False))


def _moment(value: Any, where: str) -> str:
    try:
        found = parse_datetime(line(40)(value, where))
    except ValueError:
        found = None
    if found is None or timezone.is_naive(found) or not 2000 <= found.year < 3000:
        raise Misshapen(f"{where} is not a moment with its time zone.")
    return value


SETTINGS = record(
    {
        "environment": ENVIRONMENT,
        "parameters": pairs(NAME, text(LONG), 100),
        "base_url": line(300),
    }
)
CREDENTIAL = record(
    {
        "environment": ENVIRONMENT,
        "secrets": pairs(NAME, text(LONG), 50),
        "account": line(200),
        "scopes_granted": each(line(200), 500),
        "expires_at": maybe(_moment),
        "renewable": flag,
    }
)
APP = record({"client_id": line(300, blank=False)}, {"client_secret": text(8000)})
CONNECTION = record(
    {
        "link_name": line(50, blank=False),
        "name": line(80, blank=False),
        "service": line(60, blank=False),
        "auth_method": record({"kind": NAME, "label": line(60)}),
        "description": line(300),
        "tags": each(line(40, blank=False), 50),
        "scopes": each(line(200, blank=False), 500),
        "access_mode": one_of(*AccessMode.values),
        "login_user": flag,
        "settings": each(SETTINGS, 50),
        "oauth_app": maybe(APP),
        "credentials": each(CREDENTIAL, 50),
    }
)
BUNDLE = record(
    {
        "services": each(portable.SERVICE, 1000),
        "other_services": pairs(line(60, blank=False), line(64, blank=False), 1000),
        "connections": each(CONNECTION, MAX_ITEMS),
    }
)


class BadFile(Refusal):
    """The file can't be imported; the text says why and quotes nothing of it."""

    code = "bad-bundle"
    text = "This is not a file that ConnHub exported."
    status = 400


@dataclass(slots=True, repr=False)
class Grant:
    """One credential of a connection: for all environments (None) or one; its secrets in clear."""

    environment: str | None
    secrets: Mapping[str, str]
    account: str = ""
    scopes_granted: Sequence[str] = ()
    expires_at: datetime | None = None
    renewable: bool = False


@dataclass(slots=True)
class Place:
    """Parameters and endpoint, for all environments (None) or for one."""

    environment: str | None
    parameters: Mapping[str, str] = field(default_factory=dict)
    base_url: str = ""


@dataclass(slots=True, repr=False)
class Item:
    """One connection as a file holds it. A client secret of None is one that it doesn't hold."""

    link_name: str
    name: str
    service: str
    kind: str
    label: str
    description: str = ""
    tags: Sequence[str] = ()
    scopes: Sequence[str] = ()
    access_mode: str = AccessMode.PROXY
    login_user: bool = False
    settings: Sequence[Place] = ()
    client_id: str = ""
    client_secret: str | None = None
    credentials: Sequence[Grant] = ()

    @property
    def environments(self) -> set[str | None]:
        return {place.environment for place in self.settings} | {
            grant.environment for grant in self.credentials
        }


@dataclass(slots=True, repr=False)
class Bundle:
    """Connections, and the custom services among theirs by slug (of the shape portable.SERVICE).

    Of custom services that can't travel, `others` has a hash of where they send secrets.
    """

    services: Mapping[str, Mapping[str, Any]]
    items: Sequence[Item]
    others: Mapping[str, str] = field(default_factory=dict)

    def plain(self) -> dict[str, Any]:
        return {
            "services": list(self.services.values()),
            "other_services": dict(self.others),
            "connections": [_plain(item) for item in self.items],
        }

    def as_json(self) -> bytes:
        return json.dumps(self.plain(), ensure_ascii=False, separators=(",", ":")).encode()


def slug_of(environment: Environment | None) -> str | None:
    """How a file names it: None stands for all environments."""
    return environment.slug if environment else None


def read(data: bytes) -> Bundle:
    """The content of a file. Raises: BadFile, without a word of what is in it."""
    if len(data) > MAX_BYTES:
        raise BadFile("The file is larger than 10 MiB.")
    try:
        return of_plain(BUNDLE(strict.parse(data), "The file"))
    except Misshapen as error:
        raise BadFile(f"This file can't be imported. {error}") from None


def of_plain(plain: Mapping[str, Any]) -> Bundle:
    """What is of the shape BUNDLE, as a bundle.

    Raises: Misshapen, if a link name, a service or an environment is there twice.
    """
    services = {service["slug"]: service for service in plain["services"]}
    if len(services) < len(plain["services"]):
        raise Misshapen("A service is there twice.")
    items = [_item(connection) for connection in plain["connections"]]
    if len({item.link_name for item in items}) < len(items):
        raise Misshapen("A link name is there twice.")
    for number, item in enumerate(items):
        if _has_twins(item.settings) or _has_twins(item.credentials):
            raise Misshapen(f"connections[{number}] has an environment twice.")
    return Bundle(services, items, plain["other_services"])


def _has_twins(things: Iterable[Any]) -> bool:
    stages = [thing.environment for thing in things]
    return len(set(stages)) < len(stages)


def _item(plain: Mapping[str, Any]) -> Item:
    app = plain["oauth_app"] or {}
    same = ("link_name", "name", "service", "description", "tags", "scopes", "access_mode")
    return Item(
        **{name: plain[name] for name in same},
        kind=plain["auth_method"]["kind"],
        label=plain["auth_method"]["label"],
        login_user=plain["login_user"],
        settings=[Place(**settings) for settings in plain["settings"]],
        client_id=app.get("client_id", ""),
        client_secret=app.get("client_secret"),
        credentials=[_grant(credential) for credential in plain["credentials"]],
    )


def _grant(plain: Mapping[str, Any]) -> Grant:
    moment = plain["expires_at"]
    return Grant(**{**plain, "expires_at": parse_datetime(moment) if moment else None})


def _plain(item: Item) -> dict[str, Any]:
    app: dict[str, str] = {"client_id": item.client_id}
    if item.client_secret is not None:
        app["client_secret"] = item.client_secret
    return {
        "link_name": item.link_name,
        "name": item.name,
        "service": item.service,
        "auth_method": {"kind": item.kind, "label": item.label},
        "description": item.description,
        "tags": list(item.tags),
        "scopes": list(item.scopes),
        "access_mode": str(item.access_mode),
        "login_user": item.login_user,
        "settings": [
            {
                "environment": place.environment,
                "parameters": dict(place.parameters),
                "base_url": place.base_url,
            }
            for place in item.settings
        ],
        "oauth_app": app if item.client_id else None,
        "credentials": [_plain_grant(grant) for grant in item.credentials],
    }


def _plain_grant(grant: Grant) -> dict[str, Any]:
    return {
        "environment": grant.environment,
        "secrets": dict(grant.secrets),
        "account": grant.account,
        "scopes_granted": list(grant.scopes_granted),
        "expires_at": grant.expires_at.isoformat() if grant.expires_at else None,
        "renewable": grant.renewable,
    }
