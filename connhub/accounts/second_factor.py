"""One-time codes from a person's own device (RFC 6238), asked for after the password."""

import time
from datetime import timedelta

import pyotp
import segno
from django.db import transaction
from django.utils import timezone

from connhub.audit.log import record
from connhub.errors import Refusal
from connhub.vault.keyring import CantOpen, digest

from . import codes
from .models import Account, RecoveryCode, SecondFactor, User

STEP_S = 30
DRIFT = 1  # steps that a device's clock may be ahead or behind
RECOVERY_CODES = 10
MOST_WRONG, WITHIN = 10, timedelta(minutes=15)


class SecondFactorIsOn(Refusal):
    code = "second-factor-on"
    text = "Your second factor is on already."


class SecondFactorRequired(Refusal):
    code = "second-factor-required"
    text = "Everybody of this account needs a second factor. It can't be switched off."


class WrongCode(Exception):
    """The code isn't what the device shows now; nothing was changed."""


def is_on(user: User) -> bool:
    return SecondFactor.objects.filter(user=user, confirmed_at__isnull=False).exists()


def is_required() -> bool:
    """Whether everybody of the account needs one."""
    return Account.objects.filter(require_second_factor=True).exists()


@transaction.atomic
def begin(user: User) -> None:
    """Make a new seed, which counts for nothing until a code of it is confirmed.

    Raises:
        SecondFactorIsOn.
    """
    factor, _ = SecondFactor.objects.select_for_update(no_key=True).get_or_create(user=user)
    if factor.confirmed_at:
        raise SecondFactorIsOn
    factor.seed.put(pyotp.random_base32())
    factor.save()


def begun(user: User) -> SecondFactor | None:
    """The one that waits to be confirmed."""
    return SecondFactor.objects.filter(user=user, confirmed_at=None).first()


def seed_of(factor: SecondFactor) -> str:
    """The seed for a device, in groups of four.

    Raises:
        SecondFactorIsOn: it is confirmed, and never shown again.
    """
    seed = _seed(factor)
    return " ".join(seed[start : start + 4] for start in range(0, len(seed), 4))


def picture_of(factor: SecondFactor) -> str:
    """The seed as a QR code: the data URI of an SVG. Raises: as `seed_of` does."""
    uri = pyotp.TOTP(_seed(factor)).provisioning_uri(name=factor.user.email, issuer_name="ConnHub")
    return segno.make(uri, error="m").svg_data_uri(scale=5, dark="#000", light="#fff")


def _seed(factor: SecondFactor) -> str:
    if factor.confirmed_at:
        raise SecondFactorIsOn
    return factor.seed.open().reveal()


@transaction.atomic
def confirm(user: User, code: str) -> list[str]:
    """Switch it on by a code of the device, and give out recovery codes.

    Raises:
        WrongCode: or nothing waits to be confirmed.
    """
    factor = (
        SecondFactor.objects.select_for_update(no_key=True)
        .filter(user=user, confirmed_at=None)
        .first()
    )
    if factor is None or not _spend(factor, code):
        raise WrongCode
    factor.confirmed_at = timezone.now()
    factor.save(update_fields=["confirmed_at"])
    record("second_factor.switched_on", by=user, on=user, change=False)
    return _give_out(user)


@transaction.atomic
def renew_recovery_codes(user: User) -> list[str]:
    """New ones, in place of all before."""
    record("second_factor.codes_renewed", by=user, on=user, change=False)
    return _give_out(user)


@transaction.atomic
def switch_off(user: User) -> None:
    """Ask for the password alone from now on.

    Raises:
        SecondFactorRequired: everybody of the account needs one.
    """
    if is_required():
        raise SecondFactorRequired
    forget(user)
    record("second_factor.switched_off", by=user, on=user, change=False)


def forget(user: User) -> bool:
    """Destroy seed and recovery codes; for operations that say so on record."""
    RecoveryCode.objects.filter(user=user).delete()
    return bool(SecondFactor.objects.filter(user=user).delete()[0])


@transaction.atomic
def accepts(user: User, code: str) -> bool:
    """Whether a code of the device or a recovery code lets them in; it never does so again.

    After ten wrong codes within 15 minutes, from whatever addresses, only a recovery code does.
    """
    confirmed = SecondFactor.objects.select_for_update(no_key=True).filter(
        confirmed_at__isnull=False
    )
    factor = confirmed.filter(user=user).first()
    if factor is None:
        return False
    if not _is_guessed_at(factor) and _spend(factor, code):
        return True
    used = RecoveryCode.objects.filter(user=user, digest=digest(codes.normalise(code)))
    if not used.delete()[0]:
        _count_wrong(factor)
        return False
    record("second_factor.code_used", by=user, on=user, change=False)
    return True


def is_guessed_at(user: User) -> bool:
    """Whether so many wrong codes came that those of the device aren't looked at."""
    factor = SecondFactor.objects.filter(user=user).first()
    return factor is not None and _is_guessed_at(factor)


def _is_guessed_at(factor: SecondFactor) -> bool:
    return _is_counting(factor) and factor.wrong_codes >= MOST_WRONG


def _is_counting(factor: SecondFactor) -> bool:
    since = factor.wrong_since
    return since is not None and timezone.now() - since < WITHIN


def _count_wrong(factor: SecondFactor) -> None:
    if not _is_counting(factor):
        factor.wrong_codes, factor.wrong_since = 0, timezone.now()
    factor.wrong_codes = min(factor.wrong_codes + 1, MOST_WRONG)
    factor.save(update_fields=["wrong_codes", "wrong_since"])


def _spend(factor: SecondFactor, code: str) -> bool:
    """Whether it is a code of now, a step before or after, and later than the last one used."""
    code = "".join(code.split())
    try:
        generator = pyotp.TOTP(factor.seed.open().reveal())
    except CantOpen:  # a recovery code still lets them in, and a super admin can reset it
        return False
    now = int(time.time()) // STEP_S
    steps = [
        step
        for step in range(now - DRIFT, now + DRIFT + 1)
        if pyotp.utils.strings_equal(generator.generate_otp(step), code)
    ]
    # In one statement, so that of two who send the same code at once one is refused.
    unused = SecondFactor.objects.filter(pk=factor.pk, last_step__lt=max(steps, default=0))
    return bool(steps and unused.update(last_step=max(steps)))


def _give_out(user: User) -> list[str]:
    given = [codes.generate() for _ in range(RECOVERY_CODES)]
    RecoveryCode.objects.filter(user=user).delete()
    RecoveryCode.objects.bulk_create(RecoveryCode(user=user, digest=digest(code)) for code in given)
    return given
