"""Signing in with OAuth 1.0a at a provider that another library makes, and using what it gave."""

from urllib.parse import urlencode

import pytest
from django.conf import settings
from django.core.exceptions import PermissionDenied
from django.test import Client
from django.utils import timezone

from connhub.audit.models import Event
from connhub.connections import authorize, editing, lifecycle, testing
from connhub.connections.access import AddressIncomplete, AppMissing
from connhub.connections.models import Authorization, Status
from connhub.connections.pending import NothingToAuthorize
from tests.connections.steps import actions, proceed, secrets, way_back
from tests.connections.test_authorize import (
    ANOTHER_SESSION,
    NOT_UNDER_WAY,
    NOTHING,
    changed,
    half_made,
    query_of,
    said,
)
from tests.factories import AuthMethodFactory, connect

pytestmark = pytest.mark.django_db

SIGNING = ["HMAC-SHA1", "HMAC-SHA256", "RSA-SHA1"]
NOT_ALLOWED = "Access was not allowed at Photos. Nothing was changed; you can try again."
WRONG_CONSUMER = (
    "127.0.0.1 did not accept the consumer key and secret. Check both, and that it knows "
    "ConnHub's redirect URI."
)


@pytest.fixture
def signed_in(client, ada):
    client.force_login(ada)
    return client


@pytest.fixture
def album(ada, photos):
    return photos(ada)


@pytest.fixture
def back(signed_in, oauth1_server):
    """Takes a person to the provider's pages; gives the answer of the callback."""

    def back(connection, **how):
        return signed_in.get(way_back(signed_in, oauth1_server, connection, **how))

    return back


def refused(client, connection):
    """What Proceed says where the provider doesn't let the sign-in begin."""
    answer = client.post(f"/connections/{connection.link_name}/authorize/")
    assert answer.status_code == 409
    return answer.context["refusal"].text


# --- There and back -------------------------------------------------------------------------------


@pytest.mark.parametrize("signing", SIGNING)
def test_sign_in_connects_and_a_test_call_is_verified(ada, photos, back, oauth1_server, signing):
    album = photos(ada, signature_method=signing, realm="Photos")

    answer = back(album)
    report = testing.test(album, by=ada)

    album.refresh_from_db()
    credential = album.credentials.get()
    assert (answer.status_code, answer.headers["Location"]) == (302, "/connections/photos/")
    assert said(answer) == ["Photos is connected."]
    assert (album.status, credential.renewable, credential.expires_at) == (1, False, None)
    assert set(secrets(credential)) == {"oauth_token", "oauth_token_secret"}
    assert report.ok
    assert [(r["path"], r["status"], r["realm"]) for r in oauth1_server.requests] == [
        ("/initiate", 200, "Photos"),
        ("/token", 200, "Photos"),
        ("/api/me", 200, "Photos"),
    ]
    assert actions(album) == [
        "connection.created",
        "connection.authorization_started",
        "connection.connected",
        "connection.tested",
    ]


def test_person_goes_to_the_provider_with_the_temporary_token_alone(signed_in, ada, photos):
    album = photos(ada, authorize_params={"expiration": "never", "oauth_token": "evil"})

    url = proceed(signed_in, album)

    asked = query_of(url)
    assert url.startswith(album.auth_method.config["authorize_url"])
    assert asked.keys() == {"oauth_token", "expiration"}
    assert (asked["expiration"], len(asked["oauth_token"])) == (["never"], 1)
    assert asked["oauth_token"] != ["evil"]


def test_neither_temporary_token_nor_its_secret_is_stored_in_clear(signed_in, album):
    token = query_of(proceed(signed_in, album))["oauth_token"][0]

    attempt = Authorization.objects.get()
    assert token not in repr(attempt.__dict__)
    assert attempt.verifier.open().reveal().encode() not in attempt.verifier.ciphertext


def test_looking_at_proceed_names_the_host_and_asks_nobody(signed_in, album, oauth1_server):
    page = signed_in.get("/connections/photos/authorize/")

    assert (page.status_code, page.context["host"], page.context["scopes"]) == (
        200,
        "127.0.0.1",
        [],
    )
    assert oauth1_server.requests == []


def test_token_with_a_known_lifetime_ends_and_is_not_renewed(ada, photos, back):
    album = photos(ada, expires_in_s=3600)

    back(album)

    credential = album.credentials.get()
    left = credential.expires_at - timezone.now()
    assert 3500 < left.total_seconds() < 3700
    assert not credential.renewable


def test_reconnect_replaces_the_token_and_brings_a_revoked_one_back(ada, album, back):
    back(album)
    first = secrets(album.credentials.get())
    lifecycle.revoke(album, by=ada)
    revoked = album.credentials.get()

    back(album)

    album.refresh_from_db()
    assert (revoked.status, bool(revoked.payload)) == (Status.REVOKED, False)
    assert (album.status, album.credentials.count()) == (Status.CONNECTED, 1)
    assert secrets(album.credentials.get()) != first


def test_sign_in_for_one_environment_leaves_the_others(album, back):
    back(album, query="?environment=staging")

    assert [str(c.environment) for c in album.credentials.all()] == ["Staging"]


def test_another_consumer_takes_effect_when_the_person_is_back(
    signed_in, ada, album, back, oauth1_server
):
    back(album)
    other = oauth1_server.register(settings.CONNHUB_URL + "/oauth/callback/photos/")
    pending = editing.edit(
        album,
        lifecycle.Details(
            name="Photos", client_id=other.client_id, client_secret=other.client_secret
        ),
        by=ada,
    )

    url = authorize.start(album, by=ada, session_key=signed_in.session.session_key, pending=pending)
    before = testing.test(album, by=ada)
    signed_in.get(oauth1_server.authorize(url).removeprefix(settings.CONNHUB_URL))

    album.refresh_from_db()
    assert before.ok
    assert album.oauth_app.client_id == other.client_id
    assert testing.test(album, by=ada).ok


def test_summary_and_menu_offer_to_connect_again(signed_in, album, back):
    before = signed_in.get("/connections/photos/").content.decode()
    back(album)
    after = signed_in.get("/connections/photos/").content.decode()
    listing = signed_in.get("/connections/").content.decode()

    assert "Sign in at Photos to connect it." in before
    assert "Sign in at Photos" not in after
    assert "OAuth 1.0a" in after
    assert "/connections/photos/reconnect/" in after
    assert "/connections/photos/reconnect/" in listing


# --- What can't even begin ------------------------------------------------------------------------


@pytest.mark.parametrize("who", ["eve", "root"])
def test_only_admins_of_the_connection_may_begin(request, album, oauth1_server, who):
    with pytest.raises(PermissionDenied):
        authorize.start(album, by=request.getfixturevalue(who), session_key="s")

    assert oauth1_server.requests == []


def test_wrong_consumer_secret_is_said_and_on_record(signed_in, ada, photos):
    album = photos(ada, secret="wrong")

    assert refused(signed_in, album) == WRONG_CONSUMER
    assert half_made(album) == NOTHING
    event = Event.objects.about(album).get(action="connection.authorize_failed")
    assert event.outcome == "failed"


def test_callback_that_is_not_registered_is_said(signed_in, album, settings):
    settings.CONNHUB_URL = "https://elsewhere.example"

    assert refused(signed_in, album) == WRONG_CONSUMER
    assert half_made(album) == NOTHING


def test_provider_that_is_down_is_said(signed_in, album, settings):
    settings.CONNHUB_EGRESS_ALLOW = ["127.0.0.1:1"]
    album.auth_method.config["authorize_url"] = "https://photos.example/authorize"
    album.auth_method.save()

    assert refused(signed_in, album) == "127.0.0.1 could not be reached."
    assert half_made(album) == NOTHING


def test_private_key_that_is_none_is_said(signed_in, ada, photos):
    album = photos(ada, secret="-----BEGIN NONSENSE-----", signature_method="RSA-SHA1")

    text = "The private key can't be used to sign. Enter an RSA key whole, as PEM."
    assert refused(signed_in, album) == text
    assert half_made(album) == NOTHING


def test_realm_that_nobody_gave_is_said(ada, photos):
    album = photos(ada, realm="{account}")

    with pytest.raises(AddressIncomplete):
        authorize.start(album, by=ada, session_key="s")


def test_connection_without_consumer_says_so(ada, album):
    made = connect(ada, method=album.auth_method, link_name="other", secrets={})

    with pytest.raises(AppMissing):
        authorize.start(made, by=ada, session_key="s")


def test_temporary_token_that_comes_twice_begins_nothing(ada, album, token_endpoint):
    answer = {"oauth_token": "t", "oauth_token_secret": "s", "oauth_callback_confirmed": "true"}
    token_endpoint.body = urlencode(answer).encode()
    album.auth_method.config["request_token_url"] = token_endpoint.url
    album.auth_method.config["authorize_url"] = token_endpoint.url
    authorize.start(album, by=ada, session_key="s")

    with pytest.raises(authorize.NotBegun):
        authorize.start(album, by=ada, session_key="s")

    assert Authorization.objects.count() == 1


# --- What the provider may answer -----------------------------------------------------------------


@pytest.mark.parametrize("denial", ["error", "denied"])
def test_denied_consent_changes_nothing(ada, photos, back, oauth1_server, denial):
    """Authlib names no token in a no; others say `denied` and the token."""
    album = photos(ada, denial=denial)

    answer = back(album, allow=False)

    assert said(answer) == [NOT_ALLOWED]
    assert answer.headers["Location"] == "/connections/photos/"
    assert half_made(album) == NOTHING
    assert [r["path"] for r in oauth1_server.requests] == ["/initiate"]
    assert Event.objects.about(album)[0].outcome == "failed"


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"oauth_verifier": None}, NOT_ALLOWED),
        ({"oauth_verifier": ""}, NOT_ALLOWED),
        ({"oauth_verifier": "denied"}, NOT_ALLOWED),
        ({"oauth_verifier": "a\nb"}, NOT_ALLOWED),
        (
            {"oauth_verifier": "wrong"},
            "127.0.0.1 no longer accepts this authorization. Start again.",
        ),
        ({"oauth_verifier": ["a", "b"]}, "The answer of Photos says something twice. Start again."),
        ({"oauth_token": None}, NOT_ALLOWED),
        ({"oauth_token": ""}, NOT_UNDER_WAY),
        ({"oauth_token": "unknown"}, NOT_UNDER_WAY),
        ({"oauth_token": "\x00"}, NOT_UNDER_WAY),
    ],
)
def test_bent_answer_is_refused(signed_in, album, oauth1_server, change, text):
    url = changed(way_back(signed_in, oauth1_server, album), **change)

    answer = signed_in.get(url)

    assert said(answer) == [text]
    assert half_made(album)[:2] == NOTHING[:2]
    assert Authorization.objects.count() == (text == NOT_UNDER_WAY)


def test_repeated_token_is_refused_and_used_up(signed_in, album, oauth1_server):
    url = way_back(signed_in, oauth1_server, album)
    token = query_of(url)["oauth_token"][0]

    answer = signed_in.get(changed(url, oauth_token=[token, token]))

    assert said(answer) == ["The answer of Photos says something twice. Start again."]
    assert half_made(album) == NOTHING


def test_temporary_token_that_ended_meanwhile_is_said(signed_in, album, oauth1_server):
    url = way_back(signed_in, oauth1_server, album)
    oauth1_server.forget_temporary()

    answer = signed_in.get(url)

    assert said(answer) == ["127.0.0.1 no longer accepts this authorization. Start again."]
    assert half_made(album) == NOTHING


# --- Whose answer it is ---------------------------------------------------------------------------


def test_answer_counts_once(signed_in, album, oauth1_server):
    url = way_back(signed_in, oauth1_server, album)

    signed_in.get(url)
    replayed = signed_in.get(url)

    assert said(replayed)[-1] == NOT_UNDER_WAY
    assert [r["path"] for r in oauth1_server.requests] == ["/initiate", "/token"]


def test_answer_in_another_session_is_refused_and_used_up(signed_in, ada, album, oauth1_server):
    url = way_back(signed_in, oauth1_server, album)
    other = Client()
    other.force_login(ada)

    assert said(other.get(url)) == [ANOTHER_SESSION]
    assert half_made(album) == NOTHING


def test_a_no_without_a_token_ends_nothing_of_another_session(signed_in, ada, album):
    proceed(signed_in, album)
    other = Client()
    other.force_login(ada)

    answer = other.get("/oauth/callback/photos/?error=access_denied")

    assert said(answer) == [NOT_UNDER_WAY]
    assert Authorization.objects.count() == 1


def test_verifier_without_a_token_is_never_taken(signed_in, album, oauth1_server):
    verifier = query_of(way_back(signed_in, oauth1_server, album))["oauth_verifier"][0]

    answer = signed_in.get(f"/oauth/callback/photos/?oauth_verifier={verifier}")

    assert said(answer) == [NOT_ALLOWED]
    assert half_made(album) == NOTHING


def test_answer_at_another_services_address_is_refused(signed_in, album, oauth1_server):
    url = way_back(signed_in, oauth1_server, album).replace("/photos/", "/other/")

    answer = signed_in.get(url)

    assert said(answer) == ["This answer came to another service's address. Start again."]
    assert half_made(album) == NOTHING


def test_tokens_and_verifiers_stay_out_of_the_record(signed_in, album, oauth1_server):
    url = way_back(signed_in, oauth1_server, album)

    signed_in.get(url)

    events = repr(list(Event.objects.values()))
    answer = query_of(url)
    planted = [
        *(answer["oauth_token"][0], answer["oauth_verifier"][0]),
        *secrets(album.credentials.get()).values(),
    ]
    assert [secret for secret in planted if secret in events] == []


# --- Token and secret that the service shows ------------------------------------------------------


def test_token_of_the_form_needs_no_sign_in(ada, oauth1_server, photos):
    shown = photos(ada, realm="{account}", signature_method="HMAC-SHA256")
    app = shown.oauth_app
    method = AuthMethodFactory(
        service=shown.service,
        kind="oauth1",
        label="Token",
        config={"realm": "{account}", "signature_method": "HMAC-SHA256"},
    )
    made = connect(
        ada,
        method=method,
        link_name="erp",
        parameters={"account": '12"34', "client_id": app.client_id},
        secrets={
            "client_secret": app.client_secret.open().reveal(),
            **oauth1_server.issue(app.client_id),
        },
    )

    report = testing.test(made, by=ada)

    made.refresh_from_db()
    assert made.status == Status.CONNECTED
    assert report.ok
    assert [(r["path"], r["realm"]) for r in oauth1_server.requests] == [("/api/me", '12"34')]
    with pytest.raises(NothingToAuthorize):
        authorize.start(made, by=ada, session_key="s")


def test_token_of_the_form_is_replaced_where_it_was_entered(signed_in, ada):
    method = AuthMethodFactory(kind="oauth1", label="Token", config={"help": "Under Setup."})
    before = {"client_secret": "cs", "oauth_token": "t1", "oauth_token_secret": "s1"}
    made = connect(
        ada, method=method, link_name="erp", parameters={"client_id": "k"}, secrets=before
    )
    typed = {"name": "ERP", "access_mode": "proxy", "p_client_id": "k"}

    page = signed_in.get("/connections/erp/edit/").content.decode()
    new_token = {"s_oauth_token": "t2", "s_oauth_token_secret": "s2"}
    answer = signed_in.post("/connections/erp/edit/", typed | new_token)
    other_key = signed_in.post("/connections/erp/edit/", typed | {"p_client_id": "other"})

    assert answer.status_code == 303
    assert [
        text for text in ("Consumer key", "Under Setup.", "Token secret") if text not in page
    ] == []
    assert secrets(made.credentials.get()) == before | {
        "oauth_token": "t2",
        "oauth_token_secret": "s2",
    }
    assert set(other_key.context["form"].errors) == {f"s_{name}" for name in before}
