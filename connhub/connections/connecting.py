"""Connecting without a person: the service is asked for a token with what was typed."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from django.core.exceptions import PermissionDenied
from django.db import transaction

from connhub.accounts.models import User
from connhub.errors import Refusal
from connhub.services.addresses import Unfilled
from connhub.services.models import AuthMethod

from .access import AddressIncomplete, CredentialIncomplete
from .auth import METHODS
from .auth.base import Granted
from .auth.provider import ProviderError
from .models import Connection, Credential
from .revocation import secrets_of
from .telling import providers as telling


class ConnectFailed(Refusal):
    code = "connect-failed"
    text = "The service did not accept this. Nothing was saved."


def obtain(
    method: AuthMethod,
    parameters: Mapping[str, str],
    secrets: Mapping[str, str],
    scopes: Sequence[str] = (),
) -> Granted:
    """What to seal: the secrets given and, where the method asks for one, the token they bring.

    Takes up to 20 s, so it is never called with a lock held.

    Raises:
        ConnectFailed: the service refused, or gave no usable answer.
        AddressIncomplete, CredentialIncomplete: something is missing.
    """
    kind = METHODS[method.kind]
    if not kind.connects:
        return Granted(dict(secrets))
    try:
        granted = kind.connect({**parameters, **secrets}, method, scopes)
    except ProviderError as error:
        raise ConnectFailed(str(error)) from None
    except Unfilled:
        raise AddressIncomplete from None
    except KeyError:
        raise CredentialIncomplete from None
    granted.secrets = dict(secrets) | granted.secrets
    return granted


@contextmanager
def given_back_unless_kept(
    connection: Connection,
    parameters: Mapping[str, str],
    granted: Granted | None,
    *,
    user: User | None = None,
) -> Iterator[None]:
    """Around what stores what `obtain` brought: if it refuses, the provider revokes that token.

    Not one that is in use all the same: some services give everybody who asks the same token.
    """
    try:
        yield
    except (PermissionDenied, Refusal):
        token = granted.secrets.get("access_token") if granted else None
        revokes = METHODS[connection.auth_method.kind].revokes
        if granted and token and revokes and not _is_in_use(connection, token):
            given = Credential(connection=connection, user=user)
            with transaction.atomic():
                telling.tell([(given, granted.secrets)], by=None, parameters=dict(parameters))
        raise


def _is_in_use(connection: Connection, token: str) -> bool:
    live = connection.credentials.live()
    return any(secrets_of(credential).get("access_token") == token for credential in live)
