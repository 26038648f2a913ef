"""Where no connection may go: the IANA special-purpose registries, and what clouds hide.

An explicit table, not `ipaddress.is_global`, whose answer changes between Python releases.
"""

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_network

IPAddress = IPv4Address | IPv6Address
Table = list[tuple[IPv4Network | IPv6Network, str]]


def _table(rows: dict[str, str]) -> Table:
    return [(ip_network(network), why) for network, why in rows.items()]


# Opened by no allow-list entry: addresses that stand for another one, or for this machine.
NEVER = _table({
    "0.0.0.0/8": "this network",
    "224.0.0.0/4": "multicast",
    "255.255.255.255/32": "broadcast",
    "::/96": "unspecified, loopback or IPv4-compatible",
    "::ffff:0:0/96": "IPv4-mapped",
    "::ffff:0:0:0/96": "IPv4-translated",
    "64:ff9b::/96": "NAT64",
    "64:ff9b:1::/48": "local-use NAT64",
    "2001::/32": "Teredo",
    "2002::/16": "6to4",
    "ff00::/8": "multicast",
})  # fmt: skip

DENIED = _table({
    "10.0.0.0/8": "private",
    "100.64.0.0/10": "carrier-grade NAT; Alibaba Cloud metadata at 100.100.100.200",
    "127.0.0.0/8": "loopback",
    "168.63.129.16/32": "Azure platform address",
    "169.254.0.0/16": "link-local; cloud metadata at 169.254.169.254",
    "172.16.0.0/12": "private",
    "192.0.0.0/24": "IETF protocol assignments; Oracle Cloud metadata at 192.0.0.192",
    "192.0.2.0/24": "documentation",
    "192.31.196.0/24": "AS112",
    "192.52.193.0/24": "automatic multicast tunnelling",
    "192.88.99.0/24": "6to4 relay",
    "192.168.0.0/16": "private",
    "192.175.48.0/24": "AS112",
    "198.18.0.0/15": "benchmarking",
    "198.51.100.0/24": "documentation",
    "203.0.113.0/24": "documentation",
    "240.0.0.0/4": "reserved",
    "::1/128": "loopback",
    "100::/64": "discard",
    "100:0:0:1::/64": "dummy prefix",
    "2001::/23": "IETF protocol assignments",
    "2001:db8::/32": "documentation",
    "2620:4f:8000::/48": "AS112",
    "3ffe::/16": "returned to IANA",
    "3fff::/20": "documentation",
    "5f00::/16": "segment routing",
    "fc00::/7": "unique local; AWS metadata at fd00:ec2::254",
    "fe80::/10": "link-local",
    "fec0::/10": "site-local",
    # All that is left outside 2000::/3, the one block that global unicast is given out from.
    "::/3": "reserved",
    "4000::/2": "reserved",
    "8000::/1": "reserved",
})  # fmt: skip

# Names of the machine itself and of cloud metadata, whatever they resolve to.
NAMES = frozenset({
    "instance-data",
    "instance-data.ec2.internal",
    "localhost",
    "localhost.localdomain",
    "localhost4",
    "localhost6",
    "ip6-localhost",
    "ip6-loopback",
    "metadata",
    "metadata.azure.internal",
    "metadata.goog",
    "metadata.google.internal",
    "metadata.tencentyun.com",
})  # fmt: skip

# The loopback address itself may be allowed by the operator, though ::/96 holds it.
LOOPBACK6 = IPv6Address("::1")
ISATAP = frozenset({0x00005EFE, 0x02005EFE})  # RFC 5214, the middle of its interface id


def never(address: IPAddress) -> str | None:
    """Why no operator can allow `address`, or None."""
    if address == LOOPBACK6:
        return None
    if isinstance(address, IPv6Address) and address.scope_id:
        return "zone id"
    if isinstance(address, IPv6Address) and (int(address) >> 32) & 0xFFFFFFFF in ISATAP:
        return "ISATAP"
    return _first(NEVER, address)


def why(address: IPAddress) -> str | None:
    """Why `address` is forbidden unless an operator allows it, or None."""
    return never(address) or _first(DENIED, address)


def why_name(host: str) -> str | None:
    """Why the name is forbidden whatever it resolves to, or None."""
    return "name" if host in NAMES or host.endswith(".localhost") else None


def _first(table: Table, address: IPAddress) -> str | None:
    return next((why for network, why in table if address in network), None)
