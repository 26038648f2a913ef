"""The test servers do what the tests built on them take for granted."""

import threading
from urllib.parse import parse_qs, urlsplit

import psycopg
import pymysql
import pytest
import redis
import requests
from oauthlib.oauth2 import InvalidGrantError, WebApplicationClient
from redis.backoff import NoBackoff
from redis.retry import Retry
from requests_oauthlib import OAuth1, OAuth2Session

from tests.servers.oauth_server import OAuthServer
from tests.servers.process import unavailable

CALLBACK = "http://127.0.0.1:9/callback/"


@pytest.fixture(autouse=True)
def plain_http_for_oauthlib(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OAUTHLIB_INSECURE_TRANSPORT", "1")


def sign_in(server: OAuthServer, *, scope: str = "read", **client) -> tuple[OAuth2Session, dict]:
    """A session that went through the code flow with PKCE, and how its client authenticates."""
    client_id, client_secret = server.register(CALLBACK, **client)
    pkce = WebApplicationClient(client_id)
    verifier = pkce.create_code_verifier(64)
    session = OAuth2Session(client_id, redirect_uri=CALLBACK, scope=scope)
    url, _ = session.authorization_url(
        server.authorize_url,
        code_challenge=pkce.create_code_challenge(verifier, "S256"),
        code_challenge_method="S256",
    )
    authorization_response = server.authorize(url)
    session.fetch_token(
        server.token_url,
        authorization_response=authorization_response,
        code_verifier=verifier,
        client_secret=client_secret,
        timeout=30,
    )
    return session, {"auth": (client_id, client_secret), "timeout": 30}


def test_code_flow_with_pkce_gives_a_token_that_opens_the_api(oauth_server):
    session, _ = sign_in(oauth_server)

    answer = session.get(f"{oauth_server.api_url}/me")

    assert (answer.status_code, answer.json()) == (200, {"user": oauth_server.user})


def test_api_wants_a_token(oauth_server):
    answer = requests.get(f"{oauth_server.api_url}/me", timeout=10)

    assert answer.status_code == 401


def test_api_wants_the_scope_read(oauth_server):
    session, _ = sign_in(oauth_server, scope="write")

    answer = session.get(f"{oauth_server.api_url}/echo")

    assert answer.status_code == 403


def test_authorization_without_pkce_is_refused(oauth_server):
    client_id, _ = oauth_server.register(CALLBACK)
    url, _ = OAuth2Session(client_id, redirect_uri=CALLBACK).authorization_url(
        oauth_server.authorize_url
    )

    back = oauth_server.authorize(url)

    assert parse_qs(urlsplit(back).query)["error"] == ["invalid_request"]


def test_denied_consent_leads_back_with_access_denied(oauth_server):
    client_id, _ = oauth_server.register(CALLBACK)
    url, state = OAuth2Session(client_id, redirect_uri=CALLBACK).authorization_url(
        oauth_server.authorize_url, code_challenge="x" * 43, code_challenge_method="S256"
    )

    back = oauth_server.authorize(url, allow=False)

    query = parse_qs(urlsplit(back).query)
    assert (query["error"], query["state"]) == (["access_denied"], [state])


def test_redirect_back_names_the_issuer(oauth_server):
    client_id, _ = oauth_server.register(CALLBACK)
    url, _ = OAuth2Session(client_id, redirect_uri=CALLBACK, scope="read").authorization_url(
        oauth_server.authorize_url, code_challenge="x" * 43, code_challenge_method="S256"
    )

    back = oauth_server.authorize(url)

    assert parse_qs(urlsplit(back).query)["iss"] == [oauth_server.issuer]


def test_refresh_rotates_and_a_reused_refresh_token_ends_the_grant(oauth_server):
    session, client = sign_in(oauth_server)
    first = session.token["refresh_token"]
    second = session.refresh_token(oauth_server.token_url, **client)["refresh_token"]

    with pytest.raises(InvalidGrantError):
        session.refresh_token(oauth_server.token_url, refresh_token=first, **client)

    assert second != first
    with pytest.raises(InvalidGrantError):
        session.refresh_token(oauth_server.token_url, refresh_token=second, **client)


def test_of_simultaneous_refreshes_one_alone_succeeds(oauth_server):
    session, client = sign_in(oauth_server)
    form = {"grant_type": "refresh_token", "refresh_token": session.token["refresh_token"]}
    oauth_server.reset()

    def refresh() -> None:
        requests.post(oauth_server.token_url, form, **client)

    threads = [threading.Thread(target=refresh) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    answers = [(r.grant_type, r.status) for r in oauth_server.token_requests]
    assert sorted(answers) == [("refresh_token", 200)] + [("refresh_token", 400)] * 5


def test_revoked_token_no_longer_opens_the_api(oauth_server):
    session, client = sign_in(oauth_server)

    requests.post(
        oauth_server.revoke_url, {"token": session.token["refresh_token"]}, **client
    ).raise_for_status()

    assert session.get(f"{oauth_server.api_url}/me").status_code == 401
    with pytest.raises(InvalidGrantError):
        session.refresh_token(oauth_server.token_url, **client)


def test_revoke_all_ends_every_grant(oauth_server):
    session, _ = sign_in(oauth_server)

    oauth_server.revoke_all()

    assert session.get(f"{oauth_server.api_url}/me").status_code == 401


def test_lifetime_is_that_of_the_next_tokens(oauth_server):
    oauth_server.set_lifetime(7)

    session, _ = sign_in(oauth_server)

    assert session.token["expires_in"] == 7


def test_token_past_its_lifetime_is_refused(oauth_server):
    oauth_server.set_lifetime(-1)
    session, _ = sign_in(oauth_server)

    answer = requests.get(
        f"{oauth_server.api_url}/me",
        headers={"Authorization": f"Bearer {session.token['access_token']}"},
        timeout=10,
    )

    assert answer.status_code == 401


@pytest.mark.parametrize("auth", ["client_secret_basic", "client_secret_post"])
def test_client_credentials_and_how_the_client_authenticated(oauth_server, auth):
    client_id, client_secret = oauth_server.register("", grant="client-credentials", auth=auth)
    form = {"grant_type": "client_credentials", "scope": "read"}
    basic = (client_id, client_secret) if auth == "client_secret_basic" else None
    post = {} if basic else {"client_id": client_id, "client_secret": client_secret}

    answer = requests.post(oauth_server.token_url, {**form, **post}, auth=basic, timeout=10)

    (request,) = oauth_server.token_requests
    assert (answer.status_code, request.client_id, request.client_auth) == (200, client_id, auth)


def test_public_client_needs_no_secret(oauth_server):
    session, _ = sign_in(oauth_server, auth="public")

    token = session.refresh_token(oauth_server.token_url, client_id=session.client_id, timeout=30)

    assert token["token_type"] == "Bearer"


@pytest.mark.parametrize(
    ("kind", "status", "content_type"),
    [
        ("500", 500, "text/plain"),
        ("429", 429, "application/json"),
        ("malformed", 200, "application/json"),
        ("html", 502, "text/html"),
    ],
)
def test_planned_fault_hits_one_request_and_leaves_the_grant(
    oauth_server, kind, status, content_type
):
    session, client = sign_in(oauth_server)
    form = {"grant_type": "refresh_token", "refresh_token": session.token["refresh_token"]}
    oauth_server.fail_next(kind)

    failed = requests.post(oauth_server.token_url, form, **client)
    repeated = requests.post(oauth_server.token_url, form, **client)

    assert (failed.status_code, failed.headers["Content-Type"]) == (status, content_type)
    assert repeated.status_code == 200


def test_slow_answer_has_spent_the_refresh_token_when_the_client_gives_up(oauth_server):
    session, client = sign_in(oauth_server)
    form = {"grant_type": "refresh_token", "refresh_token": session.token["refresh_token"]}
    oauth_server.fail_next("slow", seconds=2)

    with pytest.raises(requests.Timeout):
        requests.post(oauth_server.token_url, form, auth=client["auth"], timeout=1)

    assert requests.post(oauth_server.token_url, form, **client).status_code == 400


def test_side_door_is_shut_without_its_token(oauth_server):
    answer = requests.post(f"{oauth_server.base_url}/control/revoke-all", timeout=10)

    assert answer.status_code == 403


def postgresql_arguments(server, **changes) -> dict:
    return {
        "host": server.host,
        "port": server.port,
        "user": server.user,
        "password": server.password,
        "dbname": server.database,
        **changes,
    }


def test_postgresql_lets_in_with_verified_tls(postgresql_server):
    arguments = postgresql_arguments(
        postgresql_server, sslmode="verify-full", sslrootcert=postgresql_server.ca_file
    )

    with psycopg.connect(**arguments) as connection:
        tls = connection.execute("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()")

        assert tls.fetchone() == (True,)


def test_postgresql_lets_in_without_tls_by_scram(postgresql_server):
    arguments = postgresql_arguments(
        postgresql_server, sslmode="disable", require_auth="scram-sha-256"
    )

    with psycopg.connect(**arguments) as connection:
        assert connection.execute("SELECT current_user").fetchone() == (postgresql_server.user,)


def test_postgresql_refuses_a_wrong_password(postgresql_server):
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(**postgresql_arguments(postgresql_server, password="wrong"))


def mariadb_connection(server, **changes) -> pymysql.Connection:
    arguments = {
        "host": server.host,
        "port": server.port,
        "user": server.user,
        "password": server.password,
        "database": server.database,
    }
    return pymysql.connect(**{**arguments, **changes})


def test_mariadb_user_owns_its_database(mariadb_server):
    with mariadb_connection(mariadb_server) as connection, connection.cursor() as cursor:
        cursor.execute("CREATE TABLE contact (name VARCHAR(20))")
        cursor.execute("INSERT INTO contact VALUES ('Grace')")
        cursor.execute("SELECT name FROM contact")

        assert cursor.fetchall() == (("Grace",),)


def test_mariadb_refuses_a_wrong_password(mariadb_server):
    with pytest.raises(pymysql.OperationalError):
        mariadb_connection(mariadb_server, password="wrong")


@pytest.mark.parametrize("tls", [False, True])
def test_redis_lets_its_user_in(redis_server, tls):
    how = {"ssl": True, "ssl_ca_certs": redis_server.ca_file} if tls else {}
    port = redis_server.tls_port if tls else redis_server.port

    with redis.Redis(
        redis_server.host,
        port,
        username=redis_server.user,
        password=redis_server.password,
        decode_responses=True,
        **how,
    ) as client:
        assert client.acl_whoami() == redis_server.user


def test_redis_lets_the_default_user_in_by_its_own_password(redis_server):
    with redis.Redis(
        redis_server.host, redis_server.port, password=redis_server.default_password
    ) as client:
        assert client.ping() is True


def test_redis_refuses_who_gives_no_password(redis_server):
    once = Retry(NoBackoff(), retries=0)
    client = redis.Redis(redis_server.host, redis_server.port, retry=once)

    with client, pytest.raises(redis.AuthenticationError):
        client.ping()


@pytest.mark.parametrize(
    ("ci", "outcome"), [("", pytest.skip.Exception), ("true", pytest.fail.Exception)]
)
def test_missing_server_skips_here_and_fails_in_ci(monkeypatch, ci, outcome):
    monkeypatch.setenv("CI", ci)

    with pytest.raises(outcome, match=r"^Redis is not installed\.$"):
        unavailable("Redis is not installed.")


# --- OAuth 1.0a -----------------------------------------------------------------------------------


def signed_request(server, url: str, **changes) -> requests.PreparedRequest:
    """A call that the provider's API verifies, unless something of its credentials is changed."""
    consumer = server.register(CALLBACK)
    token = server.issue(consumer.client_id)
    keys = {
        "client_key": consumer.client_id,
        "client_secret": consumer.client_secret,
        "resource_owner_key": token["oauth_token"],
        "resource_owner_secret": token["oauth_token_secret"],
    }
    return requests.Request("GET", url, auth=OAuth1(**keys | changes)).prepare()


def test_signed_request_counts_once(oauth1_server):
    request = signed_request(oauth1_server, f"{oauth1_server.api_url}/me?a=1")

    with requests.Session() as session:
        first, second = (session.send(request, timeout=10) for _ in range(2))

    assert (first.status_code, second.status_code) == (200, 401)
    assert second.json()["error"] == "invalid_nonce"


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"client_secret": "wrong"}, "invalid_signature"),
        ({"resource_owner_secret": "wrong"}, "invalid_signature"),
        ({"signature_method": "HMAC-SHA256"}, "invalid_signature"),
        ({"client_key": "unknown"}, "invalid_client"),
        ({"resource_owner_key": "unknown"}, "invalid_token"),
        ({"timestamp": "1"}, "invalid_request"),
    ],
)
def test_api_verifies_each_part_of_a_signed_request(oauth1_server, change, error):
    request = signed_request(oauth1_server, f"{oauth1_server.api_url}/me", **change)

    with requests.Session() as session:
        answer = session.send(request, timeout=10)

    assert answer.json()["error"] == error


def test_changed_query_is_not_what_was_signed(oauth1_server):
    request = signed_request(oauth1_server, f"{oauth1_server.api_url}/me?a=1")
    request.url = request.url.replace("a=1", "a=2")

    with requests.Session() as session:
        answer = session.send(request, timeout=10)

    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_signature")
