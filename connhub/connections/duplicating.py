"""A new connection like another one, with everything but its secret."""

from collections.abc import Callable, Sequence

from django.db import transaction

from connhub.accounts.models import User
from connhub.accounts.people import require_now
from connhub.audit.log import Entry, record_all
from connhub.services.models import OAuthApp
from connhub.sharing import roles

from . import login_users
from .auth import METHODS, is_interactive
from .auth.base import Granted
from .keeping import keep
from .lifecycle import BadLinkName, Details, insert, new_app
from .models import Connection, Settings, is_link_name

# What rooms above this one copy from the first to the second, and say of it for the record. Added to
# in the `ready()` of the app that knows.
copiers: list[Callable[[Connection, Connection, User], Sequence[Entry]]] = []


@transaction.atomic
def duplicate(connection: Connection, *, name: str, link_name: str, by: User) -> Connection:
    """A copy that `by` alone administers, not connected unless nothing secret is needed.

    Settings of every environment come along, and who it is available to, as far as that is theirs
    to say; secrets, an own OAuth app's too, don't.

    Raises:
        PermissionDenied: `by` is no admin of the connection.
        BadLinkName: the link name is malformed or reserved.
        LinkNameTaken: the link name belongs to another connection, perhaps a deleted one.
    """
    by = require_now(by, "connection.duplicate", connection)
    if not is_link_name(link_name):
        raise BadLinkName
    made = insert(connection.auth_method, _details(connection, name), link_name, by)
    roles.grant_new([made], by, by=by)
    Settings.objects.bulk_create(
        Settings(
            connection=made,
            environment_id=stored.environment_id,
            parameters=stored.parameters,
            base_url=stored.base_url,
        )
        for stored in connection.settings.all()
    )
    made.oauth_app = _app(connection, by)
    made.status = login_users.status_of(made) if made.login_user else made.status
    if made.oauth_app or made.login_user:
        made.save(update_fields=["oauth_app", "status"])
    if _needs_no_secret(connection):
        keep(made, Granted({}), environment=None, by=by)
    entries = [Entry("connection.duplicated", made, detail={"from": connection.link_name})]
    for copy in copiers:
        entries += copy(connection, made, by)
    record_all(entries, by=by)
    return made


def _details(connection: Connection, name: str) -> Details:
    return Details(
        name=name,
        description=connection.description,
        access_mode=connection.access_mode,
        login_user=connection.login_user,
        scopes=connection.scopes,
        tags=connection.tags,
    )


def _app(connection: Connection, by: User) -> OAuthApp | None:
    """The shared app as it is; of an own one the client id."""
    app = connection.oauth_app
    if app is None or app.shared:
        return app
    return new_app(connection, Details(connection.name, client_id=app.client_id), by)


def _needs_no_secret(connection: Connection) -> bool:
    method = connection.auth_method
    secret = any(field.secret for field in METHODS[method.kind].fields(method))
    return not (secret or is_interactive(method))
