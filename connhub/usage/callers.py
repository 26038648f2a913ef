"""Who calls with what token, and how often: one rule for the gateway and for Django's calls."""

import re
from collections.abc import Callable
from datetime import timedelta
from functools import cache
from typing import Any

from django.conf import settings
from django.db.models import QuerySet
from django.utils import timezone

from connhub import throttle
from connhub.accounts.models import AdminToken
from connhub.audit.context import current
from connhub.vault import keyring

from .api.admin.refusals import NoAdminToken
from .models import IntegrationKey
from .problems import RateLimited, Unauthorized
from .rates import exchanging
from .rates.counting import read_rate
from .rates.leases import Leases

# Tokens that turn out to be none, by address and minute: each costs a query.
MOST_UNKNOWN = 600


class Callers:
    """Those who call with tokens of one kind, `mark` being what these begin with.

    `rate` is the setting that says how many calls each may make, `refusal` what the others get.
    """

    def __init__(
        self,
        kind: str,
        mark: str,
        usable: Callable[[], QuerySet],
        *,
        rate: str,
        refusal: type[Unauthorized],
    ) -> None:
        self._form = re.compile(rf"{mark}[A-Za-z0-9_-]{{43}}")
        self._kind, self._usable, self._rate, self._refusal = kind, usable, rate, refusal
        self._known: set[str] = set()

    def digest_of(self, token: str) -> str:
        """What a token is known by; "" if it has not the form of one."""
        return keyring.digest(token) if self._form.fullmatch(token) else ""

    def knows(self, digest: str) -> bool:
        """Whether the token was a good one at some time in this process."""
        return digest in self._known

    @property
    def leases(self) -> Leases:
        """What this process may let through of each token's calls, by its digest."""
        return _leases(self._kind, getattr(settings, self._rate))

    def authenticate(self, token: str) -> Any:
        """The usable token's row, for Django: the call counted, and its use noted to the minute.

        Raises:
            Unauthorized: it is unknown, expired or revoked.
            RateLimited: too many calls with it, or with unknown ones from the caller's address.
        """
        digest = self.digest_of(token)
        if not digest:
            raise self._refusal
        # One that is none costs nobody's limit.
        if is_known := self.knows(digest):
            exchanging.take(self.leases, digest)
        found = self.find(digest)
        if not is_known:
            exchanging.take(self.leases, digest)
        now = timezone.now()
        if found.last_used_at is None or now - found.last_used_at > timedelta(minutes=1):
            type(found).objects.filter(pk=found.pk).update(last_used_at=now)
        return found

    def find(self, digest: str) -> Any:
        """The usable token's row that a digest belongs to.

        Raises:
            Unauthorized: it is unknown, expired or revoked.
            RateLimited: too many that are none came from the caller's address.
        """
        tried = f"unknown {self._kind}s of {throttle.stranger(current.get().ip)}"
        is_new = not self.knows(digest)
        if is_new and throttle.count(tried) > MOST_UNKNOWN:
            raise RateLimited(throttle.wait_s())
        found = self._usable().filter(digest=digest).first()
        if found is None:
            raise self._refusal
        if is_new:
            throttle.count(tried, -1)
            self._known.add(digest)
        return found


@cache
def _leases(kind: str, rate: str) -> Leases:
    return Leases(kind, read_rate(rate))


def _keys() -> QuerySet[IntegrationKey]:
    return IntegrationKey.objects.usable().select_related("integration__project", "environment")


def _tokens() -> QuerySet[AdminToken]:
    return AdminToken.objects.usable().select_related("person")


with_keys = Callers("key", "chk_", _keys, rate="PROXY_RATE_KEY", refusal=Unauthorized)
with_tokens = Callers("token", "cha_", _tokens, rate="ADMIN_RATE_TOKEN", refusal=NoAdminToken)
