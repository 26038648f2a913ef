"""Turns what HTTP libraries raise into the one family of errors of this room."""

import ssl
from collections.abc import Iterable, Iterator
from typing import Any

import aiohttp

from . import tls
from .errors import NoAnswer, Unreachable


def unreachable(error: BaseException) -> Unreachable:
    """What `error`, raised by requests, urllib3, aiohttp or ssl while calling out, amounts to.

    Raise it `from None`: the originals quote URLs, which may hold secrets.
    """
    chain = list(_chain(error))
    if found := _first(chain, Unreachable):
        return found
    # The innermost: aiohttp's own TLS errors derive from ssl's, but do not say what is wrong.
    if found := _first(reversed(chain), ssl.SSLError):
        return tls.failure(found)
    timed_out = _first(chain, TimeoutError) is not None
    if _first(chain, (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError)):
        return Unreachable("timeout" if timed_out else "closed")
    return NoAnswer("timeout" if timed_out else "broken")


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _first(chain: Iterable[BaseException], kinds: type | tuple[type, ...]) -> Any:
    return next((error for error in chain if isinstance(error, kinds)), None)
