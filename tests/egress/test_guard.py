import asyncio
import ipaddress
import socket

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis
from hypothesis import strategies as st

from connhub.egress import denied, guard
from tests.egress import forbidden
from tests.egress.forbidden import PUBLIC

FORBIDDEN = list(forbidden.targets())
HOSTS_OF_FORBIDDEN = list(forbidden.hosts())
TEXT = (
    "The address could not be reached. Check it, "
    "or ask whoever runs ConnHub whether it may be reached from here."
)


def reach(url: str) -> list[str]:
    target = guard.parse_url(url)
    return guard.resolve(target.host, target.port)


def test_corpus_is_large():
    assert len(FORBIDDEN) >= 300


@pytest.mark.parametrize("url", FORBIDDEN, ids=ascii)
def test_forbidden_target_is_refused(every_name_public, url):
    with pytest.raises((guard.BadAddress, guard.Unreachable)):
        reach(url)


@pytest.mark.parametrize("host", HOSTS_OF_FORBIDDEN, ids=ascii)
def test_forbidden_host_is_refused_without_the_url_parser(every_name_public, host):
    """As a driver would pass it on that parses hosts less strictly."""
    with pytest.raises(guard.Unreachable) as refused:
        guard.resolve(host, 443)

    assert str(refused.value) == TEXT


@pytest.mark.parametrize("table", [denied.NEVER, denied.DENIED], ids=["never", "denied"])
def test_both_ends_of_every_denied_network_are_refused(table):
    ends = [str(network[end]) for network, _ in table for end in (0, -1)]

    reached = []
    for address in ends:
        try:
            reached += guard.resolve(address, 443)
        except guard.Unreachable:
            continue

    assert reached == []


@pytest.mark.parametrize(
    "address",
    [
        "1.1.1.1", "9.255.255.255", "11.0.0.0", "93.184.215.14", "100.63.255.255", "100.128.0.0",
        "126.255.255.255", "128.0.0.0", "168.63.129.15", "168.63.129.17", "169.253.255.255",
        "172.15.255.255", "172.32.0.0", "192.0.1.0", "192.167.255.255", "192.169.0.0",
        "198.17.255.255", "198.20.0.0", "223.255.255.255", "2000::1", "2001:200::1", "2003::1",
        "2606:4700::1111", "2a00:1450:4001:800::200e", "3ffd::1",
    ],
)  # fmt: skip
def test_public_address_is_reached(address):
    assert guard.resolve(address, 443) == [address]


def test_name_with_public_addresses_is_reached_at_each_of_them(dns):
    dns["api.test"] = ["93.184.215.14", "93.184.215.15", "2606:4700::1111", "93.184.215.14"]

    assert guard.resolve("api.test", 443) == [
        "93.184.215.14",
        "93.184.215.15",
        "2606:4700::1111",
    ]
    assert dns.asked == ["api.test"]


@pytest.mark.parametrize("hidden", ["127.0.0.1", "10.0.0.1", "169.254.169.254", "::1", "fd00::1"])
@pytest.mark.parametrize("place", [0, 1, 2])
def test_one_forbidden_answer_among_public_ones_refuses_the_name(dns, hidden, place):
    answers = ["93.184.215.14", "2606:4700::1111"]
    answers.insert(place, hidden)
    dns["rebinding.test"] = answers

    with pytest.raises(guard.Unreachable) as refused:
        guard.resolve("rebinding.test", 443)

    assert (str(refused.value), refused.value.reason) == (TEXT, "denied")


def test_unknown_name_reads_like_a_forbidden_one():
    with pytest.raises(guard.Unreachable) as refused:
        guard.resolve("unknown.test", 443)

    assert (str(refused.value), refused.value.reason) == (TEXT, "unresolvable")


def test_zone_id_in_an_answer_is_refused():
    with pytest.raises(guard.Unreachable):
        guard.check("fe80::1%lo", 443, "api.test")


def test_coroutines_are_told_the_same(dns):
    dns["internal.test"] = ["10.0.0.1"]

    assert asyncio.run(guard.aresolve("public.test", 443)) == [PUBLIC]
    with pytest.raises(guard.Unreachable):
        asyncio.run(guard.aresolve("internal.test", 443))


@pytest.mark.parametrize(
    ("own", "host", "address"),
    [
        (("127.0.0.1", 5432), "127.0.0.1", "127.0.0.1"),
        (("127.0.0.1", 5432), "db.internal", "127.0.0.2"),
        (("127.0.0.1", 5432), "db.internal", "::1"),
        (("localhost", 5432), "db.internal", "127.0.0.1"),
        (("localhost", 5432), "db.internal", "::1"),
        (("0.0.0.0", 5432), "db.internal", "127.8.8.8"),
        (("0.0.0.0", 5432), "db.internal", "::1"),
        (("::", 5432), "db.internal", "127.0.0.1"),
        (("", 5432), "db.internal", "127.0.0.1"),
        (("10.9.9.9", 5432), "db.internal", "10.9.9.9"),
        (("fd00:9::9", 5432), "db.internal", "fd00:9::9"),
        (("own.internal", 5432), "db.internal", "10.9.9.9"),
        (("own.internal", 5432), "own.internal", "10.9.9.8"),
        (("unknown.internal", 5432), "unknown.internal", "10.9.9.8"),
    ],
)
def test_own_endpoint_is_refused_though_it_is_allowed(settings, dns, own, host, address):
    settings.CONNHUB_OWN_ENDPOINTS = [own]
    settings.CONNHUB_EGRESS_ALLOW = [f"{host}:5432", "0.0.0.0/0:5432", "::/0:5432"]
    dns |= {"localhost": ["127.0.0.1", "::1"], "own.internal": ["10.9.9.9"]}

    with pytest.raises(guard.Unreachable) as refused:
        guard.check(address, 5432, host)

    assert refused.value.reason == "own endpoint"


def test_own_endpoint_on_this_machine_covers_its_outer_address(settings):
    settings.CONNHUB_OWN_ENDPOINTS = [("127.0.0.1", 6379)]
    settings.CONNHUB_EGRESS_ALLOW = ["0.0.0.0/0:6379"]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect((PUBLIC, 9))
        except OSError:
            pytest.skip("this machine has no address but loopback")
        outer = probe.getsockname()[0]

    with pytest.raises(guard.Unreachable) as refused:
        guard.check(outer, 6379, "cache.internal")

    assert refused.value.reason == "own endpoint"


def test_other_ports_and_hosts_than_the_own_are_reached(settings, dns):
    settings.CONNHUB_OWN_ENDPOINTS = [("10.9.9.9", 5432), ("unknown.internal", 443)]
    settings.CONNHUB_EGRESS_ALLOW = ["10.9.9.9:5433", "10.9.9.8:5432"]

    assert guard.resolve("10.9.9.9", 5433) == ["10.9.9.9"]
    assert guard.resolve("10.9.9.8", 5432) == ["10.9.9.8"]
    assert guard.resolve("public.test", 443) == [PUBLIC]


def test_true_reason_is_logged_and_no_part_of_the_text(caplog):
    with pytest.raises(guard.Unreachable) as refused:
        guard.resolve("10.0.0.1", 443)

    assert str(refused.value) == TEXT
    assert caplog.messages == ["No connection to 10.0.0.1 port 443: denied"]


PIECES = [*"0123456789abcdefx.:[]%@\\/#?- \t\n。．①１ⓛ", "127", "0x7f", "::", "ffff:", "10.0.0.1"]
HOSTS = st.one_of(
    st.lists(st.sampled_from(PIECES), max_size=12).map("".join),
    st.ip_addresses(v=4).map(str),
    st.ip_addresses(v=4).map(lambda address: f"{int(address):#x}"),
    st.ip_addresses(v=4).map(lambda address: f"[::ffff:{address}]"),
    st.ip_addresses(v=6).map(lambda address: f"[{address}]"),
    st.ip_addresses(v=6).map(lambda address: f"[{address.exploded}]"),
    st.text(max_size=12),
    st.just("name.test"),
)
# Not the table under test: the standard library's own, if coarser, opinion.
ANSWERS = st.lists(st.ip_addresses().map(str), min_size=1, max_size=3)


@given(host=HOSTS, tail=st.sampled_from(["", "/", ":443/", "/a?b#c", "@x/"]), answers=ANSWERS)
@hypothesis(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_no_text_whatever_leads_to_a_forbidden_address(dns, host, tail, answers):
    dns["name.test"] = answers

    try:
        addresses = reach(f"https://{host}{tail}")
    except (guard.BadAddress, guard.Unreachable):
        return

    for address in map(ipaddress.ip_address, addresses):
        assert address.is_global
        assert not address.is_multicast
