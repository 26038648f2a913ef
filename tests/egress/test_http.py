import pytest
from requests_oauthlib import OAuth1Session, OAuth2Session

from connhub.egress.errors import UNREACHABLE
from connhub.egress.http import (
    AnswerTooLarge,
    BadAddress,
    GuardedSession,
    NoAnswer,
    TLSFailed,
    Unreachable,
    Unsendable,
)
from tests.egress import forbidden

NO_ANSWER = "The address was reached, but gave no complete answer in time. Try again later."


@pytest.fixture
def session():
    with GuardedSession() as session:
        yield session


@pytest.fixture
def crm(allow, server) -> str:
    """The origin of the plain server, under a name."""
    return f"http://{allow('crm.test', server.port)}"


@pytest.fixture
def secure(allow, tls_server) -> str:
    """The origin of the TLS server, under a name that its certificate is for."""
    return f"https://{allow('crm.test', tls_server.port)}"


def test_answer_is_read(session, crm, server):
    response = session.get(f"{crm}/hello/b%C3%BCcher?%C3%BC")

    assert (response.status_code, response.text) == (200, "hello")
    assert server.seen[0].path == "/hello/b%C3%BCcher?%C3%BC"
    assert server.seen[0].headers["Host"] == crm.removeprefix("http://")


def test_name_is_looked_up_once_and_kept_for_tls_and_host(secure, session, tls_server, dns):
    response = session.get(secure)

    assert response.text == "hello"
    assert tls_server.names == ["crm.test"]
    assert tls_server.seen[0].headers["Host"] == secure.removeprefix("https://")
    assert dns.asked == ["crm.test"]


def test_international_name_is_sent_as_the_guard_read_it(server, allow, session):
    origin = f"http://{allow('xn--bcher-kva.test', server.port)}"

    session.get(f"http://Bücher.test:{server.port}/")

    assert f"http://{server.seen[0].headers['Host']}" == origin


def test_connection_is_kept_and_not_looked_up_again(session, crm, server, dns):
    for _ in range(3):
        session.get(crm)

    assert (len(server.connections), dns.asked) == (1, ["crm.test"])


def test_new_connection_is_checked_again(session, crm, dns):
    session.get(crm, headers={"Connection": "close"})
    session.close()
    dns["crm.test"] = ["0.0.0.0"]

    with pytest.raises(Unreachable) as refused:
        session.get(crm)

    assert refused.value.reason == "denied"


def test_address_literal_is_checked_and_its_certificate_too(settings, tls_server, session):
    settings.CONNHUB_EGRESS_ALLOW = [f"127.0.0.1:{tls_server.port}"]

    response = session.get(f"https://127.0.0.1:{tls_server.port}/")

    assert response.text == "hello"


@pytest.mark.parametrize("url", list(forbidden.targets()), ids=ascii)
def test_forbidden_target_is_refused(every_name_public, session, url):
    with pytest.raises((BadAddress, Unreachable)):
        session.get(url)


@pytest.mark.parametrize(
    ("path", "reason"),
    [("/silent", "timeout"), ("/trickle", "timeout"), ("/slow_headers", "timeout")],
)
def test_slow_answer_ends_at_the_deadline(crm, path, reason):
    with GuardedSession(deadline=0.2) as session, pytest.raises(NoAnswer) as failed:
        session.get(crm + path)

    assert (str(failed.value), failed.value.reason) == (NO_ANSWER, reason)


def test_slow_answer_over_tls_ends_at_the_deadline(secure):
    with GuardedSession(deadline=0.3) as session, pytest.raises(NoAnswer) as failed:
        session.get(f"{secure}/trickle")

    assert failed.value.reason == "timeout"


def test_silence_ends_at_the_read_timeout(crm):
    with GuardedSession(timeout=(1.0, 0.1)) as session, pytest.raises(NoAnswer) as failed:
        session.get(f"{crm}/silent")

    assert failed.value.reason == "timeout"


@pytest.mark.parametrize("timeout", [0.1, (None, 0.1)])
def test_call_may_shorten_the_timeout(session, crm, timeout):
    with pytest.raises(NoAnswer):
        session.get(f"{crm}/silent", timeout=timeout)


def test_call_can_not_lengthen_the_timeout(crm):
    with GuardedSession(timeout=(1.0, 0.1)) as session, pytest.raises(NoAnswer):
        session.get(f"{crm}/silent", timeout=3600)


@pytest.mark.parametrize("path", ["/broken", "/nonsense"])
def test_answer_that_breaks_off_is_no_answer(session, crm, path):
    with pytest.raises(NoAnswer) as failed:
        session.get(crm + path)

    assert failed.value.reason == "broken"


def test_answer_of_the_greatest_size_is_read(session, crm):
    assert len(session.get(f"{crm}/bytes?count=65536").content) == 65536


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("path", ["/bytes?count=65537", "/bomb?count=20000000", "/endless"])
def test_larger_answer_is_refused(session, crm, path, stream):
    with pytest.raises(AnswerTooLarge) as failed:
        session.get(crm + path, stream=stream)

    assert str(failed.value) == "The answer is larger than the 65536 bytes that are read here."


def test_small_compressed_answer_is_decompressed(session, crm):
    assert session.get(f"{crm}/bomb?count=1000").content == b"x" * 1000


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("expired.test", "The certificate at the address has expired."),
        ("wrong.test", "The certificate at the address is for another name."),
        ("untrusted.test", "The certificate at the address is not trusted here."),
    ],
)
def test_bad_certificate_is_named(tls_server, allow, session, name, text):
    origin = f"https://{allow(name, tls_server.port)}"

    with pytest.raises(TLSFailed) as failed:
        session.get(origin)

    assert str(failed.value) == text
    assert tls_server.seen == []


def test_authority_that_nobody_named_is_not_trusted(settings, secure, tls_server):
    settings.CONNHUB_CA_FILE = None

    with GuardedSession() as session, pytest.raises(TLSFailed):
        session.get(secure)

    assert tls_server.seen == []


def test_verification_can_not_be_turned_off(tls_server, allow, session):
    origin = f"https://{allow('untrusted.test', tls_server.port)}"
    session.verify = False

    with pytest.raises(TLSFailed):
        session.get(origin, verify=False)

    assert tls_server.seen == []


def test_server_without_tls_fails_as_such(session, server, allow):
    origin = f"https://{allow('crm.test', server.port)}"

    with pytest.raises(TLSFailed) as failed:
        session.get(origin)

    text = "The address did not offer a secure connection that could be verified."
    assert (str(failed.value), failed.value.reason) == (text, "tls")


def test_redirect_is_not_followed(session, crm, server):
    response = session.get(f"{crm}/redirect?to=/hello", allow_redirects=True)

    assert (response.status_code, response.headers["Location"]) == (302, "/hello")
    assert len(server.seen) == 1


def test_redirects_within_the_origin_are_followed_where_asked_for(crm, server):
    with GuardedSession(redirects=3) as session:
        response = session.get(
            f"{crm}/redirect?to=/redirect?to={crm}/hello", headers={"X-Key": "CANARY"}
        )

    assert response.text == "hello"
    assert [each.headers["X-Key"] for each in server.seen] == ["CANARY"] * 3


def test_no_more_redirects_are_followed_than_asked_for(crm, server):
    with GuardedSession(redirects=3) as session:
        response = session.get(f"{crm}/redirect?to=" + "/redirect?to=" * 9)

    assert response.status_code == 302
    assert len(server.seen) == 4


@pytest.mark.parametrize(
    "to",
    [
        "http://other.test:{port}/hello", "//other.test:{port}/hello", "https://crm.test:{port}/",
        "http://crm.test/hello", "http://127.0.0.1:{port}/", "http://crm.test:{port}@other.test/",
        "http://ada:secret@crm.test:{port}/hello", "http://other.test\\@crm.test:{port}/",
        "\\\\other.test\\", "/\thello", "http://[", "file:///etc/passwd",
    ],
)  # fmt: skip
def test_redirect_elsewhere_is_returned_as_it_came(crm, server, allow, to):
    allow("other.test", server.port)
    with GuardedSession(redirects=3) as session:
        response = session.get(f"{crm}/redirect", params={"to": to.format(port=server.port)})

    assert response.status_code == 302
    assert len(server.seen) == 1


def test_post_is_not_repeated_by_a_redirect(crm, server):
    with GuardedSession(redirects=3) as session:
        response = session.post(f"{crm}/redirect?to=/hello&status=307", data={"a": "b"})

    assert response.status_code == 307
    assert len(server.seen) == 1


def test_redirects_share_one_deadline(crm):
    with GuardedSession(redirects=3, deadline=0.2) as session, pytest.raises(NoAnswer):
        session.get(f"{crm}/redirect?to=/silent")


def test_cookies_are_not_kept(session, crm, server):
    session.get(f"{crm}/cookie")
    session.get(crm)

    assert [each.headers["Cookie"] for each in server.seen] == [None, None]
    assert list(session.cookies) == []


def test_environment_is_ignored(monkeypatch, tmp_path, session, crm, server):
    (tmp_path / "netrc").write_text("default login ada password CANARY\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")

    response = session.get(crm, proxies={"http": "http://127.0.0.1:1"})

    assert response.text == "hello"
    assert server.seen[0].headers["Authorization"] is None


def test_environment_adds_no_authority(monkeypatch, certificates, settings, secure):
    settings.CONNHUB_CA_FILE = None
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.setenv(name, str(certificates / "authority.pem"))

    with GuardedSession() as session, pytest.raises(TLSFailed):
        session.get(secure)


def test_forbidden_closed_and_unknown_read_alike(session, allow, closed_port):
    origins = ["https://10.0.0.1", "https://unknown.test"]
    origins.append(f"https://{allow('closed.test', closed_port)}")

    texts = set()
    for origin in origins:
        with pytest.raises(Unreachable) as refused:
            session.get(origin)
        texts.add(str(refused.value))

    assert texts == {UNREACHABLE}


def test_errors_do_not_repeat_the_url(session, crm):
    with pytest.raises(NoAnswer) as failed:
        session.get(f"{crm}/broken?key=CANARY")

    assert str(failed.value) == NO_ANSWER
    assert failed.value.__suppress_context__


@pytest.mark.parametrize("value", ["CANARY\nX: y", "CANARY\u20ac", " CANARY\x00"])
def test_header_that_http_does_not_allow_is_not_repeated(session, crm, server, value):
    with pytest.raises(Unsendable) as refused:
        session.get(crm, headers={"X-Key": value})

    assert str(refused.value) == (
        "The request can't be sent: it has a character that HTTP does not allow there."
    )
    assert refused.value.__suppress_context__
    assert server.seen == []


def test_header_of_an_auth_method_is_not_repeated_either(session, crm, server):
    def signed(request):
        request.headers["Authorization"] = "Bearer CANARY\nX: y"
        return request

    with pytest.raises(Unsendable) as refused:
        session.get(crm, auth=signed)

    assert refused.value.__suppress_context__
    assert server.seen == []


def test_exception_is_announced_for_each_connection_not_each_request(session, crm, exceptions):
    session.get(crm)
    session.get(crm)

    host, port = crm.removeprefix("http://").split(":")
    assert exceptions == [(host, int(port), f"{host}:{port}")]


def test_http_needs_the_session_or_the_operator_to_take_it(dns):
    dns["public.test"] = ["10.0.0.1"]

    with GuardedSession() as strict, pytest.raises(BadAddress):
        strict.get("http://public.test/")
    with GuardedSession(schemes=("http",)) as lax, pytest.raises(Unreachable):
        lax.get("http://public.test/")


def test_other_port_needs_the_session_or_the_operator_to_take_it(dns):
    dns["public.test"] = ["10.0.0.1"]

    with GuardedSession() as strict, pytest.raises(BadAddress):
        strict.get("https://public.test:8443/")
    with GuardedSession(ports=[8443]) as lax, pytest.raises(Unreachable):
        lax.get("https://public.test:8443/")


def test_oauth2_session_goes_through_the_guard(secure, tls_server):
    class Session(OAuth2Session, GuardedSession):
        pass

    token = {"access_token": "CANARY", "token_type": "Bearer"}
    with Session("client", token=token, timeout=(1.0, 1.0)) as session:
        response = session.get(f"{secure}/redirect?to=/hello")
        with pytest.raises(Unreachable):
            session.get("https://10.0.0.1/")

    assert response.status_code == 302
    assert [each.headers["Authorization"] for each in tls_server.seen] == ["Bearer CANARY"]


def test_oauth1_session_goes_through_the_guard(secure, tls_server):
    class Session(OAuth1Session, GuardedSession):
        pass

    with Session("key", client_secret="CANARY") as session:
        response = session.get(secure)
        with pytest.raises(Unreachable):
            session.get("https://10.0.0.1/")

    assert response.text == "hello"
    assert tls_server.seen[0].headers["Authorization"].partition(" ")[0] == "OAuth"
