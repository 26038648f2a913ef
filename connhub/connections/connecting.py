"""Connecting without a person: the service is asked for a token with what was typed."""

from collections.abc import Mapping, Sequence

from connhub.errors import Refusal
from connhub.services.addresses import Unfilled
from connhub.services.models import AuthMethod

from .access import AddressIncomplete, CredentialIncomplete
from .auth import METHODS
from .auth.base import Granted
from .auth.provider import ProviderError


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
