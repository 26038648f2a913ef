"""SECURITY 10.2: people see where they are signed in, and end it."""

import pytest
import time_machine
from axes.models import AccessAttempt
from django.test import Client
from django.urls import reverse

from connhub.accounts import people, sessions, tasks
from connhub.accounts.devices import device
from connhub.accounts.models import Session
from connhub.audit.models import Event
from tests.factories import PASSWORD

pytestmark = pytest.mark.django_db

FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
SAFARI = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko)"
    " Version/18.1 Mobile/15E148 Safari/604.1"
)
EDGE = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) "
    "Chrome/140.0.0.0 Safari/537.36 Edg/140.0.0.0"
)
PROFILE, SESSIONS = reverse("accounts:profile"), reverse("accounts:sessions")


def browser_of(person, agent=FIREFOX, ip="192.0.2.1"):
    browser = Client(headers={"User-Agent": agent}, REMOTE_ADDR=ip)
    browser.post("/sign-in/", {"username": person.email, "password": PASSWORD})
    return browser


def listed(browser):
    return browser.get(SESSIONS).context["sessions"]


def end(browser, session):
    return browser.post(reverse("accounts:end_session", args=[session.ref]))


def test_sessions_are_listed_with_this_one_marked_and_nobody_elses(ada, bob):
    here = browser_of(ada)
    browser_of(ada, SAFARI, "192.0.2.2")
    browser_of(bob, EDGE)

    assert [(s.device, s.ip, s.is_this_one) for s in listed(here)] == [
        ("Firefox on Linux", "192.0.2.1", True),
        ("Safari on iPhone", "192.0.2.2", False),
    ]


def test_no_page_shows_the_key_of_a_session(ada):
    here = browser_of(ada)
    browser_of(ada, SAFARI)

    page = here.get(PROFILE).content.decode()

    assert [key for key in Session.objects.values_list("pk", flat=True) if key in page] == []


def test_one_is_ended_at_once_and_on_record(ada):
    here, there = browser_of(ada), browser_of(ada, SAFARI)

    answer = end(here, listed(here)[1])

    assert (answer.status_code, answer.url) == (303, PROFILE)
    assert there.get(PROFILE).status_code == 302
    assert here.get(PROFILE).status_code == 200
    event = Event.objects.first()
    assert (event.action, event.detail) == ("session.ended", {"device": "Safari on iPhone"})


def test_all_others_are_ended(ada, bob):
    here, there, elsewhere = browser_of(ada), browser_of(ada), browser_of(bob)

    here.post(reverse("accounts:end_other_sessions"))

    assert [b.get(PROFILE).status_code for b in (here, there, elsewhere)] == [200, 302, 200]
    assert Event.objects.first().action == "session.others_ended"


def test_somebody_elses_is_not_there(ada, bob):
    hers, his = browser_of(ada), browser_of(bob)

    assert end(his, listed(hers)[0]).status_code == 404
    assert hers.get(PROFILE).status_code == 200


def test_ones_own_ends_by_signing_out_alone(ada):
    here = browser_of(ada)

    assert end(here, listed(here)[0]).status_code == 404
    here.post("/sign-out/")
    assert not sessions.of(ada).exists()


def test_last_seen_and_address_follow_within_a_minute(ada):
    with time_machine.travel("2030-01-01 12:00Z", tick=False) as clock:
        here = browser_of(ada)
        clock.shift(600)
        here.get(PROFILE, REMOTE_ADDR="192.0.2.7")
        session = listed(here)[0]

    assert (session.seen_at - session.started_at).total_seconds() == 600
    assert session.ip == "192.0.2.7"


def test_what_has_run_out_is_not_listed_and_forgotten_later(ada):
    with time_machine.travel("2030-01-01 12:00Z", tick=False) as clock:
        browser_of(ada)
        clock.shift(3700)
        here = browser_of(ada)
        alone = len(listed(here))
        clock.shift(13 * 3600)
        tasks.forget_ended_sessions.call_local()

    assert alone == 1
    assert not Session.objects.exists()


@pytest.mark.parametrize("end", [people.deactivate, people.delete])
def test_no_session_outlives_the_account(root, ada, end):
    browser_of(ada)

    end(ada, by=root)

    assert not Session.objects.exists()


def test_a_new_password_leaves_this_session_alone(ada):
    here = browser_of(ada)
    browser_of(ada)
    new = "another horse battery staple"

    here.post(
        "/profile/password/",
        {"old_password": PASSWORD, "new_password1": new, "new_password2": new},
    )

    assert [session.is_this_one for session in listed(here)] == [True]


def test_listing_takes_the_same_queries_however_many(ada, django_assert_max_num_queries):
    here = browser_of(ada)
    for _ in range(12):
        browser_of(ada)

    with django_assert_max_num_queries(6):
        assert len(listed(here)) == 13


@pytest.mark.parametrize(
    ("agent", "name"),
    [
        (FIREFOX, "Firefox on Linux"),
        (SAFARI, "Safari on iPhone"),
        (EDGE, "Edge on Windows"),
        ("curl/8.14.1", "curl"),
        ("", "A browser"),
        ("<script>alert(1)</script>" * 99, "A browser"),
    ],
)
def test_a_device_is_named(agent, name):
    assert device(agent) == name


def test_nothing_typed_is_kept_with_failed_tries(client, ada):
    client.force_login(ada)

    client.post(
        "/profile/password/",
        {"old_password": "wrong-typed", "new_password1": "new-typed", "new_password2": "x"},
    )

    assert AccessAttempt.objects.get().failures_since_start == 1
    assert "typed" not in str(AccessAttempt.objects.values())
