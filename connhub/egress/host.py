"""One parser for the hosts that people and operators type."""

import re
from ipaddress import AddressValueError, IPv4Address, IPv6Address

import idna

from .errors import BadAddress

LONGEST_NAME = 253  # characters, RFC 1035 2.3.4
# Underscores are no host names by RFC 952, but common in private networks.
LABEL = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?")
# A last label like this makes inet_aton, and so many resolvers, read the name as an address.
NUMERIC_LABEL = re.compile(r"0x[0-9a-f]*|[0-9]+")

BAD_CHARACTER = "The address has a character in it that is not allowed in addresses."
BAD_NAME = "The host name in the address is not valid."
BAD_IPV4 = "Write an IPv4 address as four plain decimal numbers, with dots between them."
BAD_IPV6 = "Write an IPv6 address as plain hexadecimal groups, without a zone."


def parse_host(host: str) -> str:
    """Return the one canonical form of a name, an IPv4 or an IPv6 address (without brackets).

    Names are lower-case ASCII: others go through IDNA 2008 with UTS #46 mapping.

    Raises:
        BadAddress: it is none of these, or an address in an unusual spelling, or several hosts.
    """
    require_plain(host)
    if len(host) > LONGEST_NAME:
        raise BadAddress(BAD_NAME)
    if "%" in host:
        raise BadAddress(BAD_CHARACTER)
    if ":" in host or "[" in host:
        return _ipv6(host)
    name = host.lower() if host.isascii() else _to_ascii(host)
    labels = name.split(".")
    if NUMERIC_LABEL.fullmatch(labels[-1]):
        return _ipv4(host)
    if len(name) > LONGEST_NAME or not all(LABEL.fullmatch(label) for label in labels):
        raise BadAddress(BAD_NAME)
    for label in labels:
        _require_idna(label)
    return name


def require_plain(text: str) -> None:
    """Refuse backslashes, white space and everything invisible, such as control characters."""
    if "\\" in text or " " in text or not text.isprintable():
        raise BadAddress(BAD_CHARACTER)


def _ipv6(host: str) -> str:
    bracketed = host.startswith("[") and host.endswith("]")
    try:
        return str(IPv6Address(host[1:-1] if bracketed else host))
    except AddressValueError:
        raise BadAddress(BAD_IPV6) from None


def _ipv4(host: str) -> str:
    """Only what `IPv4Address` writes itself: no octal, hex, short form or other digits."""
    try:
        return str(IPv4Address(host))
    except AddressValueError:
        raise BadAddress(BAD_IPV4) from None


def _to_ascii(host: str) -> str:
    try:
        return idna.encode(host, uts46=True, std3_rules=True).decode("ascii")
    except UnicodeError:
        raise BadAddress(BAD_NAME) from None


def _require_idna(label: str) -> None:
    """Refuse Punycode that no valid name could have been written as."""
    try:
        if label.startswith("xn--"):
            idna.ulabel(label)
    except UnicodeError:
        raise BadAddress(BAD_NAME) from None
