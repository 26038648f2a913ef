"""What every answer carries, and how a refusal is answered."""

from functools import cache
from http import HTTPStatus
from typing import Any
from uuid import uuid4

from csp.middleware import CSPMiddleware
from django.http import HttpRequest, HttpResponse
from django.middleware.clickjacking import XFrameOptionsMiddleware
from django.middleware.security import SecurityMiddleware
from django.template.loader import select_template
from django.utils.http import url_has_allowed_host_and_scheme
from django_htmx.http import reswap, retarget

from connhub.errors import Refusal

UNUSED_FEATURES = (
    "accelerometer",
    "browsing-topics",
    "camera",
    "display-capture",
    "geolocation",
    "gyroscope",
    "hid",
    "magnetometer",
    "microphone",
    "midi",
    "payment",
    "publickey-credentials-create",
    "screen-wake-lock",
    "serial",
    "usb",
    "xr-spatial-tracking",
)
PERMISSIONS_POLICY = ", ".join(f"{feature}=()" for feature in UNUSED_FEATURES)


class StaleForm(Refusal):
    code = "stale-form"
    text = "This form was open for too long, or in another session. Reload the page and try again."
    status = HTTPStatus.FORBIDDEN


class RequestIdMiddleware:
    """Gives each request a random id, for the logs, the audit record and the answer.

    An id that the client sends is not believed: it would let one request pass for another.
    """

    def __init__(self, get_response):
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        request_id = uuid4().hex
        request.id = request_id  # type: ignore[attr-defined]
        response = self.get_response(request)
        response["X-Request-ID"] = request_id
        return response


class SecurityHeadersMiddleware:
    """The headers that neither Django nor django-csp sends.

    Whatever Django answers is kept in no cache; static files, which never meet a user, may be.
    """

    def __init__(self, get_response):
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        response.setdefault("Permissions-Policy", PERMISSIONS_POLICY)
        response.setdefault("Cross-Origin-Resource-Policy", "same-origin")
        if hasattr(request, "user"):
            response["Cache-Control"] = "no-store"
        return response


@cache
def headers_of_every_answer() -> tuple[tuple[bytes, bytes], ...]:
    """What the middlewares add to every answer, as ASGI has it, for those that Django doesn't give."""
    request = HttpRequest()
    request.META = {"HTTP_X_FORWARDED_PROTO": "https"}
    request._get_scheme = lambda: "https"  # type: ignore[attr-defined]
    answer: Any = HttpResponse()
    del answer["Content-Type"]
    for middleware in (
        SecurityHeadersMiddleware,
        CSPMiddleware,
        SecurityMiddleware,
        XFrameOptionsMiddleware,
    ):
        answer = middleware(lambda _, answer=answer: answer)(request)
    return tuple((name.lower().encode(), value.encode()) for name, value in answer.items())


class RefusalMiddleware:
    """Answers a `Refusal`: with a page, or for htmx with a fragment for the pop-up."""

    def __init__(self, get_response):
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        if not isinstance(exception, Refusal):
            return None
        request.refusal = exception  # type: ignore[attr-defined]
        return refuse(request, exception)


def refuse(request: HttpRequest, refusal: Refusal) -> HttpResponse:
    headers = {"Retry-After": str(refusal.wait_s)} if refusal.wait_s else {}
    context = {"refusal": refusal, "back": _way_back(request)}
    is_htmx = getattr(request, "htmx", False)
    page = select_template(
        ["ui/refusal.html"] if is_htmx else [f"{refusal.status:d}.html", "409.html"]
    )
    text = page.render(context, request)
    response = HttpResponse(text, status=refusal.status, headers=headers)
    return reswap(retarget(response, "#dialog"), "innerHTML") if is_htmx else response


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """The page for a missing or wrong CSRF token; `reason` is for developers and stays unsaid."""
    return refuse(request, StaleForm())


def _way_back(request: HttpRequest) -> str:
    """The page the person came from, if it is one of ours."""
    referer = request.headers.get("Referer", "")
    hosts = {request.get_host()}
    ours = url_has_allowed_host_and_scheme(referer, hosts, require_https=request.is_secure())
    return referer if ours else "/"
