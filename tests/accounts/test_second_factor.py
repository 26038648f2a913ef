"""SECURITY 10.2: one-time codes (RFC 6238), recovery codes, and who needs them."""

import re
import time
from concurrent.futures import ThreadPoolExecutor

import pyotp
import pytest
import time_machine
from django.db import connection as database
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from connhub.accounts import account, people, second_factor
from connhub.accounts.models import RecoveryCode, SecondFactor, User
from connhub.audit.models import Event
from tests.factories import PASSWORD

pytestmark = pytest.mark.django_db

SIGN_IN, CODE = reverse("accounts:sign_in"), reverse("accounts:sign_in_code")
HOME, PROFILE = reverse("connections:list"), reverse("accounts:profile")
FACTOR, CONFIRM = reverse("accounts:second_factor"), reverse("accounts:confirm_second_factor")
CODES, OFF = reverse("accounts:recovery_codes"), reverse("accounts:second_factor_off")
WRONG = "That code is wrong, or was used already. Wait for the next one."


@pytest.fixture(autouse=True)
def clock():
    """The time stands, until a test moves it."""
    with time_machine.travel("2030-01-01 12:00:10Z", tick=False) as clock:
        yield clock


class Device:
    """What somebody's authenticator app knows."""

    def __init__(self, seed: str):
        self.app = pyotp.TOTP(seed.replace(" ", ""))

    def code(self, steps: int = 0) -> str:
        return self.app.generate_otp(int(time.time()) // 30 + steps)


@pytest.fixture
def signed_in(client, ada):
    client.force_login(ada)
    return client


def switch_on(person: User) -> tuple[Device, list[str]]:
    second_factor.begin(person)
    device = Device(second_factor.seed_of(second_factor.begun(person)))
    return device, second_factor.confirm(person, device.code(-1))


@pytest.fixture
def device(ada):
    return switch_on(ada)[0]


def enter_password(client, email="ada@acme.example", address="127.0.0.1", **more):
    typed = {"username": email, "password": PASSWORD, **more}
    return client.post(SIGN_IN, typed, REMOTE_ADDR=address)


def enter_code(client, code, address="127.0.0.1"):
    return client.post(CODE, {"code": code}, REMOTE_ADDR=address)


def is_in(client):
    return client.get(PROFILE).status_code == 200


# --- Switching on -----------------------------------------------------------------------------------


def test_it_is_switched_on_with_the_password_and_a_code(signed_in, ada):
    begun = signed_in.post(FACTOR, {"password": PASSWORD})
    device = Device(signed_in.get(CONFIRM).context["seed"])
    before = second_factor.is_on(ada)
    done = signed_in.post(CONFIRM, {"code": device.code()})

    assert (begun.status_code, begun.url, before) == (302, CONFIRM, False)
    assert len(done.context["codes"]) == 10
    assert second_factor.is_on(ada)
    assert Event.objects.first().action == "second_factor.switched_on"


def test_the_picture_is_drawn_here_and_holds_the_key(signed_in, ada, monkeypatch):
    signed_in.post(FACTOR, {"password": PASSWORD})
    drawn = []
    make = second_factor.segno.make
    monkeypatch.setattr(
        second_factor.segno, "make", lambda text, **how: drawn.append(text) or make(text, **how)
    )

    page = signed_in.get(CONFIRM)

    seed = page.context["seed"].replace(" ", "")
    assert drawn == [f"otpauth://totp/ConnHub:ada%40acme.example?secret={seed}&issuer=ConnHub"]
    assert '<img class="qr" src="data:image/svg+xml' in page.content.decode()


@pytest.mark.parametrize("password", ["wrong", ""])
def test_without_the_password_nothing_begins(signed_in, ada, password):
    answer = signed_in.post(FACTOR, {"password": password})

    assert list(answer.context["form"].errors) == ["password"]
    assert not SecondFactor.objects.exists()


@pytest.mark.parametrize("code", ["", "000000", "nonsense", "x" * 99])
def test_a_wrong_code_switches_nothing_on(signed_in, ada, code):
    signed_in.post(FACTOR, {"password": PASSWORD})

    answer = signed_in.post(CONFIRM, {"code": code})

    assert list(answer.context["form"].errors) == ["code"]
    assert not second_factor.is_on(ada)
    assert is_in(signed_in)


def test_a_confirmed_key_is_never_shown_again(signed_in, ada, device):
    with pytest.raises(second_factor.SecondFactorIsOn):
        second_factor.seed_of(SecondFactor.objects.get(user=ada))
    with pytest.raises(second_factor.SecondFactorIsOn):
        second_factor.begin(ada)
    pages = [signed_in.get(url) for url in (FACTOR, CONFIRM, PROFILE, CODES, OFF)]
    assert [device.app.secret in page.content.decode() for page in pages] == [False] * 5


def test_key_and_recovery_codes_are_not_stored_in_clear(ada):
    device, codes = switch_on(ada)

    with database.cursor() as cursor:
        cursor.execute("SELECT * FROM accounts_secondfactor")
        stored = [bytes(v) if isinstance(v, memoryview) else v for v in cursor.fetchone()]
    assert device.app.secret not in repr(stored)
    hashes = str(list(RecoveryCode.objects.values()))
    assert [code for code in codes if code.replace("-", "") in hashes or code in hashes] == []


# --- Signing in -------------------------------------------------------------------------------------


def test_signing_in_takes_a_second_page(client, ada, device):
    first = enter_password(client, next=PROFILE)
    between = is_in(client)
    second = enter_code(client, device.code())

    assert (first.status_code, first.url, between) == (302, CODE, False)
    assert (second.status_code, second.url) == (302, PROFILE)
    assert is_in(client)


def test_without_a_second_factor_the_password_is_enough(client, ada):
    assert enter_password(client).url == HOME


def test_the_session_id_changes_at_both_steps(client, ada, device):
    client.get(SIGN_IN)
    enter_password(client)
    half = client.session.session_key
    enter_code(client, device.code())

    assert client.session.session_key != half
    assert "half_way" not in client.session


@pytest.mark.parametrize(("steps", "lets_in"), [(-2, False), (-1, True), (1, True), (2, False)])
def test_a_clock_may_be_one_step_off(client, ada, device, clock, steps, lets_in):
    clock.shift(300)
    enter_password(client)
    enter_code(client, device.code(steps))

    assert is_in(client) == lets_in


def test_a_code_lets_in_once(client, ada, device):
    code = device.code()
    enter_password(client)
    enter_code(client, code)
    other = Client()
    enter_password(other)

    answer = enter_code(other, code)

    assert answer.context["form"].errors == {"code": [WRONG]}
    assert not is_in(other)


def test_nor_does_an_older_code_after_a_newer_one(client, ada, device, clock):
    clock.shift(300)
    older, newer = device.code(-1), device.code(1)

    assert [second_factor.accepts(ada, code) for code in (newer, older)] == [True, False]


@pytest.mark.parametrize("typed", [str, str.lower, lambda code: f" {code.replace('-', ' ')} "])
def test_a_recovery_code_lets_in_once_and_is_on_record(client, ada, typed):
    code = typed(switch_on(ada)[1][3])
    enter_password(client)
    enter_code(client, code)
    other = Client()
    enter_password(other)
    enter_code(other, code)

    assert (is_in(client), is_in(other)) == (True, False)
    assert ada.recovery_codes.count() == 9
    assert Event.objects.filter(action="second_factor.code_used", object="Ada").count() == 1


def test_a_code_with_a_space_is_taken(client, ada, device):
    enter_password(client)
    code = device.code()

    assert enter_code(client, f"{code[:3]} {code[3:]}").status_code == 302


def test_nobody_elses_code_lets_in(client, ada, device, bob):
    others, codes = switch_on(bob)
    enter_password(client)

    for code in (others.code(), codes[0]):
        enter_code(client, code)
    assert not is_in(client)


def test_the_code_page_alone_leads_back_to_the_password(client, ada, device):
    assert client.get(CODE).url == SIGN_IN
    assert enter_code(client, device.code()).url == SIGN_IN


def test_the_second_page_waits_ten_minutes(client, ada, device, clock):
    enter_password(client)
    clock.shift(601)

    assert enter_code(client, device.code()).url == SIGN_IN
    assert not is_in(client)


@pytest.mark.parametrize("change", [{"is_active": False}, {"password": "x"}, {"role": "member"}])
def test_a_change_of_the_account_between_the_pages_ends_it(client, ada, device, change):
    enter_password(client)
    User.objects.filter(pk=ada.pk).update(**change)

    assert enter_code(client, device.code()).url == SIGN_IN


def test_codes_are_throttled_together_with_passwords(client, ada, device):
    for _ in range(4):
        client.post(SIGN_IN, {"username": ada.email, "password": "wrong"})
    enter_password(client)
    statuses = [enter_code(client, "000000").status_code for _ in range(6)]

    locked = enter_code(client, device.code())

    assert statuses == [200] * 5 + [429]
    assert locked.status_code == 429
    assert not is_in(client)


def test_the_right_password_gives_no_fresh_tries(client, ada, device):
    for _ in range(9):
        enter_password(client)
        enter_code(client, "000000")
    enter_password(client)

    assert enter_code(client, "000000").status_code == 429


def test_guesses_from_many_addresses_count_together(client, device, clock):
    for number in range(10):
        enter_password(client, address=f"192.0.2.{number}")
        enter_code(client, "000000", address=f"192.0.2.{number}")
    enter_password(client)
    refused = enter_code(client, device.code())
    clock.shift(15 * 60)
    enter_password(client)

    later = enter_code(client, device.code())

    assert refused.status_code == 429
    assert (later.status_code, later.url) == (302, HOME)


def test_a_recovery_code_lets_in_whoever_guesses_meanwhile(client, ada):
    _, recovery = switch_on(ada)
    SecondFactor.objects.update(wrong_codes=10, wrong_since=timezone.now())
    enter_password(client)

    assert enter_code(client, recovery[0]).url == HOME


def test_wrong_codes_are_on_record_without_what_was_typed(client, ada, device):
    enter_password(client)
    enter_code(client, "typed-here")

    event = Event.objects.first()
    assert (event.action, event.object) == ("person.sign_in_failed", "Ada")
    assert "typed-here" not in str(vars(event))


@pytest.mark.django_db(transaction=True)
def test_of_two_with_the_same_code_at_once_one_is_refused(ada, device):
    code = device.code()

    def accept(_):
        try:
            return second_factor.accepts(ada, code)
        finally:
            database.close()

    with ThreadPoolExecutor(4) as pool:
        assert sorted(pool.map(accept, range(4))) == [False, False, False, True]


# --- Proof, recovery codes, switching off -------------------------------------------------------------


def test_re_entering_wants_a_code_too(signed_in, ada, device, clock):
    clock.shift(601)
    asked = signed_in.get(CODES)

    alone = signed_in.post(CODES, {"proof-held": "", "proof-password": PASSWORD})
    both = signed_in.post(
        CODES, {"proof-held": "", "proof-password": PASSWORD, "proof-code": device.code()}
    )

    assert list(asked.context["form"].fields) == ["password", "code"]
    assert list(alone.context["form"].errors) == ["code"]
    assert (both.status_code, both.url) == (303, CODES)


def test_a_wrong_password_uses_no_code_up(signed_in, ada, device):
    code = device.code()

    signed_in.post(OFF, {"password": "wrong", "code": code})

    assert second_factor.accepts(ada, code)


def test_new_recovery_codes_void_those_before(signed_in, ada):
    _, before = switch_on(ada)

    after = signed_in.post(CODES).context["codes"]

    assert not second_factor.accepts(ada, before[0])
    assert second_factor.accepts(ada, after[0])
    assert Event.objects.filter(action="second_factor.codes_renewed").exists()


def test_recovery_codes_can_be_kept_in_a_file(signed_in, ada):
    switch_on(ada)

    answer = signed_in.post(CODES)

    link = re.search(r'download="[^"]+" href="([^"]+)"', answer.content.decode())[1]
    codes = "%0A".join(answer.context["codes"])
    assert link == f"data:text/plain;charset=utf-8,{codes}%0A"


@pytest.mark.parametrize(
    ("password", "code", "field"),
    [("wrong", None, "password"), (PASSWORD, "000000", "code"), (PASSWORD, "", "code")],
)
def test_switching_off_takes_password_and_code(signed_in, ada, device, password, code, field):
    code = device.code() if code is None else code

    answer = signed_in.post(OFF, {"password": password, "code": code})

    assert list(answer.context["form"].errors) == [field]
    assert second_factor.is_on(ada)


def test_switched_off_it_is_gone_and_on_record(signed_in, ada, device):
    answer = signed_in.post(OFF, {"password": PASSWORD, "code": device.code()})

    assert (answer.status_code, answer.url) == (303, PROFILE)
    assert not SecondFactor.objects.exists() and not RecoveryCode.objects.exists()
    assert Event.objects.first().action == "second_factor.switched_off"


# --- Required of everybody, and reset -----------------------------------------------------------------


@pytest.fixture
def required(root):
    switch_on(root)
    account.require_second_factor(True, by=root)


def test_who_has_none_is_led_to_it_and_sees_nothing_else(client, ada, required):
    enter_password(client)

    for url in (HOME, PROFILE, "/settings/", "/api/v1/docs", "/connections/new/"):
        assert (client.get(url).status_code, client.get(url).url) == (303, FACTOR)
    page = client.get(FACTOR)
    assert page.status_code == 200 and 'href="/connections/"' not in page.content.decode()
    client.post(FACTOR, {"password": PASSWORD})
    client.post(CONFIRM, {"code": Device(client.get(CONFIRM).context["seed"]).code()})
    assert is_in(client)


def test_they_may_still_sign_out(client, ada, required):
    enter_password(client)

    assert client.post("/sign-out/").url == SIGN_IN


def test_htmx_is_led_there_too(client, ada, required):
    enter_password(client)

    answer = client.get(HOME, headers={"HX-Request": "true"})

    assert answer.headers["HX-Redirect"] == FACTOR


def test_who_is_signed_in_without_one_is_signed_out(signed_in, root, ada, bob):
    switch_on(bob)
    his = Client()
    his.force_login(bob)
    switch_on(root)

    account.require_second_factor(True, by=root)

    assert (is_in(signed_in), is_in(his)) == (False, True)
    assert Event.objects.first().action == "account.second_factor_required"


def test_nobody_requires_what_they_have_not(root):
    with pytest.raises(account.NoSecondFactorYourself):
        account.require_second_factor(True, by=root)
    assert not second_factor.is_required()


def test_while_required_it_stays_on(client, root, required):
    with pytest.raises(second_factor.SecondFactorRequired):
        second_factor.switch_off(root)
    assert second_factor.is_on(root)


def test_no_longer_required_nobody_is_led_there(client, root, ada, required):
    account.require_second_factor(False, by=root)

    enter_password(client)

    assert is_in(client)


def test_a_reset_ends_sessions_writes_to_them_and_is_on_record(client, root, ada, device, mailbox):
    client.force_login(ada)

    people.reset_second_factor(ada, by=root)

    assert not is_in(client)
    assert enter_password(client).url == HOME
    (letter,) = mailbox.collect()
    assert letter["to"] == ada.email and "Root took the second factor" in letter.get_content()
    event = Event.objects.get(action="second_factor.reset")
    assert (event.actor, event.object) == ("Root", "Ada")


def test_a_reset_needs_something_to_reset(root, ada):
    with pytest.raises(people.NothingToReset):
        people.reset_second_factor(ada, by=root)
