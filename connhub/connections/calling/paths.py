"""The one form of a path and query: the bytes that are authorised are the bytes that are sent."""

import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from yarl import URL

from connhub.egress import guard

from .refusals import BadPath

# RFC 3986 section 3.3: pchar and the slash.
PATH = re.compile(rb"(?:[A-Za-z0-9._~!$&'()*+,;=:@/-]|%[0-9A-Fa-f]{2})*")
# Any printable character but those that end a query or that browsers rewrite.
QUERY = re.compile(rb"[!$-;=?-~]*")
# Encoded, however often: control characters, DEL, dots, slashes, backslashes, overlong UTF-8.
HIDDEN = re.compile(rb"%(?:25)*(?:[01][0-9A-Fa-f]|7[Ff]|2[EeFf]|5[Cc]|[Cc][01])")
# With path parameters too: some servers read "..;a" as "..".
DOT_SEGMENT = re.compile(rb"(?:^|/)\.\.?(?:[/;]|$)")


@dataclass(frozen=True, slots=True)
class Base:
    """Where every call over a connection stays: an origin and a path prefix."""

    origin: str
    prefix: str  # begins with a slash or is empty, never ends with one

    @classmethod
    def parse(cls, base_url: str, *, plain_http: bool = False) -> "Base":
        """Read a base URL; `plain_http` says that the service itself is defined so.

        Raises:
            BadAddress: it can't be called, or has a query, a fragment or a path that is refused.
        """
        schemes = ("https", "http") if plain_http else ("https",)
        target = guard.parse_url(base_url, schemes=schemes, ports=guard.ANY_PORT)
        parts = urlsplit(base_url)
        prefix = parts.path.rstrip("/")
        try:
            require_canonical(prefix[1:].encode())
        except BadPath:
            raise guard.BadAddress("The address has a path that can't be called.") from None
        if parts.query or parts.fragment:
            raise guard.BadAddress("Leave the query out of the address.")
        return cls(target.origin, prefix)

    def url(self, path: str | None, query: str) -> URL:
        """What to call: `path` below the prefix, or the prefix itself for None; both canonical."""
        below = self.prefix if path is None else f"{self.prefix}/{path}"
        return URL(f"{self.origin}{below or '/'}{'?' if query else ''}{query}", encoded=True)


def require_canonical(path: bytes) -> None:
    """Refuse a path that could mean another one to whoever reads it. Raises: BadPath."""
    if (
        not PATH.fullmatch(path)
        or path.startswith(b"/")
        or b"//" in path
        or DOT_SEGMENT.search(path)
        or HIDDEN.search(path)
    ):
        raise BadPath


def require_query(query: bytes) -> None:
    """Refuse a query with characters that have to be encoded. Raises: BadPath."""
    if not QUERY.fullmatch(query):
        raise BadPath
