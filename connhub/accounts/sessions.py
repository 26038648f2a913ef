"""Who is signed in and for how long, and what of it goes on record."""

import time
import unicodedata
from ipaddress import ip_address

from django.conf import settings
from django.contrib.auth import SESSION_KEY, logout, signals

from connhub.audit.log import record

from .models import User

TOUCH_S = 60
# On requests that a page left open makes by itself: they don't keep anybody signed in.
BACKGROUND = "X-ConnHub-Background"


def client_ip(request) -> str:
    """The caller's address; X-Forwarded-For counts only when a configured proxy wrote it."""
    address = request.META.get("REMOTE_ADDR", "")
    if address in settings.TRUSTED_PROXIES:
        for hop in reversed(request.META.get("HTTP_X_FORWARDED_FOR", "").split(",")):
            if (hop := hop.strip()) and hop not in settings.TRUSTED_PROXIES:
                return hop if _is_address(hop) else address
    return address


def _is_address(text: str) -> bool:
    try:
        return bool(ip_address(text))
    except ValueError:
        return False


def account_name(request, credentials=None) -> str:
    """The account somebody tries to sign in to, in the one form that throttling counts by."""
    typed = (credentials or {}).get("username") or request.POST.get("username", "")
    return unicodedata.normalize("NFKC", typed).strip().casefold()[:254]


class SessionLimitsMiddleware:
    """Ends a session after an hour without a request, or twelve hours after sign-in."""

    def __init__(self, get_response):
        self.get_response = get_response

    def __call__(self, request):
        request.client_ip = client_ip(request)
        if request.user.is_authenticated:
            self._check(request)
        elif SESSION_KEY in request.session:  # of somebody deactivated: it must not come back
            request.session.flush()
        return self.get_response(request)

    def _check(self, request) -> None:
        now, session = int(time.time()), request.session
        started, seen = session.get("started_at", 0), session.get("seen_at", 0)
        if now - started > settings.SESSION_COOKIE_AGE or now - seen > settings.SESSION_IDLE_S:
            logout(request)
        elif now - seen > TOUCH_S and BACKGROUND not in request.headers:
            session["seen_at"] = now


def _signed_in(sender, request, user, **kwargs) -> None:
    request.session["started_at"] = request.session["seen_at"] = int(time.time())
    record("person.signed_in", by=user, on=user, change=False)


def _signed_out(sender, request, user, **kwargs) -> None:
    if user is not None:
        record("person.signed_out", by=user, on=user, change=False)


def _sign_in_failed(sender, credentials, request=None, **kwargs) -> None:
    # What was typed may be a password in the wrong box: only a known account is named.
    name = account_name(request, credentials) if request else ""
    person = User.objects.filter(email=name).first()
    record("person.sign_in_failed", on=person, outcome="failed", change=False)


def connect_signals() -> None:
    signals.user_logged_in.connect(_signed_in, dispatch_uid="accounts.signed_in")
    signals.user_logged_out.connect(_signed_out, dispatch_uid="accounts.signed_out")
    signals.user_login_failed.connect(_sign_in_failed, dispatch_uid="accounts.sign_in_failed")
