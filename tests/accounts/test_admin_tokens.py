"""Admin tokens: who issues, sees and ends them, and what ends them."""

import re
from datetime import timedelta

import pytest
from django.core.exceptions import PermissionDenied
from django.test import Client
from django.utils import timezone

from connhub.accounts import account, admin_tokens, people, resets
from connhub.accounts.models import AdminToken, Role, SecondFactor
from connhub.audit.context import Context, current
from connhub.audit.log import record
from connhub.audit.models import Event
from connhub.vault.keyring import digest
from tests.factories import PASSWORD

pytestmark = pytest.mark.django_db

LISTING = "/profile/admin-tokens/"
NEW = "/profile/admin-tokens/new/"
FORM = {"name": "pipeline", "days": "90"}


@pytest.fixture
def token(ada):
    return admin_tokens.issue("pipeline", by=ada)[0]


@pytest.fixture
def signed_in(client, ada):
    return browser_of(ada)


def browser_of(person) -> Client:
    """Somebody who has signed in just now."""
    browser = Client()
    browser.post("/sign-in/", {"username": person.email, "password": PASSWORD})
    return browser


def revoke_page(token: AdminToken) -> str:
    return f"/profile/admin-tokens/{token.pk}/revoke/"


def usable(person) -> list[str]:
    return [token.name for token in person.admin_tokens.usable()]


# --- Issuing --------------------------------------------------------------------------------------


def test_issue_keeps_only_a_hash_for_90_days_and_is_on_record(ada):
    token, text = admin_tokens.issue("pipeline", by=ada)

    event = Event.objects.latest("sequence")
    span = token.expires_at - token.issued_at
    assert re.fullmatch(r"cha_[A-Za-z0-9_-]{43}", text)
    assert (token.person, token.prefix, token.digest) == (ada, text[:8], digest(text))
    assert abs(span - timedelta(days=90)) < timedelta(minutes=1)
    assert event.sentence == f"Ada issued the admin token pipeline ({text[:8]}…)"
    assert text[8:] not in f"{event.__dict__} {token.__dict__}"


def test_no_token_is_for_longer_than_a_year(ada):
    token, _ = admin_tokens.issue("pipeline", by=ada, expires_in=timedelta(days=9999))

    assert token.expires_at <= timezone.now() + timedelta(days=365)


def test_somebody_deactivated_issues_none(ada, root):
    people.deactivate(ada, by=root)

    with pytest.raises(PermissionDenied):
        admin_tokens.issue("pipeline", by=ada)


def test_whoever_has_50_revokes_one_first(ada):
    for n in range(50):
        token, _ = admin_tokens.issue(f"Token {n}", by=ada)

    with pytest.raises(admin_tokens.TooManyTokens):
        admin_tokens.issue("one too many", by=ada)
    admin_tokens.revoke(token, by=ada)
    admin_tokens.issue("in its place", by=ada)


def test_the_page_shows_a_new_token_once(signed_in, ada):
    response = signed_in.post(NEW, FORM | {"read_only": "on"})

    (token,) = ada.admin_tokens.all()
    (shown,) = re.findall(r"cha_[A-Za-z0-9_-]{43}", response.text)
    assert (token.digest, token.read_only) == (digest(shown), True)
    assert response["Cache-Control"] == "no-store"
    assert shown not in signed_in.get(LISTING).text
    assert token.prefix in signed_in.get(LISTING).text


@pytest.mark.parametrize(
    "wrong", [{"name": ""}, {"name": "a\nb"}, {"name": "x" * 81}, {"days": "3650"}, {"days": "x"}]
)
def test_the_form_says_what_is_wrong_beside_the_field(signed_in, ada, wrong):
    response = signed_in.post(NEW, FORM | wrong)

    assert list(response.context["form"].errors) == list(wrong)
    assert usable(ada) == []


@pytest.mark.parametrize("page", [NEW, "revoke"])
def test_issuing_and_revoking_ask_for_the_password_again(signed_in, ada, token, page):
    session = signed_in.session
    session["authenticated_at"] = 0
    session.save()
    before = usable(ada)

    response = signed_in.post(revoke_page(token) if page == "revoke" else page, FORM)

    assert "Your password" in response.text
    assert usable(ada) == before


# --- Seeing and ending ----------------------------------------------------------------------------


def test_everybody_sees_their_own_alone(signed_in, token, bob):
    admin_tokens.issue("somebody else's", by=bob)

    page = signed_in.get(LISTING).text

    assert token.name in page
    assert "somebody else" not in page


@pytest.mark.parametrize(("who", "status"), [("ada", 403), ("eve", 403), ("root", 200)])
def test_super_admins_see_everybodys(client, request, ada, token, who, status):
    client.force_login(request.getfixturevalue(who))

    response = client.get(token.get_absolute_url())

    assert response.status_code == status
    assert (token.prefix in response.text) == (status == 200)


@pytest.mark.parametrize(("who", "status"), [("ada", 303), ("bob", 404), ("root", 303)])
def test_its_person_and_super_admins_revoke_it(request, token, who, status):
    person = request.getfixturevalue(who)

    response = browser_of(person).post(revoke_page(token))

    token.refresh_from_db()
    assert response.status_code == status
    assert token.is_usable == (status == 404)


def test_revoking_is_on_record_and_happens_once(ada, bob, token):
    with pytest.raises(PermissionDenied):
        admin_tokens.revoke(token, by=bob)

    admin_tokens.revoke(token, by=ada)

    assert Event.objects.latest("sequence").sentence == f"Ada revoked the admin token {token}"
    with pytest.raises(admin_tokens.TokenRevokedAlready):
        admin_tokens.revoke(token, by=ada)


def test_a_listing_of_many_takes_as_many_queries_as_one_of_few(
    signed_in, ada, django_assert_max_num_queries
):
    for n in range(30):
        admin_tokens.issue(f"Token {n}", by=ada)

    with django_assert_max_num_queries(20):
        page = signed_in.get(LISTING)

    assert len(page.context["page"].rows) == 25


def test_django_admin_shows_who_has_one_and_not_its_hash(client, root, token):
    client.force_login(root)

    listed = client.get("/admin/accounts/admintoken/").text
    one = client.get(f"/admin/accounts/admintoken/{token.pk}/change/").text

    assert token.name in listed
    assert token.get_absolute_url() in one
    assert token.digest not in listed + one


# --- What ends them -------------------------------------------------------------------------------


def reset_by_link(ada, root):
    resets.reset(resets.make_link(ada, by=root).split("/")[-2], password="another good password")


def require_second_factor(ada, root):
    SecondFactor.objects.create(user=root, confirmed_at=timezone.now())
    account.require_second_factor(True, by=root)


def reset_factor(ada, root):
    SecondFactor.objects.create(user=ada, confirmed_at=timezone.now())
    people.reset_second_factor(ada, by=root)


@pytest.mark.parametrize(
    "act",
    [
        lambda ada, root: people.deactivate(ada, by=root),
        lambda ada, root: people.change_password(ada, to="another good password", by=ada),
        lambda ada, root: people.change_role(ada, to=Role.SUPER_ADMIN, by=root),
        reset_by_link,
        reset_factor,
        require_second_factor,
    ],
)
def test_what_ends_sessions_ends_admin_tokens_on_record(ada, bob, root, token, act):
    SecondFactor.objects.create(user=bob, confirmed_at=timezone.now())
    admin_tokens.issue("stays", by=bob)

    act(ada, root)

    revoked = Event.objects.filter(action="admin_token.revoked")
    assert [event.object for event in revoked] == [str(token)]
    assert (usable(ada), usable(bob)) == ([], ["stays"])


def test_an_account_that_comes_back_brings_no_token_back(ada, root, token):
    people.deactivate(ada, by=root)
    people.reactivate(ada, by=root)

    assert usable(ada) == []


def test_an_account_that_ends_behind_connhubs_back_takes_its_tokens_along(ada, token):
    ada.is_active = False
    ada.save()

    assert not AdminToken.objects.usable().exists()


# --- On record ------------------------------------------------------------------------------------


def test_what_is_done_by_a_token_says_so(ada, token):
    before = current.set(Context("192.0.2.7", "f" * 32, str(token)))
    try:
        event = record("person.renamed", by=ada, on=ada)
        of_connhub = record("catalogue.loaded")
    finally:
        current.reset(before)

    assert event.detail == {"admin_token": str(token)}
    assert event.sentence == f"Ada changed the name of Ada, by the admin token {token}"
    assert of_connhub.detail == {}
