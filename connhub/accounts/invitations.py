"""How people come in: by a one-time link that a super admin sends them."""

import secrets
from datetime import timedelta

from django.conf import settings
from django.db import IntegrityError, transaction
from django.urls import reverse
from django.utils import timezone

from connhub.audit.log import record, record_refusal_of_stranger
from connhub.errors import Refusal
from connhub.vault.keyring import digest

from . import mail
from .models import Invitation, User
from .people import require_now

LIFETIME = timedelta(hours=72)


class AlreadyHere(Refusal):
    code = "already-here"
    text = "There is an account with this address already."


class AlreadyInvited(Refusal):
    code = "already-invited"
    text = "This address is invited already. Send the invitation again, or withdraw it."


class LinkIsVoid(Refusal):
    code = "invitation-void"
    text = "This link is used, withdrawn or expired. Ask for a new invitation."


@transaction.atomic
def invite(email: str, *, role: str, by: User) -> str:
    """Send somebody a link valid for 72 hours; the link, for where there is no mail server.

    Raises:
        PermissionDenied: `by` is no super admin.
        AlreadyHere, AlreadyInvited.
    """
    by = require_now(by, "account.administer")
    email = email.strip().lower()
    if User.objects.filter(email=email).exists():
        raise AlreadyHere
    invitation = Invitation(email=email, role=role, invited_by=by)
    token = _renew(invitation)
    try:
        with transaction.atomic():
            invitation.save()
    except IntegrityError:
        raise AlreadyInvited from None
    record("invitation.sent", by=by, on=invitation, detail={"role": role}, change=False)
    return _send(invitation, token, by)


@transaction.atomic
def send_again(invitation: Invitation, *, by: User) -> str:
    """A new link in place of the one before. Raises: PermissionDenied."""
    by = require_now(by, "account.administer")
    token = _renew(invitation)
    invitation.save(update_fields=["digest", "expires_at"])
    record("invitation.sent_again", by=by, on=invitation, change=False)
    return _send(invitation, token, by)


@transaction.atomic
def withdraw(invitation: Invitation, *, by: User) -> None:
    """Make the link void. Raises: PermissionDenied."""
    by = require_now(by, "account.administer")
    record("invitation.withdrawn", by=by, on=invitation, change=False)
    invitation.delete()


def opened_by(token: str) -> Invitation:
    """The invitation that a link belongs to; "" is the token of no link.

    Raises:
        LinkIsVoid.
    """
    found = Invitation.objects.filter(digest=digest(token)).first()
    if found and not found.has_expired:
        return found
    if token:
        why = "expired" if found else "unknown"
        record_refusal_of_stranger("invitation.refused", on=found, detail={"why": why})
    raise LinkIsVoid


def open_to(email: str) -> Invitation | None:
    """The invitation of an address, for somebody whose provider vouches for it."""
    return Invitation.objects.filter(email=email, expires_at__gt=timezone.now()).first()


@transaction.atomic
def accept(invitation: Invitation, *, name: str, password: str | None) -> User:
    """Make the invited person and use the invitation up; without a password, for single sign-on.

    Raises:
        LinkIsVoid: somebody was faster, or it was withdrawn.
        AlreadyHere.
    """
    # Of two at once, the second deletes nothing.
    if not Invitation.objects.filter(pk=invitation.pk, digest=invitation.digest).delete()[0]:
        raise LinkIsVoid
    try:
        with transaction.atomic():
            person = User.objects.create_user(
                invitation.email, password, name=name, role=invitation.role
            )
    except IntegrityError:
        raise AlreadyHere from None
    record("person.joined", by=person, on=person, detail={"role": person.role})
    return person


def _renew(invitation: Invitation) -> str:
    token = secrets.token_urlsafe(32)
    invitation.digest, invitation.expires_at = digest(token), timezone.now() + LIFETIME
    return token


def _send(invitation: Invitation, token: str, by: User) -> str:
    url = settings.CONNHUB_URL + reverse("accounts:invitation_link", args=[token])
    context = {"url": url, "by": by, "invitation": invitation}
    mail.send(
        invitation.email, "You are invited to ConnHub", "accounts/mail/invitation.txt", context
    )
    return url
