"""How people come in."""

import re
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
import time_machine
from django.core.exceptions import PermissionDenied
from django.db import connection as database
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from connhub.accounts import invitations
from connhub.accounts.models import Invitation, Role, User
from connhub.audit.models import Event
from tests.factories import PASSWORD

pytestmark = pytest.mark.django_db

INVITE, PEOPLE = reverse("accounts:invite"), reverse("accounts:people")
JOIN = {"name": "Grace Hopper", "password": PASSWORD}


@pytest.fixture
def signed_in(client, root):
    client.force_login(root)
    return client


@pytest.fixture
def url(root):
    return invitations.invite("grace@acme.example", role=Role.ADMIN, by=root)


def opened(url):
    browser = Client()
    return browser, browser.get(url, follow=True)


def test_an_invitation_is_sent_and_leads_in(signed_in, mailbox):
    answer = signed_in.post(INVITE, {"email": "Grace@Acme.example", "role": "admin"})
    (letter,) = mailbox.collect()
    link = re.search(r"http\S+", letter.get_content())[0]
    browser, page = opened(link)
    joined = browser.post("/invitation/", JOIN)

    grace = User.objects.get(email="grace@acme.example")
    assert (answer.status_code, answer.url) == (303, PEOPLE)
    assert (letter["to"], page.status_code) == ("grace@acme.example", 200)
    assert (joined.status_code, joined.url) == (302, reverse("connections:list"))
    assert (grace.name, grace.role) == ("Grace Hopper", "admin")
    assert browser.get("/profile/").status_code == 200
    actions = Event.objects.order_by("sequence").values_list("action", flat=True)
    assert list(actions)[-3:] == ["invitation.sent", "person.joined", "person.signed_in"]


def test_the_token_is_stored_as_a_hash_and_leaves_the_address(url):
    token = url.rstrip("/").rpartition("/")[2]

    browser, page = opened(url)

    assert token not in str(Invitation.objects.values()) + str(dict(browser.session))
    assert len(token) >= 43
    assert page.redirect_chain == [("/invitation/", 302)]
    assert token not in page.content.decode()


def test_a_link_works_once(url):
    browser, _ = opened(url)
    browser.post("/invitation/", JOIN)

    other, page = opened(url)

    assert page.status_code == 410
    assert other.post("/invitation/", JOIN).status_code == 410


def test_a_link_works_for_72_hours(url):
    now = timezone.now()
    with time_machine.travel(now + timedelta(hours=71, minutes=59)):
        early = opened(url)[1].status_code
    with time_machine.travel(now + timedelta(hours=72, minutes=1)):
        late = opened(url)[1].status_code

    assert (early, late) == (200, 410)
    refused = Event.objects.get(action="invitation.refused")
    assert (refused.sentence, refused.outcome, refused.object) == (
        "ConnHub refused the link of an invitation (expired)",
        "denied",
        str(Invitation.objects.get()),
    )


def test_a_dead_link_is_on_record_once_a_minute_and_no_link_is_none(url):
    for _ in range(3):
        Client().get("/invitation/" + "x" * 43 + "/", follow=True)
    assert Client().get("/invitation/").status_code == 410

    refused = Event.objects.get(action="invitation.refused")
    assert (refused.object, refused.detail) == ("", {"why": "unknown"})
    assert "xxx" not in str(Event.objects.values())


def test_sent_again_the_old_link_is_void(signed_in, url, mailbox):
    invitation = Invitation.objects.get()
    mailbox.collect()

    signed_in.post(reverse("accounts:send_invitation", args=[invitation.public_id]))

    (letter,) = mailbox.collect()
    newer = re.search(r"http\S+", letter.get_content())[0]
    assert opened(url)[1].status_code == 410
    assert opened(newer)[1].status_code == 200


def test_withdrawn_the_link_is_void(signed_in, url):
    invitation = Invitation.objects.get()

    signed_in.post(reverse("accounts:withdraw_invitation", args=[invitation.public_id]))

    assert opened(url)[1].status_code == 410
    actions = Event.objects.values_list("action", flat=True)[:2]
    assert list(actions) == ["invitation.refused", "invitation.withdrawn"]
    assert not Invitation.objects.exists()


def test_without_a_mail_server_the_link_is_shown_this_once(signed_in, settings):
    settings.EMAIL_BACKEND = "django.core.mail.backends.dummy.EmailBackend"

    answer = signed_in.post(INVITE, {"email": "grace@acme.example", "role": "member"})

    assert opened(answer.context["url"])[1].status_code == 200
    assert answer.context["url"] in answer.content.decode()
    token = answer.context["url"].rstrip("/").rpartition("/")[2]
    assert token not in signed_in.get(PEOPLE).content.decode()


@pytest.mark.parametrize(
    ("typed", "field", "said"),
    [
        ({"email": "nonsense", "role": "admin"}, "email", "valid email"),
        ({"email": "", "role": "admin"}, "email", "required"),
        ({"email": "ROOT@acme.example", "role": "admin"}, "email", "an account with this address"),
        ({"email": "grace@acme.example", "role": "admin"}, "email", "invited already"),
        ({"email": "new@acme.example", "role": "emperor"}, "role", "valid choice"),
    ],
)
def test_bad_input_is_named_beside_its_field(signed_in, url, typed, field, said):
    answer = signed_in.post(INVITE, typed)

    assert said in str(answer.context["form"].errors[field])
    assert Invitation.objects.count() == 1


@pytest.mark.parametrize(
    ("typed", "field"),
    [
        (JOIN | {"password": "short"}, "password"),
        (JOIN | {"password": "grace@acme.example"}, "password"),
        (JOIN | {"password": "Grace Hopper"}, "password"),
        (JOIN | {"name": ""}, "name"),
        (JOIN | {"name": "Two\x1flines"}, "name"),
    ],
)
def test_name_and_password_must_be_good(url, typed, field):
    browser, _ = opened(url)

    answer = browser.post("/invitation/", typed)

    assert list(answer.context["form"].errors) == [field]
    assert not User.objects.filter(email="grace@acme.example").exists()


def test_role_and_address_are_the_invitations_own(url):
    browser, _ = opened(url)

    browser.post("/invitation/", JOIN | {"role": "super_admin", "email": "x@x.example"})

    grace = User.objects.get(name="Grace Hopper")
    assert (grace.email, grace.role) == ("grace@acme.example", "admin")


@pytest.mark.parametrize("who", ["ada", "eve"])
def test_only_super_admins_invite(client, request, url, who):
    person = request.getfixturevalue(who)
    client.force_login(person)
    named = Invitation.objects.get().public_id

    for page in ("accounts:send_invitation", "accounts:withdraw_invitation"):
        assert client.post(reverse(page, args=[named])).status_code == 403
    assert client.post(INVITE, {"email": "x@x.example", "role": "admin"}).status_code == 403
    with pytest.raises(PermissionDenied):
        invitations.invite("x@x.example", role="admin", by=person)


@pytest.mark.django_db(transaction=True)
def test_of_two_who_accept_at_once_one_joins(url):
    invitation = Invitation.objects.get()

    def accept(name):
        try:
            return invitations.accept(invitation, name=name, password=PASSWORD).name
        except invitations.LinkIsVoid:
            return None
        finally:
            database.close()

    with ThreadPoolExecutor(3) as pool:
        joined = [name for name in pool.map(accept, "ABC") if name]

    assert [person.name for person in User.objects.filter(role=Role.ADMIN)] == joined
    assert len(joined) == 1
