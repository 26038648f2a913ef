"""Single sign-on by OpenID Connect, against a provider that is not ours."""

import re
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from html import unescape
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
import time_machine
from django.test import Client
from django.urls import reverse

from connhub.accounts import account, invitations, sso
from connhub.accounts.models import Identity, Role, SecondFactor, Session, User
from connhub.audit.models import Event
from tests.connections.steps import in_own_connection
from tests.factories import PASSWORD, UserFactory

pytestmark = pytest.mark.django_db

SIGN_IN, SSO = reverse("accounts:sign_in"), reverse("accounts:sso")
CALLBACK, FAILED = reverse("accounts:sso_callback"), reverse("accounts:sso_failed")
HOME, PROFILE = reverse("connections:list"), reverse("accounts:profile")


@pytest.fixture
def provider(oauth_server, settings):
    """The provider, and ConnHub configured to sign people in there."""
    client = oauth_server.register(settings.CONNHUB_URL + CALLBACK, algorithm="RS256")
    settings.CONNHUB_EGRESS_ALLOW = [f"127.0.0.1:{oauth_server.port}"]
    settings.OIDC_ISSUER = f"{oauth_server.base_url}/o"
    settings.OIDC_CLIENT_ID = client.client_id
    settings.OIDC_CLIENT_SECRET = client.client_secret
    settings.OIDC_LABEL = "Sign in with Acme"
    return oauth_server


@pytest.fixture
def grace(db):
    """Known here by the address that the provider knows too."""
    return UserFactory(name="Grace", email="grace@acme.example")


def to_provider(browser, then=""):
    return browser.get(SSO, {"next": then} if then else {}).url


def sign_in(browser, provider, then="", user="", **more):
    back = provider.authorize(to_provider(browser, then), user=user)
    return browser.get(f"{CALLBACK}?{urlsplit(back).query}", **more)


def is_in(browser):
    return browser.get(PROFILE).status_code == 200


def reason():
    event = Event.objects.filter(action="person.sso_failed").order_by("sequence").last()
    return event.detail["said"] if event else None


# --- Coming in --------------------------------------------------------------------------------------


def test_the_sign_in_page_offers_it_only_where_it_is_set_up(client, root, provider, settings):
    offered = "Sign in with Acme" in client.get(SIGN_IN).content.decode()
    settings.OIDC_ISSUER = ""

    assert offered
    assert "Acme" not in client.get(SIGN_IN).content.decode()
    assert [client.get(url).status_code for url in (SSO, CALLBACK)] == [404, 404]


def test_somebody_known_by_a_verified_address_is_signed_in(client, grace, provider):
    answer = sign_in(client, provider, then=PROFILE)

    assert (answer.status_code, answer.url) == (302, PROFILE)
    assert is_in(client)
    identity = Identity.objects.get()
    assert (identity.user, identity.issuer) == (grace, f"{provider.base_url}/o")
    actions = Event.objects.values_list("action", flat=True)
    assert list(actions)[:2] == ["person.signed_in", "person.identity_linked"]


def test_afterwards_they_are_known_whatever_their_address(client, grace, provider):
    sign_in(Client(), provider)
    User.objects.filter(pk=grace.pk).update(email="other@acme.example")
    provider.claim(email_verified=False)

    sign_in(client, provider)

    assert is_in(client)
    assert User.objects.count() == 1


def test_what_is_asked_of_the_provider(client, root, provider):
    asked = parse_qs(urlsplit(to_provider(client)).query)

    assert asked["response_type"] == ["code"] and asked["code_challenge_method"] == ["S256"]
    assert asked["scope"] == ["openid email profile"]
    assert min(len(asked[name][0]) for name in ("state", "nonce", "code_challenge")) >= 43
    kept = str(client.session["single_sign_on"])
    assert asked["state"][0] not in kept and "prompt" not in asked


def test_the_session_id_changes(client, grace, provider):
    to_provider(client)
    before = client.session.session_key
    sign_in(client, provider)

    assert client.session.session_key != before
    assert not Session.objects.filter(pk=before).exists()


@pytest.mark.parametrize("then", ["https://evil.example/", "//evil.example", "javascript:x"])
def test_it_leads_nowhere_else(client, grace, provider, then):
    assert sign_in(client, provider, then=then).url == HOME


@pytest.mark.parametrize(("role", "comes_in"), [("", False), ("member", True), ("admin", True)])
def test_somebody_new_comes_in_where_the_operator_wants_it(
    client, root, provider, settings, role, comes_in
):
    settings.OIDC_CREATE_ROLE = role

    sign_in(client, provider)

    assert is_in(client) == comes_in
    found = User.objects.filter(email="grace@acme.example", name="Grace", role=role)
    assert found.exists() == comes_in
    assert all(not person.has_usable_password() for person in found)


@pytest.mark.parametrize(
    ("domains", "comes_in"), [(["acme.example"], True), (["b.example"], False)]
)
def test_only_addresses_of_the_allowed_domains(
    client, grace, provider, settings, domains, comes_in
):
    settings.OIDC_DOMAINS = domains

    sign_in(client, provider)

    assert is_in(client) == comes_in


@pytest.mark.parametrize("claims", [{"email": "grace@left.example"}, {"email_verified": False}])
def test_the_domain_counts_at_every_sign_in(client, grace, provider, settings, claims):
    settings.OIDC_DOMAINS = ["acme.example"]
    sign_in(Client(), provider)
    provider.claim(**claims)

    sign_in(client, provider)

    assert Identity.objects.get().user == grace
    assert not is_in(client)


def test_an_invitation_is_accepted_by_it(client, root, provider):
    invitations.invite("grace@acme.example", role=Role.ADMIN, by=root)

    sign_in(client, provider)

    assert is_in(client)
    assert User.objects.get(email="grace@acme.example").role == Role.ADMIN


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("known_by", "place", "name"),
    [
        ("account", sso, "_verified_email"),
        ("invitation", invitations, "open_to"),
        ("nothing", sso, "_name"),
    ],
)
def test_two_windows_at_once_let_in_one_person(
    root, provider, settings, monkeypatch, known_by, place, name
):
    settings.OIDC_CREATE_ROLE = Role.MEMBER
    if known_by == "account":
        UserFactory(email="grace@acme.example")
    elif known_by == "invitation":
        invitations.invite("grace@acme.example", role=Role.MEMBER, by=root)
    meet_after(monkeypatch, place, name)
    browsers = [Client(), Client()]

    with ThreadPoolExecutor(2) as threads:
        done = [threads.submit(in_own_connection(sign_in), each, provider) for each in browsers]
        answers = [each.result() for each in done]

    assert [answer.url for answer in answers] == [HOME, HOME]
    assert [is_in(browser) for browser in browsers] == [True, True]
    assert Identity.objects.get().user == User.objects.exclude(pk=root.pk).get()


def meet_after(monkeypatch, place, name):
    """Let two get as far as this, where the database lets them, before either goes on."""
    function, both_there = getattr(place, name), threading.Barrier(2)

    def wait(*args):
        found = function(*args)
        with suppress(threading.BrokenBarrierError):
            both_there.wait(0.5)
        return found

    monkeypatch.setattr(place, name, wait)


# --- Staying out ------------------------------------------------------------------------------------


def test_somebody_deactivated_stays_out(client, root, grace, provider):
    sign_in(Client(), provider)
    User.objects.filter(pk=grace.pk).update(is_active=False)

    answer = sign_in(client, provider)
    Identity.objects.all().delete()
    sign_in(client, provider)

    assert (answer.url, is_in(client), reason()) == (FAILED, False, "deactivated")
    assert not Identity.objects.exists()


@pytest.mark.parametrize("verified", [False, None, "true", 1])
def test_an_unverified_address_leads_to_nobody(client, grace, provider, settings, verified):
    settings.OIDC_CREATE_ROLE = "member"
    provider.claim(email_verified=verified)

    sign_in(client, provider)

    assert (is_in(client), reason()) == (False, "no verified address")
    assert User.objects.count() == 1


@pytest.mark.parametrize(
    ("claims", "said"),
    [
        ({"iss": "https://evil.example"}, "id_token refused (InvalidClaimError)"),
        ({"aud": "somebody-else"}, "id_token refused (InvalidClaimError)"),
        ({"nonce": "another"}, "id_token refused (InvalidClaimError)"),
        ({"exp": 1}, "id_token refused (ExpiredTokenError)"),
        ({"azp": "somebody-else"}, "id_token is for somebody else"),
        ({"sub": ""}, "id_token refused (InvalidClaimError)"),
        ({"tampered": True}, "id_token refused (BadSignatureError)"),
    ],
)
def test_an_id_token_that_does_not_fit_is_refused(client, grace, provider, claims, said):
    provider.claim(**claims)

    answer = sign_in(client, provider)

    assert (answer.url, is_in(client)) == (FAILED, False)
    assert reason() == said


def changed_query(back, **changes):
    query = {name: value[0] for name, value in parse_qs(urlsplit(back).query).items()} | changes
    return f"{CALLBACK}?{urlencode({n: v for n, v in query.items() if v is not None})}"


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"state": "another"}, "unknown state"),
        ({"state": None}, "unknown state"),
        ({"iss": "https://evil.example"}, "another issuer"),
        ({"code": None}, "refused by the provider"),
        ({"error": "access_denied"}, "refused by the provider"),
        ({"code": "made-up"}, "the provider answered with something else"),
    ],
)
def test_an_answer_that_does_not_fit_is_refused(client, grace, provider, changes, said):
    back = provider.authorize(to_provider(client))

    answer = client.get(changed_query(back, **changes))

    assert (answer.url, is_in(client), reason()) == (FAILED, False, said)


def test_a_repeated_parameter_is_refused(client, grace, provider):
    back = provider.authorize(to_provider(client))

    client.get(f"{CALLBACK}?{urlsplit(back).query}&code=another")

    assert (is_in(client), reason()) == (False, "repeated parameter")


def test_an_answer_counts_once_and_in_its_own_browser(client, grace, provider):
    back = provider.authorize(to_provider(client))
    other = Client()
    other.get(f"{CALLBACK}?{urlsplit(back).query}")
    stolen = reason()
    client.get(f"{CALLBACK}?{urlsplit(back).query}&state=x")
    client.get(f"{CALLBACK}?{urlsplit(back).query}")

    assert stolen == "unknown state"
    assert not is_in(other) and not is_in(client)


def test_an_answer_after_ten_minutes_is_refused(client, grace, provider):
    back = provider.authorize(to_provider(client))

    with time_machine.travel(time.time() + 601):
        client.get(f"{CALLBACK}?{urlsplit(back).query}")

    assert reason() == "took too long"


def test_the_provider_is_reached_through_the_guard_alone(client, grace, provider, settings):
    settings.CONNHUB_EGRESS_ALLOW = []

    answer = client.get(SSO)

    assert (answer.url, reason()) == (FAILED, "the provider can't be reached")


def test_another_issuer_in_the_discovery_is_refused(client, grace, provider, settings):
    settings.OIDC_ISSUER = f"{provider.base_url}/o/"

    client.get(SSO)

    assert reason() == "discovery names another issuer"


# --- Together with passwords and second factors -------------------------------------------------------


def test_passwords_can_be_switched_off(client, grace, root, provider, settings):
    settings.PASSWORD_SIGN_IN = False

    page = client.get(SIGN_IN).content.decode()
    answer = client.post(SIGN_IN, {"username": grace.email, "password": PASSWORD})

    assert "password" not in page.lower()
    assert answer.status_code == 403
    assert client.get(reverse("accounts:forgotten_password")).status_code == 404
    assert client.post(reverse("accounts:new_password")).status_code == 404
    sign_in(client, provider)
    assert is_in(client)


def test_the_second_factor_is_the_providers_matter_unless_everybody_needs_one(
    client, root, grace, provider
):
    for person in (root, grace):
        SecondFactor.objects.create(user=person, confirmed_at="2030-01-01T12:00Z")
    free = sign_in(Client(), provider).url
    account.require_second_factor(True, by=root)

    asked = sign_in(client, provider)

    assert free == HOME
    assert asked.url == reverse("accounts:sign_in_code")
    assert not is_in(client)


def test_who_has_none_then_sets_it_up_without_a_password(client, root, provider, settings):
    settings.OIDC_CREATE_ROLE = "member"
    SecondFactor.objects.create(user=root, confirmed_at="2030-01-01T12:00Z")
    account.require_second_factor(True, by=root)
    sign_in(client, provider)

    led = client.get(HOME).url
    begun = client.post(led, {"sent": "1"})

    assert led == reverse("accounts:second_factor")
    assert begun.url == reverse("accounts:confirm_second_factor")


def let_the_proof_age(client):
    session = client.session
    session["authenticated_at"] -= 700
    session.save()


def test_without_a_password_a_recent_sign_in_is_the_proof(client, provider, settings, root):
    settings.OIDC_CREATE_ROLE = "member"
    sign_in(client, provider)
    url = reverse("accounts:second_factor")
    let_the_proof_age(client)

    refused = client.post(url, {"sent": "1"})
    query = parse_qs(urlsplit(to_provider(client, url)).query)
    again = sign_in(client, provider, then=url)
    begun = client.post(url, {"sent": "1"})

    assert refused.context["form"].non_field_errors()
    assert (query["prompt"], query["max_age"]) == (["login"], ["0"])
    assert again.url == url
    assert begun.url == reverse("accounts:confirm_second_factor")


def test_an_export_wants_another_sign_in_at_the_provider(client, provider, settings, root):
    settings.OIDC_CREATE_ROLE = "member"
    sign_in(client, provider)
    url = reverse("connections:export")

    asked = client.get(url)
    refused = client.post(url, {"proof-held": ""})
    sign_in(client, provider, then=url)

    names = [page.templates[0].name for page in (asked, refused, client.get(url))]
    assert names == ["accounts/reauthenticate.html"] * 2 + ["connections/export.html"]


@pytest.mark.parametrize("count", [2, 900])
def test_after_it_the_form_has_what_was_ticked_before(client, provider, settings, root, count):
    settings.OIDC_CREATE_ROLE = "admin"
    sign_in(client, provider)
    url = reverse("connections:export")
    ticked = [f"connection_{number}" for number in range(count)]

    asked = client.post(url, {"link_name": ticked})
    way = re.search(r'href="([^"]+\?next=[^"]*)"', asked.content.decode())[1]
    back = provider.authorize(client.get(unescape(way)).url)
    returned = client.get(client.get(f"{CALLBACK}?{urlsplit(back).query}").url)
    again = client.get(url)

    initial = returned.context["form"].initial
    assert returned.templates[0].name == "connections/export.html"
    assert (initial["what"], initial["link_names"].split()) == ("these", ticked)
    assert again.context["form"].initial["what"] == "all"
    assert "form_left" not in client.session


@pytest.mark.parametrize("auth_time", [-700, -90, 90, None, "soon", True, 1e300, [1]], ids=str)
def test_only_a_new_sign_in_at_the_provider_proves_anything(
    client, provider, settings, root, auth_time
):
    settings.OIDC_CREATE_ROLE = "member"
    sign_in(client, provider)
    let_the_proof_age(client)
    is_offset = type(auth_time) is int
    provider.claim(auth_time=int(time.time()) + auth_time if is_offset else auth_time)

    answer = sign_in(client, provider)

    assert (answer.url, reason()) == (FAILED, "the provider did not ask again")
    assert "did not ask you to sign in anew" in client.get(FAILED).content.decode()
    assert client.post(reverse("accounts:second_factor"), {"sent": "1"}).status_code == 200


def test_clocks_may_differ_by_less_than_a_minute(client, provider, settings, root):
    settings.OIDC_CREATE_ROLE = "member"
    sign_in(client, provider)
    provider.claim(auth_time=int(time.time()) - 30)

    assert sign_in(client, provider, then=PROFILE).url == PROFILE
    assert reason() is None


def test_somebody_else_at_the_provider_proves_nothing(client, ada, grace, provider):
    client.force_login(ada)

    answer = sign_in(client, provider)

    assert (answer.url, reason()) == (FAILED, "somebody else")
    assert client.get(PROFILE).context["user"] == ada
