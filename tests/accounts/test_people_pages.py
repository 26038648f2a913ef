"""The pages that super admins look after people with."""

import pytest
from django.core.exceptions import PermissionDenied
from django.test import Client
from django.urls import reverse

from connhub.accounts import account, mail, notifications, people, second_factor
from connhub.accounts.models import Letter, Role, SecondFactor, User
from connhub.audit.models import Event
from tests.factories import PASSWORD, UserFactory

pytestmark = pytest.mark.django_db

PEOPLE = reverse("accounts:people")


@pytest.fixture
def signed_in(client, root):
    client.force_login(root)
    return client


def names(response):
    return [person.name for person in response.context["page"].rows]


def url(page, person):
    return reverse(f"accounts:{page}", args=[person.public_id])


@pytest.mark.parametrize(("who", "status"), [("ada", 403), ("eve", 403), ("root", 200)])
def test_people_pages_are_for_super_admins(client, request, bob, who, status):
    person = request.getfixturevalue(who)
    client.force_login(person)

    for page in ("person", "change_role", "deactivate", "reset_password", "reset_factor"):
        assert client.get(url(page, bob)).status_code == status
    assert client.get(PEOPLE).status_code == status
    assert ("/people/" in client.get("/settings/").content.decode()) == (who == "root")


def test_people_are_listed_with_what_one_wants_to_know(signed_in, ada, bob):
    SecondFactor.objects.create(user=ada, confirmed_at="2030-01-01T12:00Z")
    SecondFactor.objects.create(user=bob)
    Client().post("/sign-in/", {"username": ada.email, "password": PASSWORD})

    rows = {person.name: person for person in signed_in.get(PEOPLE).context["page"].rows}

    assert list(rows) == ["Ada", "Bob", "Root"]
    assert [rows[name].has_second_factor for name in rows] == [True, False, False]
    assert rows["Bob"].last_seen_at is None and rows["Root"].last_seen_at


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("q=AD", ["Ada"]),
        ("q=bob@acme", ["Bob"]),
        ("role=admin", ["Ada", "Bob"]),
        ("role=super_admin&q=o", ["Root"]),
        ("state=deactivated", ["Gone"]),
        ("state=active&role=member", []),
        ("role=nonsense&state=nonsense", ["Ada", "Bob", "Gone", "Root"]),
        ("q=%00", ["Ada", "Bob", "Gone", "Root"]),
    ],
)
def test_the_list_is_narrowed(signed_in, ada, bob, query, found):
    UserFactory(name="Gone", is_active=False)

    assert names(signed_in.get(f"{PEOPLE}?{query}")) == found


def test_the_list_takes_the_same_queries_however_many(signed_in, django_assert_max_num_queries):
    UserFactory.create_batch(60)

    with django_assert_max_num_queries(8):
        page = signed_in.get(PEOPLE)

    assert len(page.context["page"].rows) == 25
    older = page.context["page"].older
    assert len(names(signed_in.get(PEOPLE, {"before": older}))) == 25


def test_a_new_role_ends_sessions_and_is_on_record(signed_in, ada):
    hers = Client()
    hers.force_login(ada)

    answer = signed_in.post(url("change_role", ada), {"role": "member"})

    assert (answer.status_code, answer.url) == (303, url("person", ada))
    assert hers.get("/profile/").status_code == 302
    event = Event.objects.first()
    assert (event.action, event.detail) == (
        "person.role_changed",
        {"was": "admin", "to": "member"},
    )


@pytest.mark.parametrize("page", ["change_role", "deactivate"])
def test_the_last_super_admin_stays(signed_in, root, page):
    UserFactory(role=Role.SUPER_ADMIN, is_active=False)

    answer = signed_in.post(url(page, root), {"role": "admin"})

    root.refresh_from_db()
    assert answer.status_code == 409
    assert (root.role, root.is_active) == (Role.SUPER_ADMIN, True)


def test_one_of_two_super_admins_may_step_down(signed_in, root):
    UserFactory(role=Role.SUPER_ADMIN)

    signed_in.post(url("change_role", root), {"role": "admin"})

    assert User.objects.get(pk=root.pk).role == Role.ADMIN
    assert signed_in.get(PEOPLE).status_code == 302


@pytest.mark.parametrize("page", ["change_role", "deactivate", "reset_factor"])
def test_who_ends_their_own_session_is_led_to_sign_in(signed_in, root, page):
    UserFactory(role=Role.SUPER_ADMIN)
    SecondFactor.objects.create(user=root, confirmed_at="2030-01-01T12:00Z")

    answer = signed_in.post(url(page, root), {"role": "admin"})

    assert (answer.status_code, answer.url) == (303, "/sign-in/")
    assert signed_in.get(PEOPLE).status_code == 302


def test_who_keeps_their_role_keeps_their_session(signed_in, root):
    answer = signed_in.post(url("change_role", root), {"role": root.role})

    assert (answer.status_code, answer.url) == (303, url("person", root))
    assert signed_in.get(PEOPLE).status_code == 200


def test_deactivated_and_active_again(signed_in, ada):
    signed_in.post(url("deactivate", ada))
    out = Client().post("/sign-in/", {"username": ada.email, "password": PASSWORD}).status_code
    signed_in.post(url("reactivate", ada))
    back = Client().post("/sign-in/", {"username": ada.email, "password": PASSWORD}).status_code

    assert (out, back) == (200, 302)
    assert Event.objects.filter(action="person.reactivated", object="Ada").count() == 1


def test_their_second_factor_is_reset(signed_in, ada):
    SecondFactor.objects.create(user=ada, confirmed_at="2030-01-01T12:00Z")

    offered = "Reset second factor" in signed_in.get(url("person", ada)).content.decode()
    signed_in.post(url("reset_factor", ada))

    assert offered and not second_factor.is_on(ada)


@pytest.mark.parametrize("operation", [people.reactivate, people.reset_second_factor])
def test_operations_ask_the_policy_too(ada, bob, operation):
    with pytest.raises(PermissionDenied):
        operation(bob, by=ada)
    with pytest.raises(PermissionDenied):
        people.change_role(bob, to=Role.SUPER_ADMIN, by=ada)
    with pytest.raises(PermissionDenied):
        account.require_second_factor(True, by=ada)


def test_requiring_the_second_factor_wants_ones_own(signed_in, root):
    rules = reverse("accounts:sign_in_rules")
    on = {"require_second_factor": "on"}

    refused = signed_in.post(rules, on).status_code
    SecondFactor.objects.create(user=root, confirmed_at="2030-01-01T12:00Z")
    done = signed_in.post(rules, on)

    assert (refused, done.status_code) == (409, 303)
    assert signed_in.get(rules).context["form"].initial == {"require_second_factor": True}


def test_people_say_which_letters_they_want(client, ada, settings):
    client.force_login(ada)
    client.post(reverse("accounts:letters"), {"sent": "1", "letters": ["needs_me"]})
    ada.refresh_from_db()

    assert mail.is_set_up()
    for kind in (notifications.SHARED, notifications.NEEDS_ME):
        context = {"person": ada, "url": kind}
        notifications.tell(ada, kind, f"About {kind}", "accounts/mail/reset.txt", context)

    assert [letter.subject for letter in Letter.objects.all()] == ["About needs_me"]
    assert ada.unwanted_letters == ["shared"]


def test_a_deactivated_person_gets_none(ada):
    ada.is_active = False

    assert not notifications.wants(ada, notifications.SHARED)
