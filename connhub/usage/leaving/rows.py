"""The rows of the off-boarding page: what each is, where, when last used, and where to go on."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Any

from django.db.models import Count, Max
from django.urls import reverse

from connhub.accounts.models import AdminToken, User
from connhub.connections import reauthorizing
from connhub.connections.listing import Use, uses
from connhub.connections.models import Connection, Credential
from connhub.errors import Link
from connhub.paging import Page, page
from connhub.services.models import Service

from ..models import Flow, Integration, IntegrationKey
from ..reach.drawing import counted
from ..registration import USES
from .kinds import Kind

EVERYWHERE = "all environments"


@dataclass
class Row:
    """One thing that is left; `key` names it in a form, `links` lead to what is done elsewhere."""

    key: str
    name: str
    url: str
    about: str
    where: str
    since: datetime | None = None
    last_used_at: datetime | None = None
    asked_at: datetime | None = None
    service: Service | None = None
    links: list[Link] = field(default_factory=list)


def rows(kind: Kind, person: User, viewer: User, params: Mapping[str, str]) -> Page:
    """A page of one kind, in a few queries however many there are."""
    found = page(kind.found(person), kind.order, params)
    build = _of_kind.get(kind.name, _connections)
    return Page(build(found.rows, person, viewer), found.newer, found.older)


def _connections(found: list[Connection], person: User, viewer: User) -> list[Row]:
    used = uses([each.pk for each in found], viewer)
    services = Service.objects.in_bulk({each.service_id for each in found})
    return [
        Row(
            str(each.pk),
            each.name,
            each.get_absolute_url(),
            each.link_name,
            f"{services[each.service_id]}, {each.standing.label.lower()}",
            each.created_at,
            used[each.pk].last_used_at,
            service=services[each.service_id],
            links=_reaching(each, used[each.pk]),
        )
        for each in found
    ]


def _services(found: list[Service], person: User, viewer: User) -> list[Row]:
    return [
        Row(str(s.pk), s.name, s.get_absolute_url(), s.slug, s.category, service=s) for s in found
    ]


def _integrations(found: list[Integration], person: User, viewer: User) -> list[Row]:
    keys = IntegrationKey.objects.filter(integration__in=found).order_by()
    last = dict(keys.values_list("integration").annotate(Max("last_used_at")))
    return [
        Row(
            str(each.pk),
            each.name,
            each.get_absolute_url(),
            each.slug,
            str(each.project),
            each.created_at,
            last.get(each.pk),
        )
        for each in found
    ]


def _standing_alone(noun: str, found: list[Any], person: User, viewer: User) -> list[Row]:
    kind = type(found[0]) if found else Flow
    model, of = USES[kind]
    of_each = model.objects.filter(**{f"{of}__in": found}).order_by().values_list(of)
    uses_of = dict(of_each.annotate(Count("pk")))
    return [
        Row(
            str(each.pk),
            each.name,
            each.get_absolute_url(),
            each.key,
            counted(uses_of.get(each.pk, 0), noun),
            each.saved_at,
        )
        for each in found
    ]


def _connected(found: list[Credential], person: User, viewer: User) -> list[Row]:
    built = _credentials(found)
    used = uses([each.connection_id for each in found], viewer)
    asked = reauthorizing.asked_at(used, person)
    for row, each in zip(built, found, strict=True):
        use = used[each.connection_id]
        row.last_used_at, row.asked_at = use.last_used_at, asked.get(each.connection_id)
        if row.asked_at and each.connected_at and row.asked_at < each.connected_at:
            row.asked_at = None
        row.links = _to_connect(each, use)
    return built


def _credentials(found: Iterable[Credential], *_: Any) -> list[Row]:
    return [
        Row(
            str(each.pk),
            each.connection.name,
            each.connection.get_absolute_url(),
            each.account or "no outside account known",
            str(each.environment or EVERYWHERE),
            each.connected_at,
            service=each.connection.service,
        )
        for each in found
    ]


def _keys(found: list[IntegrationKey], person: User, viewer: User) -> list[Row]:
    return [
        Row(
            str(each.pk),
            each.name,
            reverse("usage:keys", args=[each.integration.slug]),
            f"{each.prefix}…",
            f"{each.integration}, {each.environment}",
            each.issued_at,
            each.last_used_at,
        )
        for each in found
    ]


def _admin_tokens(found: list[AdminToken], person: User, viewer: User) -> list[Row]:
    url = reverse("accounts:admin_tokens_of", args=[person.public_id])
    return [
        Row(
            str(each.pk),
            each.name,
            url,
            f"{each.prefix}…",
            "only looks" if each.read_only else "looks and changes",
            each.issued_at,
            each.last_used_at,
        )
        for each in found
    ]


_of_kind: dict[str, Any] = {
    "services": _services,
    "integrations": _integrations,
    "flows": partial(_standing_alone, "step"),
    "apps": partial(_standing_alone, "data object"),
    "functions": partial(_standing_alone, "connection"),
    "connected": _connected,
    "sign_ins": _credentials,
    "keys": _keys,
    "admin_tokens": _admin_tokens,
}


def _to_connect(credential: Credential, use: Use) -> list[Link]:
    """Where its admins reconnect it, have somebody else connect it, or revoke it."""
    connection, place = credential.connection, credential.environment
    if not use.may_administer:
        return _reaching(connection, use)
    query = f"?environment={place.slug}" if place else ""
    pages = {"Reconnect": "reconnect", "Send connect link": "send_connect_link"}
    return [
        (label, reverse(f"connections:{name}", args=[connection.link_name]) + query)
        for label, name in (pages | {"Revoke": "revoke"}).items()
    ]


def _reaching(connection: Connection, use: Use) -> list[Link]:
    if use.may_administer:
        return [("Revoke", reverse("connections:revoke", args=[connection.link_name]))]
    return [to_self(connection)]


def to_self(connection: Connection) -> Link:
    """Where a super admin shares it to themself, before anything else can be done to it."""
    return "Share to myself", reverse("connection_share:to_self", args=[connection.link_name])
