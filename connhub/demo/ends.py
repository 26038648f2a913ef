"""Gives the sample account something that runs out: dates, and secrets in rotation."""

import secrets
from datetime import datetime, timedelta

from django.db.models import QuerySet
from django.utils import timezone

from connhub.accounts.models import User
from connhub.connections import rotation
from connhub.connections.models import Connection, Credential
from connhub.demo.api import API_KEY
from connhub.services.models import OAuthApp

# In so many days from the first start, by link name.
SECRETS = {
    "billing": 9, "metrics": -2, "lead_forms": 31, "source_code": 12, "hr_records": 45,
    "warehouse": 26, "text_messages": 74, "hosting": 5, "dns": 45, "text_model": 45,
}  # fmt: skip
CERTIFICATES = {"warehouse": 19, "cache": 52, "parcel_weather": 61, "acme_orders": 88}
GRANTS = {"tasks": 11, "video_calls": 33}
SHARED_CLIENT_SECRET = 40


def fill(made: dict[str, Connection]) -> None:
    """End dates of every kind, one next value that waits, one old value in its grace time."""
    for link_name, days in SECRETS.items():
        _own(made[link_name]).update(ends_at=_in(days))
    for link_name, days in CERTIFICATES.items():
        _own(made[link_name]).update(certificate_ends_at=_in(days))
    for link_name, days in GRANTS.items():
        _own(made[link_name]).update(expires_at=_in(days), renewable=False)
    OAuthApp.objects.filter(shared=True).update(ends_at=_in(SHARED_CLIENT_SECRET))
    orders, search = made["acme_orders"], made["search"]
    rotation.give(orders, {"key_1": API_KEY}, by=_maker(orders), ends_at=_in(365))
    rotation.give(search, _typed(search), by=_maker(search))
    rotation.switch(search, by=_maker(search), grace=timedelta(days=7))


def _own(connection: Connection) -> QuerySet[Credential]:
    return Credential.objects.own().filter(connection=connection)


def _typed(connection: Connection) -> dict[str, str]:
    return {
        name: secrets.token_urlsafe(24) for name in _own(connection).get().payload.open().reveal()
    }


def _maker(connection: Connection) -> User:
    assert connection.created_by
    return connection.created_by


def _in(days: int) -> datetime:
    return timezone.now() + timedelta(days=days)
