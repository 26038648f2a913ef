from datetime import timedelta
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from django.contrib.messages import get_messages
from django.core.exceptions import PermissionDenied
from django.test import Client
from django.utils import timezone

from connhub.accounts.models import Environment, Role
from connhub.audit.models import Event
from connhub.connections import authorize, lifecycle
from connhub.connections.access import AddressIncomplete, AppMissing, CredentialUnreadable
from connhub.connections.auth import oauth2, provider
from connhub.connections.models import Authorization, Status
from connhub.connections.pending import NothingToAuthorize
from connhub.connections.whose import account_of
from connhub.services.models import OAuthApp
from connhub.sharing import roles
from tests.connections.steps import actions, proceed, secrets, way_back
from tests.factories import AuthMethodFactory, connect

pytestmark = pytest.mark.django_db

NOT_UNDER_WAY = (
    "This answer belongs to no sign-in that is under way; it may have been used already. "
    "Start again from the connection."
)
ANOTHER_SESSION = "This sign-in was started in another session. Start again from the connection."
CONFIG = {"authorize_url": "https://acme.example/authorize", "token_url": "https://acme.example/t"}


@pytest.fixture
def signed_in(client, ada):
    client.force_login(ada)
    return client


def said(answer) -> list[str]:
    return [str(message) for message in get_messages(answer.wsgi_request)]


def query_of(url: str) -> dict[str, list[str]]:
    return parse_qs(urlsplit(url).query, keep_blank_values=True)


def changed(url: str, **values) -> str:
    """The URL with these parameters replaced; None leaves one out."""
    kept = {name: value for name, value in query_of(url).items() if name not in values}
    given = {name: value for name, value in values.items() if value is not None}
    return f"{urlsplit(url).path}?{urlencode(kept | given, doseq=True)}"


def half_made(connection) -> tuple:
    """All that a failed sign-in could leave behind."""
    connection.refresh_from_db()
    return connection.status, connection.credentials.count(), Authorization.objects.count()


NOTHING = (Status.NOT_CONNECTED, 0, 0)


# --- There and back -------------------------------------------------------------------------------


def test_sign_in_connects_and_is_on_record(signed_in, crm, sign_in, oauth_server, registered):
    answer = sign_in(crm)

    crm.refresh_from_db()
    credential = crm.credentials.get()
    assert (answer.status_code, answer.headers["Location"]) == (302, "/connections/crm/")
    assert said(answer) == ["CRM is connected."]
    assert (crm.status, credential.status) == (Status.CONNECTED, Status.CONNECTED)
    assert (credential.renewable, credential.scopes_granted) == (True, ["read"])
    assert credential.expires_at > timezone.now() + timedelta(minutes=50)
    assert set(secrets(credential)) == {"access_token", "refresh_token"}
    assert [(r.grant_type, r.client_id, r.status) for r in oauth_server.token_requests] == [
        ("authorization_code", registered.client_id, 200)
    ]
    assert actions(crm) == [
        "connection.created",
        "connection.authorization_started",
        "connection.connected",
    ]
    assert Event.objects.about(crm)[0].detail == {"scopes": ["read"], "environment": "all"}


def test_answer_of_the_callback_leaves_no_trace_of_the_code(signed_in, crm, sign_in):
    answer = sign_in(crm)

    assert answer.headers["Referrer-Policy"] == "no-referrer"
    assert answer.headers["Cache-Control"] == "no-store"


def test_url_asks_with_pkce_and_a_state_of_its_own_each_time(signed_in, crm, registered, settings):
    first, second = (query_of(proceed(signed_in, crm)) for _ in range(2))

    assert first["state"] != second["state"]
    assert first["code_challenge"] != second["code_challenge"]
    assert (len(first["state"][0]), len(first["code_challenge"][0])) == (43, 43)
    assert first | {"state": 0, "code_challenge": 0} == {
        "response_type": ["code"],
        "client_id": [registered.client_id],
        "redirect_uri": [f"{settings.CONNHUB_URL}/oauth/callback/acme/"],
        "scope": ["read"],
        "code_challenge_method": ["S256"],
        "state": 0,
        "code_challenge": 0,
    }


def test_neither_state_nor_verifier_is_stored_in_clear(signed_in, crm):
    state = query_of(proceed(signed_in, crm))["state"][0]

    attempt = Authorization.objects.get()
    verifier = attempt.verifier.open().reveal()
    assert state not in repr(attempt.__dict__)
    assert verifier.encode() not in attempt.verifier.ciphertext
    assert 43 <= len(verifier) <= 128


def test_sign_in_for_one_environment_leaves_the_others(signed_in, crm, sign_in):
    sign_in(crm, query="?environment=staging")

    assert [str(c.environment) for c in crm.credentials.all()] == ["Staging"]


def test_reconnect_replaces_the_credential(signed_in, crm, connected, sign_in):
    before = secrets(connected)

    sign_in(crm)

    assert crm.credentials.count() == 1
    assert secrets(connected) != before


def test_reconnect_brings_a_revoked_connection_back(signed_in, ada, crm, connected, sign_in):
    lifecycle.revoke(crm, by=ada)

    sign_in(crm)

    crm.refresh_from_db()
    assert crm.status == Status.CONNECTED


def test_redirect_uri_is_of_the_configured_address_whatever_the_host(crm, ada, settings):
    settings.ALLOWED_HOSTS = ["*"]
    browser = Client(headers={"host": "evil.example", "x-forwarded-host": "evil.example"})
    browser.force_login(ada)

    asked = query_of(proceed(browser, crm))

    assert asked["redirect_uri"] == [f"{settings.CONNHUB_URL}/oauth/callback/acme/"]


def test_authorize_params_never_replace_our_own(signed_in, crm, registered):
    evil = dict.fromkeys(oauth2.OWN_PARAMETERS, "evil")
    crm.auth_method.config |= {"authorize_params": evil | {"prompt": "consent"}}
    crm.auth_method.save()

    asked = query_of(proceed(signed_in, crm))

    assert [name for name, values in asked.items() if "evil" in values] == []
    assert (asked["prompt"], asked["client_id"]) == (["consent"], [registered.client_id])
    assert all(len(values) == 1 for values in asked.values())


def test_proceed_without_javascript_leads_on_by_a_page(signed_in, crm, oauth_server):
    page = signed_in.get("/connections/crm/authorize/")
    answer = signed_in.post("/connections/crm/authorize/")

    url = answer.context["url"]
    assert page.templates[0].name == "connections/authorize.html"
    assert (page.context["host"], page.context["scopes"]) == ("127.0.0.1", ["read"])
    assert (answer.status_code, answer.templates[0].name) == (200, "connections/leave.html")
    assert url.startswith(oauth_server.authorize_url)
    assert f'content="0;url={url.replace("&", "&amp;")}"' in answer.content.decode()


def test_looking_at_proceed_starts_nothing(signed_in, crm):
    signed_in.get("/connections/crm/authorize/")
    signed_in.get("/connections/crm/authorize/", headers={"HX-Request": "true"})

    assert not Authorization.objects.exists()


def test_unknown_environment_is_not_taken_for_all_of_them(signed_in, crm):
    answer = signed_in.post("/connections/crm/authorize/?environment=nowhere")

    assert answer.status_code == 404
    assert not Authorization.objects.exists()


def test_connection_made_for_one_environment_is_reconnected_there(
    client, eve, acme, registered, sign_in
):
    made = connect(
        eve,
        method=acme,
        link_name="mine",
        secrets={},
        scopes=["read"],
        environment=Environment.objects.get(slug="development"),
        client_id=registered.client_id,
        client_secret=registered.client_secret,
    )
    client.force_login(eve)

    sign_in(made)

    assert made.credentials.get().environment.slug == "development"


def test_member_may_not_sign_in_for_higher_environments(client, ada, eve, crm):
    roles.grant(crm, eve, by=ada)
    client.force_login(eve)

    for query in ("", "?environment=production"):
        assert client.post(f"/connections/crm/authorize/{query}").status_code == 403
    assert not Authorization.objects.exists()


def test_a_shared_app_that_came_later_is_taken_and_kept(client, ada, acme, registered, sign_in):
    made = connect(ada, method=acme, link_name="late", secrets={}, scopes=["read"])
    shared = OAuthApp(service=acme.service, shared=True, client_id=registered.client_id)
    shared.client_secret.put(registered.client_secret)
    shared.save()
    client.force_login(ada)

    sign_in(made)

    made.refresh_from_db()
    assert (made.oauth_app, made.status) == (shared, Status.CONNECTED)


# --- What can't even start ------------------------------------------------------------------------


def start(connection, by, **kwargs):
    return authorize.start(connection, by=by, session_key="s", **kwargs)


@pytest.mark.parametrize("who", ["eve", "root"])
def test_only_admins_of_the_connection_may_start(request, crm, who):
    with pytest.raises(PermissionDenied):
        start(crm, request.getfixturevalue(who))


def test_connection_with_an_api_key_has_nothing_to_authorize(ada, connection):
    with pytest.raises(NothingToAuthorize):
        start(connection, ada)


def test_connection_without_app_says_so(ada):
    method = AuthMethodFactory(kind="oauth2_code", config=CONFIG)

    with pytest.raises(AppMissing):
        start(connect(ada, method=method, secrets={}), ada)


@pytest.mark.parametrize(
    "url",
    ["http://acme.example/authorize", "https://{shop}.example/authorize", "javascript:alert(1)"],
)
def test_address_that_cannot_be_used_says_so(ada, url):
    method = AuthMethodFactory(kind="oauth2_code", config=CONFIG | {"authorize_url": url})
    made = connect(ada, method=method, secrets={}, client_id="id", client_secret="s")

    with pytest.raises(AddressIncomplete):
        start(made, ada)
    assert not Authorization.objects.exists()


def test_client_secret_that_cannot_be_opened_says_so(ada, crm):
    OAuthApp.objects.update(client_secret=b"\x01broken")
    crm.refresh_from_db()

    with pytest.raises(CredentialUnreadable):
        start(crm, ada)


# --- What the provider may answer -----------------------------------------------------------------


def test_denied_consent_changes_nothing(signed_in, crm, sign_in, oauth_server):
    answer = sign_in(crm, allow=False)

    assert said(answer) == [
        "Access was not allowed at Acme. Nothing was changed; you can try again."
    ]
    assert answer.headers["Location"] == "/connections/crm/"
    assert half_made(crm) == NOTHING
    assert oauth_server.token_requests == []
    assert Event.objects.about(crm)[0].outcome == "failed"


@pytest.mark.parametrize(
    ("code", "text"),
    [
        ("invalid_scope", "Acme doesn't know one of the scopes. Nothing was changed."),
        ("server_error", "Acme had an error. Nothing was changed."),
        ("temporarily_unavailable", "Acme is busy. Nothing was changed."),
        ("unauthorized_client", "Acme doesn't allow this client to ask. Nothing was changed."),
        ("<script>alert(1)</script>", "Acme refused. Nothing was changed."),
        ("", "Acme refused. Nothing was changed."),
    ],
)
def test_error_of_the_provider_is_said_in_our_words(signed_in, crm, code, text):
    state = query_of(proceed(signed_in, crm))["state"][0]

    answer = signed_in.get(
        "/oauth/callback/acme/", {"state": state, "error": code, "error_description": "<b>boo</b>"}
    )

    assert said(answer) == [text]
    assert half_made(crm) == NOTHING


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"code": None}, "Acme sent no code back. Start again."),
        ({"code": ""}, "Acme sent no code back. Start again."),
        ({"code": "wrong"}, "127.0.0.1 no longer accepts this authorization."),
        ({"code": ["a", "b"]}, "The answer of Acme says something twice. Start again."),
        ({"iss": ["a", "b"]}, "The answer of Acme says something twice. Start again."),
        ({"iss": "https://evil.example"}, "The answer came from another provider. Start again."),
        ({"iss": ""}, "The answer came from another provider. Start again."),
        ({"state": None}, NOT_UNDER_WAY),
        ({"state": ""}, NOT_UNDER_WAY),
        ({"state": "x" * 43}, NOT_UNDER_WAY),
        ({"state": "\x00"}, NOT_UNDER_WAY),
    ],
)
def test_bent_answer_is_refused(signed_in, crm, oauth_server, change, text):
    url = changed(way_back(signed_in, oauth_server, crm), **change)

    answer = signed_in.get(url)

    assert said(answer) == [text]
    assert half_made(crm)[:2] == NOTHING[:2]
    assert Authorization.objects.count() == ("state" in change)


def test_repeated_state_is_refused_and_used_up(signed_in, crm, oauth_server):
    url = way_back(signed_in, oauth_server, crm)
    state = query_of(url)["state"][0]

    answer = signed_in.get(changed(url, state=[state, state]))

    assert said(answer) == ["The answer of Acme says something twice. Start again."]
    assert half_made(crm) == NOTHING
    assert oauth_server.token_requests == []


def test_answer_without_iss_is_taken(signed_in, crm, oauth_server):
    signed_in.get(changed(way_back(signed_in, oauth_server, crm), iss=None))

    assert half_made(crm) == (Status.CONNECTED, 1, 0)


def test_wrong_client_secret_is_said(signed_in, crm, sign_in):
    crm.oauth_app.client_secret.put("wrong")
    crm.oauth_app.save()

    answer = sign_in(crm)

    assert said(answer) == ["127.0.0.1 did not accept the client id and secret. Check both."]
    assert half_made(crm) == NOTHING


@pytest.mark.parametrize(
    ("fault", "text"),
    [
        ("500", "127.0.0.1 is unavailable at the moment (500)."),
        ("429", "127.0.0.1 is unavailable at the moment (429)."),
        ("html", "127.0.0.1 is unavailable at the moment (502)."),
        ("malformed", "127.0.0.1 answered with something that is not a token."),
    ],
)
def test_broken_provider_leaves_nothing_half_made(
    signed_in, crm, sign_in, oauth_server, fault, text
):
    oauth_server.fail_next(fault)

    answer = sign_in(crm)

    assert said(answer) == [text]
    assert half_made(crm) == NOTHING


def test_slow_provider_is_waited_for_only_so_long(
    signed_in, crm, sign_in, oauth_server, monkeypatch
):
    monkeypatch.setattr(provider, "DEADLINE_S", 0.5)
    oauth_server.fail_next("slow", seconds=2)

    answer = sign_in(crm)

    assert said(answer) == ["127.0.0.1 could not be reached."]
    assert half_made(crm) == NOTHING


def test_provider_that_is_down_is_said(signed_in, crm, oauth_server, settings):
    url = way_back(signed_in, oauth_server, crm)
    settings.CONNHUB_EGRESS_ALLOW = []

    answer = signed_in.get(url)

    assert said(answer) == ["127.0.0.1 could not be reached."]
    assert half_made(crm) == NOTHING


def test_failed_reconnect_keeps_the_old_credential(
    signed_in, crm, connected, sign_in, oauth_server
):
    before = secrets(connected)
    oauth_server.fail_next("500")

    sign_in(crm)

    assert secrets(connected) == before
    assert half_made(crm) == (Status.CONNECTED, 1, 0)


# --- Whose answer it is ---------------------------------------------------------------------------


def test_answer_counts_once(signed_in, crm, oauth_server):
    url = way_back(signed_in, oauth_server, crm)

    signed_in.get(url)
    replayed = signed_in.get(url)

    assert said(replayed)[-1] == NOT_UNDER_WAY
    assert len(oauth_server.token_requests) == 1
    assert half_made(crm) == (Status.CONNECTED, 1, 0)


def test_refused_answer_is_used_up_as_well(signed_in, crm, oauth_server):
    url = way_back(signed_in, oauth_server, crm)

    signed_in.get(changed(url, iss="https://evil.example"))
    answer = signed_in.get(url)

    assert said(answer)[-1] == NOT_UNDER_WAY
    assert half_made(crm) == NOTHING


@pytest.mark.parametrize("who", ["ada", "bob"])
def test_answer_in_another_session_is_refused_and_used_up(
    request, signed_in, ada, bob, crm, oauth_server, who
):
    roles.grant(crm, bob, by=ada)
    url = way_back(signed_in, oauth_server, crm)
    other = Client()
    other.force_login(request.getfixturevalue(who))

    answer = other.get(url)

    assert said(answer) == [ANOTHER_SESSION]
    assert answer.headers["Location"] == "/connections/"
    assert half_made(crm) == NOTHING
    assert oauth_server.token_requests == []


def test_answer_to_nobody_asks_to_sign_in(signed_in, crm, oauth_server):
    url = way_back(signed_in, oauth_server, crm)

    answer = Client().get(url)

    assert answer.status_code == 302
    assert answer.headers["Location"].startswith("/sign-in/")
    assert half_made(crm) == (Status.NOT_CONNECTED, 0, 1)


def test_answer_at_another_services_address_is_refused(signed_in, crm, oauth_server):
    url = way_back(signed_in, oauth_server, crm).replace("/acme/", "/other/")

    answer = signed_in.get(url)

    assert said(answer) == ["This answer came to another service's address. Start again."]
    assert half_made(crm) == NOTHING
    assert oauth_server.token_requests == []


def test_answer_after_ten_minutes_is_refused(signed_in, crm, oauth_server):
    url = way_back(signed_in, oauth_server, crm)
    Authorization.objects.update(expires_at=timezone.now() - timedelta(seconds=1))

    answer = signed_in.get(url)

    assert said(answer) == ["This sign-in took more than ten minutes. Start again."]
    assert half_made(crm) == NOTHING


def test_attempt_lasts_ten_minutes(signed_in, crm):
    before = timezone.now()
    proceed(signed_in, crm)

    lasts = Authorization.objects.get().expires_at - before
    assert timedelta(minutes=9) < lasts < timedelta(minutes=11)


def test_admin_removed_meanwhile_is_refused(signed_in, ada, bob, crm, oauth_server):
    roles.grant(crm, bob, by=ada)
    url = way_back(signed_in, oauth_server, crm)
    crm.user_grants.filter(user=ada).delete()

    answer = signed_in.get(url)

    assert said(answer) == ["You no longer administer this connection."]
    assert answer.headers["Location"] == "/connections/"
    assert half_made(crm) == NOTHING
    assert oauth_server.token_requests == []


@pytest.mark.django_db(transaction=True)
def test_token_of_an_admin_removed_during_the_exchange_is_revoked(
    signed_in, ada, crm, oauth_server, monkeypatch
):
    def removed(*asked):
        crm.user_grants.all().delete()
        return account_of(*asked)

    back = way_back(signed_in, oauth_server, crm)
    monkeypatch.setattr(authorize, "account_of", removed)

    signed_in.get(back)

    said = Event.objects.about(crm).filter(action="connection.revoked_at_provider")
    assert [event.detail["said"] for event in said] == ["revoked"]
    assert not crm.credentials.exists()


def test_connection_deleted_meanwhile_stays_deleted(signed_in, ada, crm, oauth_server):
    url = way_back(signed_in, oauth_server, crm)
    lifecycle.delete(crm, by=ada)

    answer = signed_in.get(url)

    assert said(answer) == ["You no longer administer this connection."]
    assert half_made(crm) == NOTHING


def test_role_lost_meanwhile_is_refused(ada, crm, acme):
    url = start(crm, ada)
    ada.role = Role.MEMBER
    state = query_of(url)["state"]

    with pytest.raises(authorize.AuthorizationFailed) as failure:
        authorize.finish("acme", {"state": state, "code": ["x"]}, by=ada, session_key="s")

    assert str(failure.value) == "You may no longer connect in this environment."


def test_signing_in_again_ends_what_was_under_way(signed_in, ada, crm, oauth_server):
    url = way_back(signed_in, oauth_server, crm)
    signed_in.logout()
    signed_in.force_login(ada)

    answer = signed_in.get(url)

    assert said(answer)[-1] == ANOTHER_SESSION
    assert half_made(crm) == NOTHING


def test_post_to_the_callback_is_no_answer(signed_in, crm, oauth_server):
    url = way_back(signed_in, oauth_server, crm)

    assert signed_in.post(url).status_code == 405
    assert half_made(crm) == (Status.NOT_CONNECTED, 0, 1)


def test_codes_states_and_tokens_stay_out_of_the_record(signed_in, crm, oauth_server):
    url = way_back(signed_in, oauth_server, crm)

    signed_in.get(url)

    events = repr(list(Event.objects.values()))
    answer = query_of(url)
    planted = [answer["code"][0], answer["state"][0], *secrets(crm.credentials.get()).values()]
    assert [secret for secret in planted if secret in events] == []
