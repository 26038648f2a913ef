"""One parser for the URLs that people type and that requests are sent to."""

import re
from collections.abc import Collection
from dataclasses import dataclass

from .allowed import allowed_by, literal
from .errors import BadAddress
from .host import parse_host, require_plain

DEFAULT_PORTS = {"http": 80, "https": 443}
ANY_PORT = range(1, 65536)

ORIGIN = re.compile(r"\A(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*)://(?P<authority>[^/?#]*)")
AUTHORITY = re.compile(r"(?P<host>\[[^\[\]]*\]|[^\[\]:]+)(?::(?P<port>[1-9][0-9]{0,4}))?")

BAD_URL = "Write the address in full, such as https://api.example.com."
NO_USERINFO = "Leave user names and passwords out of the address."
BAD_SCHEME = "The address has to start with https://."
BAD_PORT = "The port in the address may not be used here."


@dataclass(frozen=True, slots=True)
class Target:
    """Where a URL leads, in canonical form; an IPv6 `host` has no brackets."""

    scheme: str
    host: str
    port: int

    @property
    def origin(self) -> str:
        """Scheme, host and port as a URL without a path; the default port is left out."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        port = "" if self.port == DEFAULT_PORTS[self.scheme] else f":{self.port}"
        return f"{self.scheme}://{host}{port}"


def parse_url(
    url: str,
    *,
    schemes: Collection[str] = ("https",),
    ports: Collection[int] | None = None,
) -> Target:
    """Return where `url` leads, without looking the name up.

    `schemes` are of "https" and "http"; http also passes where the operator's allow-list names
    the host and port. Besides the scheme's own port, those in `ports` pass (ANY_PORT: all of
    them) and those that the allow-list names.

    Raises:
        BadAddress: it can't be used; the text says why and repeats nothing of the URL.
    """
    require_plain(url)
    scheme, authority = _split(url)
    host, port = _split_authority(authority)
    target = Target(scheme, host, port or DEFAULT_PORTS[scheme])
    excepted = bool(allowed_by(target.host, target.port, literal(target.host)))
    if scheme not in schemes and not (scheme == "http" and excepted):
        raise BadAddress(BAD_SCHEME)
    usual = target.port == DEFAULT_PORTS[scheme] or target.port in (ports or ())
    if not usual and not excepted:
        raise BadAddress(BAD_PORT)
    return target


def canonical(url: str, target: Target) -> str:
    """`url`, which `parse_url` read as `target`, with its origin in canonical form."""
    return target.origin + ORIGIN.sub("", url, count=1)


def _split(url: str) -> tuple[str, str]:
    found = ORIGIN.match(url)
    if not found:
        raise BadAddress(BAD_URL)
    scheme = found["scheme"].lower()
    if scheme not in DEFAULT_PORTS:
        raise BadAddress(BAD_SCHEME)
    return scheme, found["authority"]


def _split_authority(authority: str) -> tuple[str, int | None]:
    if "@" in authority:
        raise BadAddress(NO_USERINFO)
    found = AUTHORITY.fullmatch(authority)
    if not found:
        raise BadAddress(BAD_URL)
    port = int(found["port"]) if found["port"] else None
    if port and port not in ANY_PORT:
        raise BadAddress(BAD_PORT)
    return parse_host(found["host"]), port
