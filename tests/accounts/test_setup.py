from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.db import connection
from django.urls import reverse
from django.utils import timezone

from connhub.accounts import codes, setup
from connhub.accounts.models import Role, SetupCode, User
from connhub.audit.models import Event
from tests.factories import PASSWORD, UserFactory

pytestmark = pytest.mark.django_db

SETUP, SIGN_IN = reverse("accounts:setup"), reverse("accounts:sign_in")
PERSON = {"name": "Root", "email": "Root@Acme.example", "password": PASSWORD}
WRONG = "That is not the code printed at the last start."
EXPIRED = "This code has expired. Restart ConnHub; it prints a new one."
NONE = "There is no valid code. Restart ConnHub; it prints a new one."


@pytest.fixture
def code():
    return setup.issue_code()


def test_the_code_makes_the_first_super_admin_who_is_signed_in(client, code):
    response = client.post(SETUP, PERSON | {"code": f" {code.lower()} "})

    root = User.objects.get()
    assert (response.status_code, response.url) == (302, reverse("connections:list"))
    assert (root.name, root.email, root.role) == ("Root", "root@acme.example", Role.SUPER_ADMIN)
    assert root.check_password(PASSWORD)
    assert client.session["_auth_user_id"] == str(root.pk)


def test_setting_up_is_on_record(client, code):
    client.post(SETUP, PERSON | {"code": code})

    actions = Event.objects.order_by("sequence").values_list("action", "actor")
    assert list(actions) == [("account.set_up", "Root"), ("person.signed_in", "Root")]


def test_afterwards_the_page_is_closed_and_leads_to_sign_in(client, root):
    for response in (client.get(SETUP), client.post(SETUP, PERSON | {"code": "x"})):
        assert (response.status_code, response.url) == (302, SIGN_IN)
    assert User.objects.count() == 1


def test_no_code_is_issued_once_there_is_somebody(root):
    assert setup.issue_code() is None
    assert not SetupCode.objects.exists()


def test_the_code_is_kept_as_a_hash_alone_and_has_100_bits(code):
    stored = SetupCode.objects.get()

    assert code.replace("-", "") not in str(vars(stored))
    assert code not in str(vars(stored))
    assert len(codes.ALPHABET) ** len(code.replace("-", "")) == 2**100


def test_a_new_code_takes_the_place_of_the_one_before(client, code):
    newer = setup.issue_code()

    response = client.post(SETUP, PERSON | {"code": code})

    assert newer != code
    assert response.context["form"].errors == {"code": [WRONG]}


def test_a_wrong_code_makes_nobody(client, code):
    response = client.post(SETUP, PERSON | {"code": "AAAAA-BBBBB-CCCCC-DDDDD"})

    assert response.context["form"].errors == {"code": [WRONG]}
    assert SetupCode.objects.get().tries_left == 9
    assert not User.objects.exists()


def test_after_ten_wrong_codes_the_right_one_is_refused_too(client, code):
    for _ in range(10):
        client.post(SETUP, PERSON | {"code": "wrong"})

    response = client.post(SETUP, PERSON | {"code": code})

    assert response.context["form"].errors == {"code": [NONE]}
    assert not User.objects.exists()


def test_a_wrong_code_is_on_record_once_a_minute_for_each_address(client, code):
    for address in ("192.0.2.1", "192.0.2.1", "192.0.2.2"):
        client.post(SETUP, PERSON | {"code": "AAAAA-BBBBB"}, REMOTE_ADDR=address)

    found = Event.objects.order_by("sequence")
    assert [(e.sentence, e.outcome, e.ip) for e in found] == [
        ("ConnHub refused a setup code (wrong)", "denied", "192.0.2.1"),
        ("ConnHub refused a setup code (wrong)", "denied", "192.0.2.2"),
    ]
    assert "AAAAA" not in str(list(found.values()))
    assert SetupCode.objects.get().tries_left == 7


def test_a_code_older_than_a_day_is_refused(client, code):
    SetupCode.objects.update(expires_at=timezone.now() - timedelta(seconds=1))

    response = client.post(SETUP, PERSON | {"code": code})

    assert response.context["form"].errors == {"code": [EXPIRED]}
    assert not User.objects.exists()


@pytest.mark.parametrize(
    "details",
    [
        {"password": "short"},
        {"password": "12345678901234567890"},
        {"password": "password1234"},
        {"password": "root@acme.example"},
        {"email": "nonsense"},
        {"name": ""},
        {"code": ""},
    ],
)
def test_what_is_typed_wrongly_is_pointed_out_and_uses_no_try(client, code, details):
    response = client.post(SETUP, PERSON | {"code": code} | details)

    assert list(response.context["form"].errors) == list(details)
    assert SetupCode.objects.get().tries_left == 10
    assert not User.objects.exists()


def test_the_password_is_never_rendered_back(client, code):
    response = client.post(SETUP, PERSON | {"code": "wrong"})

    assert PASSWORD not in response.content.decode()


def test_until_then_every_page_leads_to_setup(client, db):
    response = client.get(reverse("connections:list"), follow=True)

    assert response.redirect_chain[-1] == (SETUP, 302)


def test_operations_refuse_once_there_is_somebody(root, code):
    with pytest.raises(setup.SetupIsClosed):
        setup.create_first_super_admin(
            code="x", email="e@acme.example", name="E", password=PASSWORD
        )


@pytest.mark.django_db(transaction=True)
def test_of_two_people_with_the_code_at_once_one_gets_in():
    code = setup.issue_code()

    def try_it(number):
        try:
            return setup.create_first_super_admin(
                code=code, email=f"{number}@acme.example", name=str(number), password=PASSWORD
            ).name
        except (setup.SetupIsClosed, setup.WrongSetupCode):
            return None
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as pool:
        made = [name for name in pool.map(try_it, range(4)) if name]

    assert made == [User.objects.get().name]


def test_somebody_who_joined_meanwhile_closes_the_door(client, code):
    client.get(SETUP)
    UserFactory()

    response = client.post(SETUP, PERSON | {"code": code})

    assert (response.status_code, response.url) == (302, SIGN_IN)
