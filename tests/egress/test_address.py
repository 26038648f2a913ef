import pytest

from connhub.egress.guard import ANY_PORT, BadAddress, Target, parse_host, parse_url


@pytest.mark.parametrize(
    ("url", "target"),
    [
        ("https://api.example.com", Target("https", "api.example.com", 443)),
        ("HTTPS://API.Example.COM:443/v1?q=a#b", Target("https", "api.example.com", 443)),
        ("https://api_1.example.com/a@b:c", Target("https", "api_1.example.com", 443)),
        ("https://bücher.example/", Target("https", "xn--bcher-kva.example", 443)),
        ("https://faß.example/", Target("https", "xn--fa-hia.example", 443)),
        ("https://日本。example/", Target("https", "xn--wgv71a.example", 443)),
        ("https://xn--bcher-kva.example", Target("https", "xn--bcher-kva.example", 443)),
        ("https://r3---sn.example.com/", Target("https", "r3---sn.example.com", 443)),
        ("https://1.example.com/", Target("https", "1.example.com", 443)),
        ("https://0x7f.example.com/", Target("https", "0x7f.example.com", 443)),
        ("https://93.184.215.14/", Target("https", "93.184.215.14", 443)),
        ("https://[2606:4700:0::1111]/", Target("https", "2606:4700::1111", 443)),
        ("https://[2606:4700::ABCD]:443", Target("https", "2606:4700::abcd", 443)),
        ("https://warehouse/", Target("https", "warehouse", 443)),
    ],
)
def test_url_is_read_into_its_canonical_target(url, target):
    assert parse_url(url) == target


@pytest.mark.parametrize(
    ("url", "origin"),
    [
        ("https://Example.com:443/a", "https://example.com"),
        ("https://example.com:8443/a", "https://example.com:8443"),
        ("http://example.com/", "http://example.com"),
        ("http://example.com:443/", "http://example.com:443"),
        ("https://[2606:4700::0:1111]/", "https://[2606:4700::1111]"),
        ("https://[2606:4700::1111]:8443/", "https://[2606:4700::1111]:8443"),
    ],
)
def test_origin_leaves_out_the_default_port(url, origin):
    target = parse_url(url, schemes=("https", "http"), ports=ANY_PORT)

    assert target.origin == origin
    assert parse_url(target.origin, schemes=("https", "http"), ports=ANY_PORT) == target


@pytest.mark.parametrize(
    ("url", "text"),
    [
        ("api.example.com", "Write the address in full, such as https://api.example.com."),
        ("http://example.com", "The address has to start with https://."),
        ("ftp://example.com", "The address has to start with https://."),
        ("https://example.com:22/", "The port in the address may not be used here."),
        (
            "https://ada:CANARY@example.com/",
            "Leave user names and passwords out of the address.",
        ),
        (
            "https://127.1/",
            "Write an IPv4 address as four plain decimal numbers, with dots between them.",
        ),
        (
            "https://[fe80::1::2]/",
            "Write an IPv6 address as plain hexadecimal groups, without a zone.",
        ),
        (
            "https://example.com/\x00",
            "The address has a character in it that is not allowed in addresses.",
        ),
        ("https://a..b/", "The host name in the address is not valid."),
    ],
)
def test_bad_url_is_refused_in_one_sentence(url, text):
    with pytest.raises(BadAddress) as refused:
        parse_url(url)

    assert str(refused.value) == text


def test_http_passes_where_the_caller_takes_it():
    assert parse_url("http://example.com", schemes=("http",)) == Target("http", "example.com", 80)


@pytest.mark.parametrize(
    ("entry", "url"),
    [
        ("crm.internal:80", "http://crm.internal/"),
        ("crm.internal:8080", "http://CRM.internal:8080/"),
        ("10.0.0.0/8:8080", "http://10.1.2.3:8080/"),
        ("[fd00::1]:8080", "http://[fd00:0::1]:8080/"),
        ("crm.internal:8443", "https://crm.internal:8443/"),
    ],
)
def test_allow_list_lets_http_and_other_ports_pass(settings, entry, url):
    settings.CONNHUB_EGRESS_ALLOW = [entry]

    assert parse_url(url).origin == url.lower().rstrip("/").replace("fd00:0::", "fd00::")


@pytest.mark.parametrize(
    "url",
    ["http://crm.internal:81/", "http://other.internal/", "http://crm.internal.example.com/"],
)
def test_allow_list_lets_nothing_else_pass(settings, url):
    settings.CONNHUB_EGRESS_ALLOW = ["crm.internal:80"]

    with pytest.raises(BadAddress):
        parse_url(url)


def test_ports_of_the_service_pass_and_no_others():
    assert parse_url("https://example.com:8443", ports=[8443]).port == 8443
    with pytest.raises(BadAddress):
        parse_url("https://example.com:8444", ports=[8443])


@pytest.mark.parametrize(
    ("typed", "host"),
    [
        ("DB.example.com", "db.example.com"),
        ("93.184.215.14", "93.184.215.14"),
        ("2606:4700::0:1111", "2606:4700::1111"),
        ("[2606:4700::1111]", "2606:4700::1111"),
    ],
)
def test_host_of_a_database_is_read_into_its_canonical_form(typed, host):
    assert parse_host(typed) == host


@pytest.mark.parametrize(
    "typed",
    [
        "", ".", "db1,db2", "db1 db2", "/run/postgresql", "./run", "@abstract", "ada@db", "db:5432",
        "db?sslmode=disable", "db;x=1", "tcp(db)", "db/x", "db\\x", "db\x00", "127.1", "db%2e",
        "2606:4700::1111%eth0", "[2606:4700::1111", "[2606:4700::1111]:5432", "a" * 254,
    ],
)  # fmt: skip
def test_host_of_a_database_is_one_host_and_nothing_else(typed):
    with pytest.raises(BadAddress):
        parse_host(typed)
