"""Picking a service: by kind, category, auth method and part of its name."""

from collections.abc import Mapping

from django.db.models import Count, Exists, OuterRef, Prefetch
from django.db.models.functions import Lower
from django.utils.functional import cached_property

from .models import AuthMethod, Origin, Service

KINDS = {
    "default": "Default services",
    "custom": "Custom services",
    "databases": "Databases and protocols",
}
AUTH_LABELS = {
    "oauth2_code": "OAuth 2.0",
    "oauth2_client_credentials": "Client credentials",
    "jwt_bearer": "Service account",
    "oauth1": "OAuth 1.0a",
    "two_step": "Two-step login",
    "aws_sigv4": "AWS SigV4",
    "api_key": "API key",
    "basic": "Basic",
    "bearer": "Bearer token",
    "database": "Database or protocol",
    "none": "No authentication",
}
SHOWN = 120  # tiles at once; more are narrowed down by searching, or asked for


class Gallery:
    """The services that a person's choice leaves; choices that make no sense are passed over."""

    def __init__(self, params: Mapping[str, str]):
        chosen = params.get("kind", "")
        self.kind = chosen if chosen in KINDS else "default"
        self.kinds = KINDS
        self.category = params.get("category", "").replace("\0", "")[:40]
        auth = params.get("auth", "")
        self.auth = auth if auth in AUTH_LABELS else ""
        self.q = params.get("q", "").replace("\0", "").strip()[:80]
        page = params.get("page", "")
        self.page = int(page) if page.isascii() and page.isdigit() and 0 < len(page) < 5 else 1
        self.page = max(1, self.page)

    @cached_property
    def _of_kind(self):
        listed = Service.objects.listed()
        if self.kind == "databases":
            return listed.databases()
        if self.kind == "custom":
            return listed.filter(origin=Origin.CUSTOM)
        return listed.filter(origin=Origin.DEFAULT)

    @cached_property
    def _matching(self):
        return self._of_kind.matching(self.q) if self.q else self._of_kind

    @cached_property
    def _with_auth(self):
        if not self.auth:
            return self._matching
        methods = AuthMethod.objects.offered().filter(service=OuterRef("pk"), kind=self.auth)
        return self._matching.filter(Exists(methods))

    @cached_property
    def categories(self) -> list[tuple[str, int]]:
        return list(self._with_auth.by_category())

    @cached_property
    def auths(self) -> list[tuple[str, str, int]]:
        """Kind, label and number of services of each auth method that the search leaves."""
        methods = AuthMethod.objects.offered().filter(service__in=self._matching.values("pk"))
        counts = methods.order_by("kind").values_list("kind")
        found = dict(counts.annotate(Count("service", distinct=True)))
        return [(kind, AUTH_LABELS[kind], found[kind]) for kind in AUTH_LABELS if kind in found]

    @property
    def total(self) -> int:
        return sum(count for _, count in self.categories)

    @property
    def previous(self) -> int | None:
        """The page before this one; None for the first, which is the one without a number."""
        return self.page - 1 if self.page > 2 else None

    @property
    def following(self) -> int:
        return self.page + 1

    @property
    def left_out(self) -> int:
        """How many services fit the choice besides those on this page and the pages before it."""
        counts = dict(self.categories)
        fitting = counts.get(self.category, 0) if self.category else self.total
        return max(0, fitting - self.page * SHOWN)

    @cached_property
    def services(self) -> list[Service]:
        with_auth = self._with_auth
        chosen = with_auth.filter(category=self.category) if self.category else with_auth
        methods = AuthMethod.objects.offered().only("service", "label", "position")
        tiles = chosen.only("slug", "name", "monogram", "colour")
        first = (self.page - 1) * SHOWN
        tiles = tiles.order_by(Lower("name"), "pk").prefetch_related(
            Prefetch("auth_methods", queryset=methods)
        )
        return list(tiles[first : first + SHOWN])
