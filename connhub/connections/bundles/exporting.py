"""Making a file of connections, sealed under a passphrase."""

from collections.abc import Iterable, Sequence

from django.db import transaction

from connhub.accounts.models import User
from connhub.audit.log import record_each
from connhub.connections import policies
from connhub.connections.models import Connection, ConnectionQuerySet
from connhub.errors import Refusal
from connhub.services import custom, portable
from connhub.services.models import Origin, Service
from connhub.vault import passphrase
from connhub.vault.keyring import CantOpen

from .document import MAX_BYTES, MAX_ITEMS, BadFile, Bundle, Grant, Item, Place, read, slug_of

NAMED = 5


class NothingToExport(Refusal):
    code = "nothing-to-export"
    text = "There is no connection among these that you administer."


class TooMuch(Refusal):
    code = "too-much-to-export"
    text = "A file holds at most 10,000 connections and 10 MiB. Export fewer at a time."


class SecretUnreadable(Refusal):
    code = "secret-unreadable"


class PassphraseTooShort(Refusal):
    code = "passphrase-too-short"
    text = "The passphrase needs at least 14 characters."
    status = 400


class CantTravel(Refusal):
    code = "cant-travel"


def export(
    connections: ConnectionQuerySet, *, with_secrets: bool, sealed_under: str, by: User
) -> bytes:
    """The connections as a file sealed under the passphrase, each on record before it is given out.

    Credentials of login users stay behind, and without secrets all others and client secrets do.

    Raises:
        PermissionDenied: `by` doesn't administer one of them.
        NothingToExport, TooMuch: there are none, or too many for a file.
        SecretUnreadable: a stored secret can't be opened any more.
        PassphraseTooShort: it has fewer than 14 characters.
        CantTravel: something stored would not be taken back.
    """
    if not passphrase.is_long_enough(sealed_under):
        raise PassphraseTooShort
    content = _gather(connections, with_secrets, by).as_json()
    if len(content) > MAX_BYTES - 2**10:
        raise TooMuch
    try:
        read(content)
    except BadFile as error:  # a file that can't be read is found out now, not when it is needed
        raise CantTravel(f"This can't be exported as it is stored. {error.text}") from None
    return passphrase.seal_file(content, sealed_under)


@transaction.atomic
def _gather(connections: ConnectionQuerySet, with_secrets: bool, by: User) -> Bundle:
    found = list(connections.for_export()[: MAX_ITEMS + 1])
    if not found:
        raise NothingToExport
    if len(found) > MAX_ITEMS:
        raise TooMuch
    policies.require_admin_of_all(by, found)
    # Each is told as the file has it: by environment, whose secrets went into it.
    items, unreadable = [], []
    for connection in found:
        try:
            items.append(_item(connection, with_secrets))
        except CantOpen:
            unreadable.append(connection)
    if unreadable:
        raise _unreadable(unreadable)
    record_each(
        "connection.exported",
        (
            (connection, _secrets_in(item), {"secrets": with_secrets})
            for connection, item in zip(found, items, strict=True)
        ),
        by=by,
        change=False,
    )
    return _bundle(found, items)


def _unreadable(connections: Sequence[Connection]) -> SecretUnreadable:
    return SecretUnreadable(
        "The stored secrets of these can't be opened any more. Leave them out, reconnect them, "
        "or export without secrets.",
        links=[(str(each), each.get_absolute_url()) for each in connections[:NAMED]],
    )


def _secrets_in(item: Item) -> list[str]:
    names = {name for grant in item.credentials for name in grant.secrets}
    return sorted(names | ({"client_secret"} if item.client_secret else set()))


def _item(connection: Connection, with_secrets: bool) -> Item:
    app = connection.oauth_app
    own = app if app and not app.shared else None
    secret = None
    if own and with_secrets:
        secret = own.client_secret.open().reveal() if own.client_secret else ""
    return Item(
        link_name=connection.link_name,
        name=connection.name,
        service=connection.service.slug,
        kind=connection.auth_method.kind,
        label=connection.auth_method.label,
        description=connection.description,
        tags=connection.tags,
        scopes=connection.scopes,
        access_mode=connection.access_mode,
        login_user=connection.login_user,
        settings=[
            Place(slug_of(row.environment), row.parameters, row.base_url)
            for row in connection.settings.all()
        ],
        client_id=own.client_id if own else "",
        client_secret=secret,
        credentials=_grants(connection) if with_secrets else [],
    )


def _grants(connection: Connection) -> list[Grant]:
    return [
        Grant(
            environment=slug_of(row.environment),
            secrets=row.payload.open().reveal(),
            account=row.account,
            scopes_granted=row.scopes_granted,
            expires_at=row.expires_at,
            renewable=row.renewable,
        )
        for row in connection.credentials.all()
        if row.payload and row.user_id is None
    ]


def _bundle(connections: Iterable[Connection], items: Sequence[Item]) -> Bundle:
    slugs = {c.service.slug for c in connections if c.service.origin == Origin.CUSTOM}
    services, others = {}, {}
    for service in Service.objects.filter(slug__in=slugs):
        definition = custom.definition_of(service)
        if portable.can_travel(definition):
            services[service.slug] = portable.plain(service.slug, definition)
        else:
            others[service.slug] = portable.destination(definition)
    return Bundle(services, items, others)
