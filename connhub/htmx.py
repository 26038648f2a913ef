"""How views talk with htmx, and with a browser that doesn't run it."""

from http import HTTPStatus
from typing import Literal
from urllib.parse import urlsplit

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import resolve_url
from django_htmx.http import (
    HttpResponseClientRedirect,
    reselect,
    reswap,
    retarget,
    trigger_client_event,
)
from django_htmx.middleware import HtmxDetails

Swap = Literal["innerHTML", "outerHTML"]


class HttpResponseSeeOther(HttpResponseRedirect):
    """303: whatever the method was, the next request is a GET (RFC 9110, 15.4.4)."""

    status_code = HTTPStatus.SEE_OTHER


def wants_fragment(request: HttpRequest) -> bool:
    """Whether htmx asks for a part of the page; going back in the history wants all of it."""
    htmx = _details(request)
    return bool(htmx) and not htmx.history_restore_request


def changed(request: HttpRequest, what: str, *, then, message: str = "") -> HttpResponse:
    """Answer a POST that changed a `what`, and say so with `message`.

    Without htmx the browser is sent to `then`: a model with `get_absolute_url`, a URL name or a URL.
    With htmx the pop-up closes and the page hears `<what>-changed`, and fetches what shows it.
    Somebody on a page below `then` is taken to it, for what that page showed may be gone.
    """
    url = resolve_url(then)
    htmx = _details(request)
    if htmx and not _is_below(htmx, url):
        return _announce(what, message)
    return sent_to(request, url, message=message)


def sent_to(request: HttpRequest, then, *, message: str = "") -> HttpResponse:
    """Take the browser to `then`, whatever page it is on, and say `message` there."""
    url = resolve_url(then)
    if message:
        messages.success(request, message)
    return HttpResponseClientRedirect(url) if _details(request) else HttpResponseSeeOther(url)


def _details(request) -> HtmxDetails:
    """What `HtmxMiddleware` found out about the request; false if htmx did not send it."""
    return request.htmx


def _is_below(htmx: HtmxDetails, url: str) -> bool:
    here = urlsplit(htmx.current_url_abs_path or "").path
    there = urlsplit(url).path
    return here != there and here.startswith(there)


def _announce(what: str, message: str) -> HttpResponse:
    response = HttpResponse(status=HTTPStatus.NO_CONTENT)
    trigger_client_event(response, f"{what}-changed")
    trigger_client_event(response, "changed", {"what": what})
    if message:
        trigger_client_event(response, "toast", {"text": message, "tone": "ok"})
    return response


def swap(response: HttpResponse, target: str, how: Swap, *, select: str = "") -> HttpResponse:
    """Have htmx put the answer (or the part of it that `select` names) elsewhere than it meant to."""
    response = reswap(retarget(response, target), how)
    return reselect(response, select) if select else response
