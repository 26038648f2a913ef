"""A new password for somebody who forgot theirs: by a one-time link valid for 30 minutes."""

from django.conf import settings
from django.contrib.auth.tokens import default_token_generator
from django.db import transaction
from django.urls import reverse
from django.utils.http import base36_to_int, int_to_base36

from connhub.audit.log import record, record_refusal_of_stranger
from connhub.errors import Refusal

from . import mail, people
from .models import User


class LinkIsVoid(Refusal):
    code = "reset-void"
    text = "This link is used or older than 30 minutes. Ask for a new one."


@transaction.atomic
def send(email: str) -> None:
    """Send a link to the account with this address, if somebody signs in there by password."""
    person = User.objects.filter(email=email.strip().lower(), is_active=True).first()
    if person is None or not person.has_usable_password():
        return
    _write_to(person, by=None)


@transaction.atomic
def make_link(person: User, *, by: User) -> str:
    """A link for somebody, sent to them; returned for where there is no mail server.

    Who signed in by single sign-on alone has a password after it.

    Raises:
        PermissionDenied: `by` is no super admin.
    """
    by = people.require_now(by, "account.administer")
    return _write_to(person, by=by)


def _write_to(person: User, *, by: User | None) -> str:
    record("person.reset_asked", by=by, on=person, change=False)
    url = _link(person)
    context = {"person": person, "url": url}
    mail.send(person.email, "A new password for ConnHub", "accounts/mail/reset.txt", context)
    return url


def opened_by(token: str) -> User:
    """Whose link it is; "" is the token of no link.

    Raises:
        LinkIsVoid: used, expired, or the account ended or changed its password meanwhile.
    """
    key, _, proof = token.partition("-")
    try:
        person = User.objects.filter(pk=base36_to_int(key)).first()
    except (ValueError, OverflowError):
        person = None
    # The token is an HMAC over the present password hash and the last sign-in: it fits once.
    if person and person.is_active and default_token_generator.check_token(person, proof):
        return person
    if token:
        record_refusal_of_stranger("person.reset_refused", on=person, detail={})
    raise LinkIsVoid


@transaction.atomic
def reset(token: str, *, password: str) -> User:
    """Set the new password; every session of the person ends. Raises: LinkIsVoid."""
    person = people.locked(opened_by(token))
    opened_by(token)  # once more, now that nobody else can use it
    people.change_password(person, to=password, by=person)
    record("person.password_reset", by=person, on=person, change=False)
    return person


def _link(person: User) -> str:
    token = f"{int_to_base36(person.pk)}-{default_token_generator.make_token(person)}"
    return settings.CONNHUB_URL + reverse("accounts:reset_link", args=[token])
