"""SECURITY 10.1-10.3: who gets in, how often one may try, and when a session ends."""

import re

import pytest
import time_machine
from axes.models import AccessAttempt
from django.contrib.auth import hashers
from django.test import Client
from django.urls import reverse

from connhub.accounts import people
from connhub.accounts.models import Role, User
from connhub.accounts.sessions import account_name, client_ip
from connhub.accounts.views.entering import LOCKED_OUT
from connhub.audit.models import Event
from tests.factories import PASSWORD, UserFactory

pytestmark = pytest.mark.django_db

SIGN_IN, SIGN_OUT = reverse("accounts:sign_in"), reverse("accounts:sign_out")
HOME, PROFILE = reverse("connections:list"), reverse("accounts:profile")


def sign_in(client, email="ada@acme.example", password=PASSWORD, **more):
    next_page = more.pop("next", "")
    return client.post(
        SIGN_IN, {"username": email, "password": password, "next": next_page}, **more
    )


def is_in(client):
    return client.get(PROFILE).status_code == 200


def shape(response):
    """What somebody outside can tell two answers apart by."""
    body = re.sub(r'value="[^"]*"', "", response.content.decode())
    return response.status_code, body


# --- Getting in -----------------------------------------------------------------------------------


@pytest.mark.parametrize("email", ["ada@acme.example", " ADA@Acme.Example "])
def test_the_right_password_leads_to_the_connections(client, ada, email):
    response = sign_in(client, email)

    assert (response.status_code, response.url) == (302, HOME)
    assert is_in(client)
    assert Event.objects.first().action == "person.signed_in"


def test_the_session_id_changes_at_sign_in(client, ada):
    client.get(SIGN_IN)
    session = client.session
    session["before"] = True
    session.save()
    before = session.session_key
    client.cookies["connhub_session"] = before

    sign_in(client)

    assert client.session.session_key != before


def test_wrong_unknown_and_deactivated_look_alike(client, ada):
    UserFactory(email="gone@acme.example", is_active=False)

    answers = [
        sign_in(client, password="wrong"),
        sign_in(client, "nobody@acme.example"),
        sign_in(client, "gone@acme.example"),
    ]

    assert len({shape(answer) for answer in answers}) == 1
    assert answers[0].status_code == 200
    assert not is_in(client)


def test_each_failure_hashes_one_password_so_that_they_take_alike(
    client, ada, settings, monkeypatch
):
    UserFactory(email="gone@acme.example", is_active=False)
    hashed = []
    encode = hashers.MD5PasswordHasher.encode
    monkeypatch.setattr(
        hashers.MD5PasswordHasher,
        "encode",
        lambda hasher, password, salt: hashed.append(1) or encode(hasher, password, salt),
    )

    counts = []
    for email, password in (
        ("ada@acme.example", "wrong"),
        ("nobody@acme.example", PASSWORD),
        ("gone@acme.example", PASSWORD),
    ):
        hashed.clear()
        sign_in(client, email, password)
        counts.append(len(hashed))

    assert counts == [1, 1, 1]


def test_a_failure_is_on_record_with_the_person_but_never_what_was_typed(client, ada):
    sign_in(client, password="wrong-password-typed")
    sign_in(client, "my-password-in-the-wrong-box", "x")

    events = Event.objects.filter(action="person.sign_in_failed").order_by("sequence")
    assert [(event.object, event.outcome, event.ip) for event in events] == [
        ("Ada", "failed", "127.0.0.1"),
        ("", "failed", "127.0.0.1"),
    ]
    assert "typed" not in str([vars(event) for event in events])
    assert "wrong-box" not in str([vars(event) for event in events])


def test_the_password_is_never_rendered_back(client, ada):
    response = sign_in(client, password="wrong-password-typed")

    assert "wrong-password-typed" not in response.content.decode()


def test_production_hashes_passwords_at_full_strength():
    hasher = hashers.PBKDF2PasswordHasher()

    assert hasher.iterations >= 600_000


@pytest.mark.parametrize(
    ("next_page", "landing"),
    [
        (PROFILE, PROFILE),
        ("", HOME),
        ("https://evil.example/", HOME),
        ("//evil.example/", HOME),
        ("///evil.example", HOME),
        ("/\\evil.example", HOME),
        ("\\\\evil.example", HOME),
        ("javascript:alert(1)", HOME),
        ("http:evil.example", HOME),
        ("https://testserver@evil.example/", HOME),
    ],
)
def test_next_leads_nowhere_else(client, ada, next_page, landing):
    assert sign_in(client, next=next_page).url == landing
    assert Client().get(SIGN_IN, {"next": next_page}).status_code == 200


def test_somebody_signed_in_is_sent_on(client, ada):
    client.force_login(ada)

    assert client.get(SIGN_IN).url == HOME


def test_sign_in_wants_the_csrf_token(ada):
    response = sign_in(Client(enforce_csrf_checks=True))

    assert response.status_code == 403


# --- How often one may try ------------------------------------------------------------------------


def fail(client, times, email="ada@acme.example", **more):
    for _ in range(times):
        answer = sign_in(client, email, "wrong", **more)
    return answer


def test_ten_failures_are_too_many_and_the_same_page_says_so(client, ada):
    ninth, tenth = fail(client, 9), fail(client, 1)

    after = sign_in(client)

    assert (ninth.status_code, tenth.status_code, after.status_code) == (200, 429, 429)
    assert LOCKED_OUT in after.content.decode()
    assert '<input type="password"' in after.content.decode()
    assert not is_in(client)


def test_an_unknown_account_is_throttled_alike(client, ada):
    known, unknown = (
        fail(client, 10),
        fail(Client(), 10, "nobody@acme.example", REMOTE_ADDR="192.0.2.9"),
    )

    assert shape(known) == shape(unknown)


def test_the_spelling_of_the_name_does_not_give_more_tries(client, ada):
    for email in (
        "ADA@acme.example",
        " ada@acme.example ",
        "ada@acme.example",
        "ａda@acme.example",
    ):
        fail(client, 3, email, REMOTE_ADDR="192.0.2.1")

    attempts = AccessAttempt.objects.values_list("username", "failures_since_start")
    assert list(attempts) == [("ada@acme.example", 12)]


def test_the_real_person_elsewhere_is_not_locked_out(client, ada):
    fail(client, 12, REMOTE_ADDR="192.0.2.1")

    assert sign_in(client, REMOTE_ADDR="192.0.2.2").status_code == 302


def test_an_address_that_tries_many_accounts_is_throttled(client, ada):
    for number in range(10):
        fail(client, 1, f"person{number}@acme.example", REMOTE_ADDR="192.0.2.1")

    assert sign_in(client, REMOTE_ADDR="192.0.2.1").status_code == 429
    assert sign_in(client, REMOTE_ADDR="192.0.2.2").status_code == 302


def test_a_quarter_of_an_hour_later_one_may_try_again(client, ada):
    with time_machine.travel("2030-01-01 12:00Z", tick=False) as clock:
        fail(client, 10)
        clock.shift(14 * 60)
        early = sign_in(client)
        clock.shift(16 * 60)

        assert (early.status_code, sign_in(client).status_code) == (429, 302)


def test_no_password_is_hashed_while_throttled(client, ada, monkeypatch):
    fail(client, 10)
    monkeypatch.setattr(User, "check_password", None)

    assert sign_in(client).status_code == 429


def test_no_typed_password_is_kept_with_the_tries(client, ada):
    sign_in(client, password="wrong-password-typed")

    assert "wrong-password-typed" not in str(list(AccessAttempt.objects.values()))


# --- Where a request comes from -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("proxies", "peer", "forwarded", "address"),
    [
        ([], "192.0.2.1", "", "192.0.2.1"),
        ([], "192.0.2.1", "203.0.113.9", "192.0.2.1"),
        (["10.0.0.5"], "192.0.2.1", "203.0.113.9", "192.0.2.1"),
        (["10.0.0.5"], "10.0.0.5", "203.0.113.9", "203.0.113.9"),
        (["10.0.0.5"], "10.0.0.5", "198.51.100.1, 203.0.113.9", "203.0.113.9"),
        (["10.0.0.5", "10.0.0.6"], "10.0.0.5", "1.1.1.1, 203.0.113.9, 10.0.0.6", "203.0.113.9"),
        (["10.0.0.5"], "10.0.0.5", "", "10.0.0.5"),
        (["10.0.0.5"], "10.0.0.5", "10.0.0.5", "10.0.0.5"),
        (["10.0.0.5"], "10.0.0.5", " , ,", "10.0.0.5"),
        (["10.0.0.5"], "10.0.0.5", "2001:db8::7", "2001:db8::7"),
        (["10.0.0.5"], "10.0.0.5", "nonsense", "10.0.0.5"),
        (["10.0.0.5"], "10.0.0.5", "192.0.2.1\x00", "10.0.0.5"),
    ],
)
def test_the_address_is_believed_from_trusted_proxies_alone(
    rf, settings, proxies, peer, forwarded, address
):
    settings.TRUSTED_PROXIES = proxies
    request = rf.get("/", REMOTE_ADDR=peer, HTTP_X_FORWARDED_FOR=forwarded)

    assert client_ip(request) == address


def test_the_name_that_tries_are_counted_by_has_one_form(rf):
    request = rf.post("/", {"username": " ＡDA@acme.example"})

    assert account_name(request) == "ada@acme.example"
    assert account_name(request, {"username": "BOB@acme.example"}) == "bob@acme.example"
    assert len(account_name(request, {"username": "x" * 9999})) == 254


# --- When a session ends --------------------------------------------------------------------------


def test_an_hour_without_a_request_ends_the_session(client, ada):
    with time_machine.travel("2030-01-01 12:00Z", tick=False) as clock:
        client.force_login(ada)
        clock.shift(59 * 60)
        active = is_in(client)
        clock.shift(59 * 60)
        still = is_in(client)
        clock.shift(61 * 60)

        assert (active, still, is_in(client)) == (True, True, False)


def test_twelve_hours_end_the_session_however_busy(client, ada):
    with time_machine.travel("2030-01-01 06:00Z", tick=False) as clock:
        client.force_login(ada)
        seen = []
        for _ in range(13):
            clock.shift(55 * 60)
            seen.append(is_in(client))
        clock.shift(10 * 60)

        assert seen == [True] * 13
        assert not is_in(client)


@pytest.fixture
def elsewhere(ada):
    browser = Client()
    browser.force_login(ada)
    return browser


def test_a_new_password_ends_the_other_sessions_and_keeps_this_one(client, ada, elsewhere):
    client.force_login(ada)
    before = client.session.session_key

    client.post(
        reverse("accounts:password"),
        {
            "old_password": PASSWORD,
            "new_password1": "another horse battery staple",
            "new_password2": "another horse battery staple",
        },
    )

    assert is_in(client)
    assert client.session.session_key != before
    assert not is_in(elsewhere)


@pytest.mark.parametrize(
    "change", [{"role": Role.MEMBER}, {"role": Role.SUPER_ADMIN}, {"is_active": False}]
)
def test_a_new_role_or_deactivation_ends_every_session(ada, elsewhere, change):
    User.objects.filter(pk=ada.pk).update(**change)

    assert not is_in(elsewhere)


def test_a_session_ended_by_deactivation_does_not_come_back(ada, elsewhere):
    User.objects.filter(pk=ada.pk).update(is_active=False)
    is_in(elsewhere)
    User.objects.filter(pk=ada.pk).update(is_active=True)

    assert not is_in(elsewhere)


def test_a_new_name_ends_no_session(ada, elsewhere):
    people.rename(ada, to="Ada Lovelace", by=ada)

    assert is_in(elsewhere)


def test_signing_out_takes_a_post_and_is_on_record(client, ada):
    client.force_login(ada)

    refused = client.get(SIGN_OUT)
    done = client.post(SIGN_OUT)

    assert refused.status_code == 405
    assert (done.status_code, done.url) == (302, SIGN_IN)
    assert Event.objects.first().action == "person.signed_out"
    assert not is_in(client)
