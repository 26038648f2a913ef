"""SECURITY 10.1, 10.2: a forgotten password."""

import re
from datetime import timedelta

import pytest
import time_machine
from django.core.exceptions import PermissionDenied
from django.db import connection as database
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from connhub.accounts import resets
from connhub.accounts.models import User
from connhub.audit.models import Event
from tests.accounts.background import do_what_is_queued
from tests.factories import PASSWORD, UserFactory

pytestmark = pytest.mark.django_db

FORGOTTEN, NEW = reverse("accounts:forgotten_password"), reverse("accounts:new_password")
NEW_PASSWORD = "another horse battery staple"


@pytest.fixture(autouse=True)
def empty_queue(db):
    do_what_is_queued()


def ask(client, email="ada@acme.example"):
    return client.post(FORGOTTEN, {"email": email})


def link_in(mailbox):
    do_what_is_queued()
    (letter,) = mailbox.collect()
    return re.search(r"http\S+", letter.get_content())[0]


def set_password(url, password=NEW_PASSWORD):
    browser = Client()
    opened = browser.get(url, follow=True)
    return opened, browser.post(NEW, {"password": password})


def test_a_link_leads_to_a_new_password_and_ends_every_session(client, ada, mailbox):
    here = Client()
    here.force_login(ada)
    ask(client, " ADA@acme.example ")

    opened, done = set_password(link_in(mailbox))

    assert (opened.status_code, done.status_code) == (200, 302)
    assert done.url == reverse("accounts:sign_in")
    assert User.objects.get(pk=ada.pk).check_password(NEW_PASSWORD)
    assert here.get("/profile/").status_code == 302
    actions = set(Event.objects.values_list("action", flat=True))
    assert {"person.reset_asked", "person.password_reset", "person.password_changed"} <= actions


def test_unknown_known_and_deactivated_look_alike(client, ada, mailbox):
    UserFactory(email="gone@acme.example", is_active=False)
    addresses = ["ada@acme.example", "none@acme.example", "gone@acme.example"]

    answers = [ask(client, address) for address in addresses]
    shapes = {
        (answer.status_code, answer.content.decode().replace(address, "…"))
        for answer, address in zip(answers, addresses, strict=True)
    }
    do_what_is_queued()

    assert len(shapes) == 1
    assert [letter["to"] for letter in mailbox.collect()] == ["ada@acme.example"]


def test_the_page_itself_looks_nobody_up(client, ada, mailbox):
    counts = []
    for address in ("ada@acme.example", "none@acme.example"):
        with CaptureQueriesContext(database) as captured:
            ask(client, address)
        counts.append([q["sql"] for q in captured if "accounts_user" in q["sql"]])

    assert counts == [[], []]


def test_a_link_works_once(client, ada, mailbox):
    ask(client)
    url = link_in(mailbox)
    set_password(url)

    opened, again = set_password(url, "a third horse battery staple")

    assert (opened.status_code, again.status_code) == (410, 410)
    assert User.objects.get(pk=ada.pk).check_password(NEW_PASSWORD)
    refused = Event.objects.get(action="person.reset_refused")
    assert (refused.sentence, refused.outcome) == (
        "ConnHub refused a link to a new password",
        "denied",
    )
    assert refused.object == "Ada"
    assert url.rstrip("/").rpartition("/")[2] not in str(Event.objects.values())


@pytest.mark.parametrize(("minutes", "status"), [(29, 200), (31, 410)])
def test_a_link_works_for_30_minutes(client, ada, mailbox, minutes, status):
    ask(client)
    url = link_in(mailbox)

    with time_machine.travel(timezone.now() + timedelta(minutes=minutes)):
        assert Client().get(url, follow=True).status_code == status


@pytest.mark.parametrize(
    "change", [{"is_active": False}, {"password": "x"}, {"email": "a@b.example"}]
)
def test_a_change_of_the_account_voids_the_link(client, ada, mailbox, change):
    ask(client)
    url = link_in(mailbox)
    User.objects.filter(pk=ada.pk).update(**change)

    assert Client().get(url, follow=True).status_code == 410


@pytest.mark.parametrize("token", ["x", "1-", "-", "zzzzzzzzzzzzzz-x", "1-abc-def", "ä-1"])
def test_nonsense_is_void(client, ada, token):
    assert client.get(reverse("accounts:reset_link", args=[token]), follow=True).status_code == 410


@pytest.mark.parametrize("password", ["short", "ada@acme.example", "", "password1234"])
def test_a_bad_password_is_refused(client, ada, mailbox, password):
    ask(client)

    _, answer = set_password(link_in(mailbox), password)

    assert list(answer.context["form"].errors) == ["password"]
    assert User.objects.get(pk=ada.pk).check_password(PASSWORD)


def test_letters_are_throttled(client, ada, mailbox):
    statuses = [ask(client).status_code for _ in range(11)]
    do_what_is_queued()

    assert statuses == [200] * 10 + [429]
    assert len(mailbox.collect()) == 10


def test_a_super_admin_sends_the_link(client, root, ada, mailbox):
    client.force_login(root)

    client.post(reverse("accounts:reset_password", args=[ada.public_id]))

    assert Client().get(link_in(mailbox), follow=True).status_code == 200
    assert Event.objects.get(action="person.reset_asked").actor == "Root"
    with pytest.raises(PermissionDenied):
        resets.make_link(root, by=ada)


def test_a_super_admin_gives_somebody_a_password_who_had_none(client, root, ada, mailbox):
    ada.set_unusable_password()
    ada.save()
    client.force_login(root)

    client.post(reverse("accounts:reset_password", args=[ada.public_id]))

    assert Client().get(link_in(mailbox), follow=True).status_code == 200


def test_without_a_mail_server_the_page_says_whom_to_ask(client, ada, settings):
    settings.EMAIL_BACKEND = "django.core.mail.backends.dummy.EmailBackend"

    assert "Ask a super admin" in client.get(FORGOTTEN).content.decode()
