"""What matters most is done only by somebody who said within ten minutes who they are."""

import base64
import binascii
import time
from functools import wraps

from django.http import QueryDict
from django.shortcuts import render
from django.views.decorators.debug import sensitive_post_parameters

from connhub.htmx import HttpResponseSeeOther, swap
from connhub.middleware import StaleForm
from connhub.vault.keyring import CantOpen, Place, digest, open_sealed, seal

from . import proof
from .forms import ProofForm

HELD = "proof-held"
LEFT = "form_left"


def recently_authenticated(view, *, again: bool = False):
    """For a view that wants a recent sign-in or re-entered password: asks first, then goes on.

    A form that was sent meanwhile is held, sealed, by the page that asks, and then taken as it was
    sent. Uploaded files can't be held: open such a form by a GET that asks already. Who comes back
    from the provider of single sign-on comes by a GET: the view finds the form in `request.left`,
    to show it again, for nothing that was sent counts as sent now.
    """

    @wraps(view)
    @sensitive_post_parameters()
    def ask_first(request, *args, **kwargs):
        asked = HELD in request.POST
        if not proof.is_recent(request, again=again):
            data = request.POST if asked else None
            form = ProofForm(request, data, again=again, prefix="proof")
            if not form.is_valid():
                return _ask(request, form)
            proof.note(request, again=True)
        if asked:
            held = _held(request)
            if held is None:
                return HttpResponseSeeOther(request.get_full_path())
            request.POST = held
        request.left = _left(request)
        return view(request, *args, **kwargs)

    return ask_first


def authenticated_again(view):
    """As `recently_authenticated`, but asks also who has only just signed in."""
    return recently_authenticated(view, again=True)


def _ask(request, form):
    held = request.POST.get(HELD, "") if HELD in request.POST else _hold(request)
    if form.by_provider and held:
        request.session[LEFT] = {"held": held, "at": int(time.time())}
    response = render(request, "accounts/reauthenticate.html", {"form": form, "held": held})
    return swap(response, "#dialog", "innerHTML") if request.htmx else response


def _hold(request) -> str:
    """What was sent, sealed for this page in this session; "" if nothing was."""
    if request.method != "POST":
        return ""
    sent = request.POST.copy()
    sent.pop("csrfmiddlewaretoken", None)
    return base64.b64encode(seal(sent.urlencode().encode(), _place(request))).decode()


def _held(request) -> QueryDict | None:
    text = request.POST[HELD]
    if not text:
        return None
    try:
        return _opened(request, text)
    except (binascii.Error, CantOpen):
        raise StaleForm from None


def _left(request) -> QueryDict:
    """What was sent to this page before the way to the provider and back; empty, if nothing was."""
    left = request.session.get(LEFT)
    if left is None or request.method != "GET":
        return QueryDict()
    try:
        found = _opened(request, left["held"])
    except CantOpen:  # it was another page's
        return QueryDict()
    del request.session[LEFT]
    return found if time.time() - left["at"] <= proof.RECENT_S else QueryDict()


def _opened(request, text: str) -> QueryDict:
    return QueryDict(open_sealed(base64.b64decode(text, validate=True), _place(request)))


def _place(request) -> Place:
    return Place("form", digest(request.session.session_key), request.get_full_path(), 1)
