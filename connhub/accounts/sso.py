"""Whom single sign-on lets in."""

from typing import Any

from django.conf import settings
from django.db import IntegrityError, transaction

from connhub.audit.log import record

from . import invitations
from .models import Identity, User


class NotLetIn(Exception):
    """Nobody here is meant, or they may not come in; `reason` is for the record."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def is_on() -> bool:
    return bool(settings.OIDC_ISSUER)


def person_for(claims: dict[str, Any]) -> User:
    """Who is meant: known by issuer and subject, else by a verified address.

    An address leads to an existing person, to somebody invited, or, where the operator wants it,
    to a new one. Where only some domains may come in, the address is looked at each time.

    Raises:
        NotLetIn.
    """
    try:
        return _person_for(claims)
    except (IntegrityError, invitations.LinkIsVoid, invitations.AlreadyHere):
        # Somebody was faster: the same person in another window, or the link in the letter.
        return _person_for(claims)


@transaction.atomic
def _person_for(claims: dict[str, Any]) -> User:
    if settings.OIDC_DOMAINS:
        _verified_email(claims)
    known = Identity.objects.filter(issuer=settings.OIDC_ISSUER, subject=claims["sub"])
    identity = known.select_related("user").first()
    person = identity.user if identity else _by_address(claims)
    if not person.is_active:
        raise NotLetIn("deactivated")
    return person


def _by_address(claims: dict[str, Any]) -> User:
    email = _verified_email(claims)
    person = User.objects.filter(email=email).first() or _new_person(email, claims)
    if person.is_active:
        Identity.objects.create(user=person, issuer=settings.OIDC_ISSUER, subject=claims["sub"])
        record("person.identity_linked", by=person, on=person, change=False)
    return person


def _verified_email(claims: dict[str, Any]) -> str:
    email = claims.get("email")
    if claims.get("email_verified") is not True or not isinstance(email, str):
        raise NotLetIn("no verified address")
    email = email.strip().lower()
    domains = settings.OIDC_DOMAINS
    if domains and email.rpartition("@")[2] not in domains:
        raise NotLetIn("another domain")
    return email


def _new_person(email: str, claims: dict[str, Any]) -> User:
    name = _name(claims, email)
    if invitation := invitations.open_to(email):
        return invitations.accept(invitation, name=name, password=None)
    role = settings.OIDC_CREATE_ROLE
    if not role or len(email) > 254 or "@" not in email:
        raise NotLetIn("nobody here")
    person = User.objects.create_user(email, None, name=name, role=role)
    record("person.joined", by=person, on=person, detail={"role": role})
    return person


def _name(claims: dict[str, Any], email: str) -> str:
    name = claims.get("name")
    text = name if isinstance(name, str) else ""
    return "".join(c for c in text if c.isprintable()).strip()[:80] or email.partition("@")[0][:80]
