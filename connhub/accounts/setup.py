"""First run: one code, printed at start, makes one super admin; then the door is closed."""

import hmac
from datetime import timedelta

from django.db import transaction
from django.utils import timezone

from connhub.audit.log import record, record_refusal_of_stranger
from connhub.errors import Refusal
from connhub.vault.keyring import digest

from . import codes
from .models import Role, SetupCode, User

LIFETIME = timedelta(hours=24)


class SetupIsClosed(Refusal):
    code = "setup-closed"
    text = "ConnHub is set up already. Sign in instead."


class WrongSetupCode(Exception):
    """The code typed isn't the one printed at the last start; the text says what to do."""


def is_open() -> bool:
    return not User.objects.exists()


@transaction.atomic
def issue_code() -> str | None:
    """A new one-time code valid for 24 hours in place of any before it; None once set up."""
    if not is_open():
        return None
    code = codes.generate()
    SetupCode.objects.all().delete()
    SetupCode.objects.create(digest=digest(code), expires_at=timezone.now() + LIFETIME)
    return code


def create_first_super_admin(*, code: str, email: str, name: str, password: str) -> User:
    """Make the account's first super admin and use the code up.

    Raises:
        SetupIsClosed: there is somebody already.
        WrongSetupCode: the code is wrong, too old, or was tried too often.
    """
    _spend_a_try(code)
    with transaction.atomic():
        # The delete takes the row's lock: of two people at once, the second finds no code.
        deleted, _ = SetupCode.objects.filter(digest=digest(codes.normalise(code))).delete()
        if not is_open() or not deleted:
            raise SetupIsClosed
        user = User.objects.create_user(email, password, name=name, role=Role.SUPER_ADMIN)
        record("account.set_up", by=user, on=user)
        return user


@transaction.atomic
def _check_and_count(code: str) -> str:
    stored = SetupCode.objects.select_for_update(no_key=True).first()
    if stored is None or stored.tries_left == 0:
        return _refused("none", "There is no valid code. Restart ConnHub; it prints a new one.")
    if stored.expires_at < timezone.now():
        return _refused("expired", "This code has expired. Restart ConnHub; it prints a new one.")
    if hmac.compare_digest(stored.digest, digest(codes.normalise(code))):
        return ""
    stored.tries_left -= 1
    stored.save(update_fields=["tries_left"])
    return _refused("wrong", "That is not the code printed at the last start.")


def _refused(why: str, text: str) -> str:
    record_refusal_of_stranger("account.setup_refused", detail={"why": why})
    return text


def _spend_a_try(code: str) -> None:
    if not is_open():
        raise SetupIsClosed
    if problem := _check_and_count(code):
        raise WrongSetupCode(problem)
