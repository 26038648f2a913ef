"""Which headers go through, in either direction, and which a proxy must keep to itself."""

import re
from collections.abc import Collection, Iterable
from functools import lru_cache
from itertools import chain

from multidict import CIMultiDict

from .refusals import BadHeader, HeadersTooLarge

Raw = tuple[bytes, bytes]

MOST_HEADERS = 100
MOST_BYTES = 64 * 1024
TOKEN = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
CONTROL = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")

# RFC 9110 section 7.6.1.
HOP_BY_HOP = frozenset(
    b"connection keep-alive proxy-connection te trailer transfer-encoding upgrade".split()
)
# ConnHub's own, its caller's session, what names another host or address, what overrides the
# method or path that was authorised, and what the sender of a body decides.
KEPT_FROM_SERVICE = HOP_BY_HOP | frozenset(
    b"""host cookie cookie2 authorization forwarded x-real-ip x-client-ip true-client-ip x-host
    x-http-method x-http-method-override x-method-override x-original-method
    x-original-url x-original-uri x-rewrite-url
    expect content-length accept-encoding http2-settings""".split()
)
KEPT_FROM_SERVICE_PREFIXES = (b"proxy-", b"x-forwarded", b"x-connhub-", b"sec-websocket-")
# What would act on ConnHub's own origin, on a web server in front of it, or on shared caches.
KEPT_FROM_CALLER = HOP_BY_HOP | frozenset(
    b"""set-cookie set-cookie2 clear-site-data refresh alt-svc server-timing server date
    content-security-policy content-security-policy-report-only strict-transport-security
    public-key-pins public-key-pins-report-only expect-ct report-to reporting-endpoints nel
    service-worker-allowed x-content-type-options x-sendfile x-lighttpd-send-file
    cache-control pragma expires surrogate-control cdn-cache-control content-encoding""".split()
)
KEPT_FROM_CALLER_PREFIXES = (b"access-control-", b"proxy-", b"x-connhub-", b"x-accel-")
SAFETY: tuple[Raw, ...] = (
    (b"x-content-type-options", b"nosniff"),
    (b"content-security-policy", b"sandbox; default-src 'none'"),
    (b"cache-control", b"no-store"),
)
# Types that a browser runs or renders with scripts.
ACTIVE = re.compile(
    rb"\s*+(?:text/(?:html|xml|xsl|javascript)|[^;]*[/+](?:xml|xhtml|svg|pdf|javascript|ecmascript))",
    re.I,
)


def require_few(headers: Collection[Raw]) -> None:
    """Raises: HeadersTooLarge, for more than 100 headers or 64 KiB of them."""
    if len(headers) > MOST_HEADERS or size_of(headers) > MOST_BYTES:
        raise HeadersTooLarge


def size_of(headers: Iterable[Raw]) -> int:
    return sum(map(len, chain.from_iterable(headers)))


def values_of(headers: Iterable[Raw], name: bytes) -> list[bytes]:
    return [value for given, value in headers if given == name]


def for_service(headers: Iterable[Raw], *, without: Collection[bytes] = ()) -> CIMultiDict[str]:
    """The caller's end-to-end headers, lower-case names given; `without` those of an injection.

    Raises:
        BadHeader: a value is not UTF-8.
    """
    named = _named_in_connection(headers)
    try:
        passed = [
            (text, value.decode())
            for name, value in headers
            if (text := _name_for_service(name)) and name not in without and name not in named
        ]
    except UnicodeDecodeError:
        raise BadHeader from None
    passed.append(("accept-encoding", "identity"))
    return CIMultiDict(passed)


@lru_cache(maxsize=1024)
def _name_for_service(name: bytes) -> str:
    """The header's name as text, or "" if it stays here.

    With an underscore it might be read as another header: CGI has one name for both.
    """
    kept = (
        name in KEPT_FROM_SERVICE
        or name.startswith(KEPT_FROM_SERVICE_PREFIXES)
        or b"_" in name
        or not TOKEN.fullmatch(name)
    )
    return "" if kept else name.decode("ascii")


def for_caller(headers: Iterable[Raw]) -> list[Raw]:
    """What of a service's answer goes back, with what keeps a browser from running it."""
    headers = [(name.lower(), value) for name, value in headers]
    named = _named_in_connection(headers)
    passed = [
        (name, value)
        for name, value in headers
        if _passes_to_caller(name) and name not in named and not CONTROL.search(value)
    ]
    passed += SAFETY
    if any(name == b"content-type" and ACTIVE.match(value) for name, value in passed):
        passed = [each for each in passed if each[0] != b"content-disposition"]
        passed.append((b"content-disposition", b"attachment"))
    return passed


@lru_cache(maxsize=1024)
def _passes_to_caller(name: bytes) -> bool:
    return bool(
        TOKEN.fullmatch(name)
        and name not in KEPT_FROM_CALLER
        and not name.startswith(KEPT_FROM_CALLER_PREFIXES)
    )


def _named_in_connection(headers: Iterable[Raw]) -> frozenset[bytes]:
    """The headers that Connection declares hop-by-hop."""
    found = [value for name, value in headers if name == b"connection"]
    return _options(b",".join(found)) if found else frozenset()


@lru_cache(maxsize=256)
def _options(value: bytes) -> frozenset[bytes]:
    return frozenset(option.strip().lower() for option in value.split(b","))
