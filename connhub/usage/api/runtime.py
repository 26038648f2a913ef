"""The runtime API: what flows call, with an integration key."""

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from ninja.errors import AuthenticationError
from ninja.security import HttpBearer

from connhub.audit.log import AuditUnavailable
from connhub.errors import Refusal

from .. import callers, keys, records, refusing, registration
from ..data_objects import AppSlugTaken
from ..flows import FlowSlugTaken
from ..models import IntegrationKey
from ..problems import NotUsable, Unauthorized
from ..selecting import NotOfTheApp
from . import before_django, connections, data_objects, flows, functions
from .base import ProblemAPI
from .docs import DocsPage

# What a key, or none, may not do: on record, while all else that is refused was a mistake.
DENIALS = (
    *(Unauthorized, NotUsable, registration.NotRegistered, NotOfTheApp),
    *(FlowSlugTaken, AppSlugTaken),
)


class IntegrationKeyAuth(HttpBearer):
    def authenticate(self, request: HttpRequest, token: str) -> IntegrationKey:
        return keys.authenticate(token)


class RuntimeAPI(ProblemAPI):
    """Asks for an integration key, and puts on record what a key may not do."""

    further_paths = before_django.PATHS

    def refuse(self, request: HttpRequest, refusal: Refusal) -> HttpResponse:
        if isinstance(refusal, DENIALS):
            try:
                _put_on_record(request, refusal)
            except AuditUnavailable as unavailable:
                refusal = unavailable
        key = getattr(request, "auth", None)
        about = {"integration": key.integration.slug} if key else {}
        return refusing.response(request, refusal, **about)

    def refusal_of(self, error: Exception) -> Refusal:
        return (
            Unauthorized() if isinstance(error, AuthenticationError) else super().refusal_of(error)
        )


def _put_on_record(request: HttpRequest, refusal: Refusal) -> None:
    _, _, token = request.headers.get("Authorization", "").partition(" ")
    digest = callers.with_keys.digest_of(token.strip())
    for link_name in getattr(refusal, "link_names", None) or [""]:
        records.call_denied(digest, link_name, refusal.code)


api = RuntimeAPI(
    title="ConnHub runtime API",
    version="1",
    description="What flows call: with an integration key, for one integration in one environment.",
    auth=IntegrationKeyAuth(),
    docs=DocsPage(),
    servers=[{"url": settings.CONNHUB_URL}],
)
api.add_routers(connections.router, flows.router, data_objects.router, functions.router)
