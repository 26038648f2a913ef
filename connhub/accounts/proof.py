"""Whether somebody is who they say they are; wrong answers count like failed sign-ins."""

import time

from axes.handlers.proxy import AxesProxyHandler
from django.conf import settings
from django.contrib.auth import authenticate
from django.contrib.auth.signals import user_login_failed

from . import second_factor
from .models import User

RECENT_S = 600
AT, AGAIN = "authenticated_at", "authenticated_again_at"


def note(request, *, again: bool = False) -> None:
    """The person of this session said just now who they are; `again`: after they had signed in."""
    request.session[AT] = int(time.time())
    if again:
        request.session[AGAIN] = request.session[AT]


def is_recent(request, *, again: bool = False) -> bool:
    """Whether they said so within ten minutes; with `again`, the sign-in itself doesn't count."""
    return time.time() - request.session.get(AGAIN if again else AT, 0) <= RECENT_S


def has_password(person: User) -> bool:
    """Whether they sign in by password; the others do by single sign-on alone."""
    return settings.PASSWORD_SIGN_IN and person.has_usable_password()


def is_password(request, password: str) -> bool:
    """Whether this is the password of the person signed in."""
    return authenticate(request, username=request.user.email, password=password) is not None


def is_code(request, person: User, code: str) -> bool:
    """Whether it is a code of the person's second factor; none is looked at after too many tries."""
    credentials = {"username": person.email}
    if not AxesProxyHandler.is_allowed(request, credentials):
        request.axes_locked_out = True
        return False
    if second_factor.accepts(person, code):
        return True
    if second_factor.is_guessed_at(person):
        request.axes_locked_out = True
    user_login_failed.send(sender=__name__, request=request, credentials=credentials)
    return False
