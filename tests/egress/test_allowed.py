import pytest

from connhub.egress import guard


@pytest.mark.parametrize(
    ("entry", "host", "address"),
    [
        ("CRM.internal:8443", "crm.internal", "10.0.0.5"),
        ("10.0.0.5:8443", "crm.internal", "10.0.0.5"),
        ("[fd00::0:5]:8443", "crm.internal", "fd00::5"),
        ("10.0.0.0/8:8443", "crm.internal", "10.0.0.5"),
        ("fd00::/8:8443", "crm.internal", "fd00::5"),
        ("localhost:8443", "localhost", "127.0.0.1"),
        ("127.0.0.0/8:8443", "localhost", "127.0.0.1"),
        ("[::1]:8443", "localhost", "::1"),
    ],
)
def test_entry_opens_what_it_names(settings, dns, entry, host, address):
    settings.CONNHUB_EGRESS_ALLOW = [entry]
    dns[host] = [address]

    assert guard.resolve(host, 8443) == [address]


@pytest.mark.parametrize(
    ("entry", "host", "address"),
    [
        ("crm.internal:8444", "crm.internal", "10.0.0.5"),
        ("internal:8443", "crm.internal", "10.0.0.5"),
        ("crm.internal:8443", "other.internal", "10.0.0.5"),
        ("10.0.0.6:8443", "crm.internal", "10.0.0.5"),
        ("10.0.0.0/30:8443", "crm.internal", "10.0.0.5"),
        ("10.0.0.0/8:8443", "crm.internal", "fd00::5"),
        ("::/0:8443", "crm.internal", "::ffff:10.0.0.5"),
        ("::/0:8443", "crm.internal", "64:ff9b::a00:5"),
        ("::/0:8443", "crm.internal", "2002:a00:5::"),
        ("crm.internal:8443", "crm.internal", "0.0.0.0"),
        ("crm.internal:8443", "crm.internal", "::"),
        ("crm.internal:8443", "crm.internal", "224.0.0.1"),
    ],
)
def test_entry_opens_nothing_else(settings, dns, entry, host, address):
    settings.CONNHUB_EGRESS_ALLOW = [entry]
    dns[host] = [address]

    with pytest.raises(guard.Unreachable) as refused:
        guard.resolve(host, 8443)

    assert refused.value.reason == "denied"


@pytest.mark.parametrize(
    "entry",
    [
        "", ":", "crm.internal", "crm.internal:", ":443", "crm.internal:0", "crm.internal:65536",
        "crm.internal:0443", "crm.internal:*", "crm.internal:443-444", "*.internal:443", "*:443",
        "https://crm.internal:443", "crm.internal:443/path", "::1:443", "fd00::5:443", "[::1]",
        "[10.0.0.5]:443", "10.0.0.5/8:443", "10.0.0.0/33:443", "crm.internal/8:443", "127.1:443",
        "0x7f000001:443", "crm.internal:443,other:443", "crm internal:443", "[fe80::1%lo]:443",
    ],
)  # fmt: skip
def test_any_other_entry_is_an_error_that_names_it(entry):
    with pytest.raises(ValueError, match="is not an allow-list entry") as refused:
        guard.parse_allow_list(["crm.internal:443", entry])

    assert str(refused.value) == (
        f"{entry!r} is not an allow-list entry: write host:port, ip:port, [ipv6]:port "
        "or network/bits:port."
    )


def test_changed_setting_takes_effect_at_once(settings, dns):
    dns["crm.internal"] = ["10.0.0.5"]
    settings.CONNHUB_EGRESS_ALLOW = ["crm.internal:443"]
    guard.resolve("crm.internal", 443)
    settings.CONNHUB_EGRESS_ALLOW = []

    with pytest.raises(guard.Unreachable):
        guard.resolve("crm.internal", 443)
