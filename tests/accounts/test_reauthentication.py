"""SECURITY 10.2: what matters most wants a password entered within ten minutes."""

from datetime import timedelta
from html import unescape

import pytest
import time_machine
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from connhub.accounts import invitations
from connhub.accounts.models import Invitation, Role, Team
from connhub.usage.models import IntegrationKey
from tests.factories import PASSWORD

pytestmark = pytest.mark.django_db

TYPED = {"name": "nightly & <b>more</b>", "days": "30"}


@pytest.fixture
def url(integration):
    return reverse("usage:issue_key", args=[integration.slug])


@pytest.fixture
def signed_in(client, ada):
    client.force_login(ada)
    return client


@pytest.fixture
def later():
    """Eleven minutes after the sign-in."""
    with time_machine.travel(timezone.now() + timedelta(minutes=11)) as clock:
        yield clock


def is_asked(response):
    return response.templates[0].name == "accounts/reauthenticate.html"


def answered(asked, password=PASSWORD):
    return {"proof-held": asked.context["held"], "proof-password": password}


def test_nothing_is_asked_after_a_recent_sign_in(signed_in, url):
    assert not is_asked(signed_in.get(url))


def test_the_form_goes_on_as_it_was_sent_and_nothing_happens_before(signed_in, url, later):
    asked = signed_in.post(url, TYPED)
    before = IntegrationKey.objects.count()
    done = signed_in.post(url, answered(asked))

    assert is_asked(asked) and before == 0
    assert done.templates[0].name == "usage/issued_key.html"
    assert IntegrationKey.objects.get().name == TYPED["name"]


def test_it_is_asked_before_somebody_becomes_a_member(signed_in, integration, eve, later):
    url = reverse("usage:add_member", args=[integration.slug])

    asked = signed_in.post(url, {"email": eve.email})
    before = integration.memberships.count()
    signed_in.post(url, answered(asked))

    assert is_asked(asked) and before == 0
    assert integration.memberships.get().user == eve


@pytest.mark.parametrize(
    ("page", "args"),
    [
        ("invite", []), ("send_invitation", ["invitation"]), ("change_role", ["person"]),
        ("reset_password", ["person"]), ("reset_factor", ["person"]),
        ("add_team_members", ["team"]),
    ],
)  # fmt: skip
def test_it_is_asked_before_others_are_let_in(client, root, bob, page, args):
    invitations.invite("grace@acme.example", role=Role.MEMBER, by=root)
    known = {"invitation": Invitation.objects.get().public_id, "person": bob.public_id}
    known["team"] = Team.objects.create(name="Data").public_id
    client.force_login(root)
    with time_machine.travel(timezone.now() + timedelta(minutes=11)):
        url = reverse(f"accounts:{page}", args=[known[name] for name in args])

        assert is_asked(client.post(url))


def test_a_form_without_fields_goes_on_too(client, root):
    invitations.invite("grace@acme.example", role=Role.MEMBER, by=root)
    before = Invitation.objects.get()
    client.force_login(root)
    with time_machine.travel(timezone.now() + timedelta(minutes=11)):
        url = reverse("accounts:send_invitation", args=[before.public_id])
        done = client.post(url, answered(client.post(url)))

    assert done.status_code in (200, 303)
    assert Invitation.objects.get().digest != before.digest


@pytest.mark.parametrize(
    ("page", "typed"),
    [
        ("/connections/billing/connect-link/", {}),
        ("/connections/bulk-actions/", {"action": "share", "link_name": "billing"}),
    ],
)
def test_it_is_asked_before_a_connection_is_opened_to_others(
    signed_in, connection, later, page, typed
):
    assert is_asked(signed_in.post(page, typed))


def test_bulk_sharing_goes_on_with_what_was_ticked(signed_in, connection, later):
    url = "/connections/bulk-actions/"

    asked = signed_in.post(url, {"action": "share", "link_name": "billing"})
    done = signed_in.post(url, answered(asked))

    assert done.templates[0].name == "connections/bulk_share.html"
    assert done.context["names"] == ["billing"]


def test_what_was_typed_is_held_sealed(signed_in, url, later):
    page = unescape(signed_in.post(url, TYPED).content.decode())

    assert TYPED["name"] not in page and "nightly" not in page


def test_a_page_that_was_opened_is_opened_after_the_password(signed_in, url, later):
    asked = signed_in.get(url)
    done = signed_in.post(url, answered(asked))

    assert is_asked(asked)
    assert (done.status_code, done.url) == (303, url)
    assert not is_asked(signed_in.get(url))


def test_ten_minutes_later_it_is_asked_again(signed_in, url, later):
    signed_in.post(url, answered(signed_in.get(url)))
    later.shift(timedelta(minutes=11))

    assert is_asked(signed_in.get(url))


def test_a_wrong_password_loses_nothing_of_the_form(signed_in, url, later):
    asked = signed_in.post(url, TYPED)
    wrong = signed_in.post(url, answered(asked, "wrong"))
    done = signed_in.post(url, answered(wrong))

    assert wrong.context["form"].errors == {"password": ["That is not your password."]}
    assert wrong.context["held"] == asked.context["held"]
    assert done.templates[0].name == "usage/issued_key.html"


def test_wrong_passwords_are_throttled_like_a_sign_in(signed_in, url, later):
    asked = signed_in.post(url, TYPED)
    statuses = [signed_in.post(url, answered(asked, "wrong")).status_code for _ in range(10)]

    assert (statuses[0], statuses[-1]) == (200, 429)
    assert signed_in.post(url, answered(asked)).status_code == 429
    assert not IntegrationKey.objects.exists()


def test_a_form_held_elsewhere_is_refused(signed_in, ada, url, later):
    other = Client()
    other.force_login(ada)
    other.session.save()
    later.shift(timedelta(minutes=11))
    held = answered(other.post(url, TYPED))

    for form in (held, held | {"proof-held": "nonsense"}, held | {"proof-held": "AAAA"}):
        assert signed_in.post(url, form).status_code == 403
    assert not IntegrationKey.objects.exists()


def test_in_the_pop_up_it_is_asked_there(signed_in, url, later):
    asked = signed_in.post(url, TYPED, headers={"HX-Request": "true"})

    assert is_asked(asked)
    assert asked.headers["HX-Retarget"] == "#dialog"
    assert "<html" not in asked.content.decode()
