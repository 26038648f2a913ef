"""Who is signed in and for how long, and what of it goes on record."""

import time
import unicodedata
from datetime import timedelta
from ipaddress import ip_address

from django.conf import settings
from django.contrib.auth import SESSION_KEY, logout, signals
from django.db import transaction
from django.db.models import QuerySet
from django.db.models.signals import pre_save
from django.utils import timezone

from connhub.audit.log import record
from connhub.htmx import sent_to

from . import proof, second_factor
from .devices import device
from .models import Session, User

TOUCH_S = 60
MUST_SET_UP = "must_set_up"
# What somebody may ask for who has yet to set up the second factor that everybody needs.
SETTING_UP = {"second_factor", "confirm_second_factor", "sign_out"}
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
            session["seen_at"], session["ip"] = now, request.client_ip


class SecondFactorMiddleware:
    """Leads somebody who lacks the second factor that everybody needs to setting it up."""

    def __init__(self, get_response):
        self.get_response = get_response

    def __call__(self, request):
        return self.get_response(request)

    def process_view(self, request, view, args, kwargs):
        if not request.user.is_authenticated or not request.session.get(MUST_SET_UP):
            return None
        match = request.resolver_match
        is_setting_up = match.namespace == "accounts" and match.url_name in SETTING_UP
        if is_setting_up or not getattr(view, "login_required", True):
            return None
        return sent_to(request, "accounts:second_factor")


def of(user: User) -> QuerySet[Session]:
    """The sessions in which somebody is signed in now, the last used first."""
    now = timezone.now()
    return user.sessions.filter(
        expire_date__gt=now,
        started_at__gt=now - timedelta(seconds=settings.SESSION_COOKIE_AGE),
        seen_at__gt=now - timedelta(seconds=settings.SESSION_IDLE_S),
    ).order_by("-seen_at", "session_key")


@transaction.atomic
def end(session: Session, *, by: User) -> None:
    """Sign a browser out, from its next request on."""
    session.delete()
    record("session.ended", by=by, on=session.user, detail={"device": session.device}, change=False)


@transaction.atomic
def end_others(user: User, *, but: str | None, by: User) -> None:
    """Sign out every browser of a person but the one with this session key."""
    if end_all(user, but=but):
        record("session.others_ended", by=by, on=user, change=False)


def end_all(user: User, *, but: str | None = None) -> int:
    """How many were ended; for operations that end sessions besides what they do."""
    sessions = user.sessions.exclude(session_key=but) if but else user.sessions.all()
    return sessions.delete()[0]


def _signed_in(sender, request, user, **kwargs) -> None:
    session = request.session
    session["started_at"] = session["seen_at"] = int(time.time())
    session["ip"] = client_ip(request)
    session["device"] = device(request.headers.get("User-Agent", ""))
    proof.note(request)
    if second_factor.is_required() and not second_factor.is_on(user):
        session[MUST_SET_UP] = True
    record("person.signed_in", by=user, on=user, change=False)


def _signed_out(sender, request, user, **kwargs) -> None:
    if user is not None:
        record("person.signed_out", by=user, on=user, change=False)


def _sign_in_failed(sender, credentials, request=None, **kwargs) -> None:
    # What was typed may be a password in the wrong box: only a known account is named.
    name = account_name(request, credentials) if request else ""
    person = User.objects.filter(email=name).first()
    record("person.sign_in_failed", on=person, outcome="failed", change=False)


def _forget_what_was_typed(sender, instance, **kwargs) -> None:
    # django-axes would keep the form but for fields of some names; any form may hold a secret.
    instance.get_data = instance.post_data = ""


def connect_signals() -> None:
    pre_save.connect(
        _forget_what_was_typed, sender="axes.AccessAttempt", dispatch_uid="accounts.typed"
    )
    signals.user_logged_in.connect(_signed_in, dispatch_uid="accounts.signed_in")
    signals.user_logged_out.connect(_signed_out, dispatch_uid="accounts.signed_out")
    signals.user_login_failed.connect(_sign_in_failed, dispatch_uid="accounts.sign_in_failed")
