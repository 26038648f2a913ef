"""Picking a service: by kind, category and part of its name."""

from collections.abc import Mapping

from django.utils.functional import cached_property

from .models import Origin, Service

KINDS = {"default": "Default services", "custom": "Custom services", "databases": "Databases"}


class Gallery:
    """The services that a person's choice leaves; choices that make no sense are passed over."""

    def __init__(self, params: Mapping[str, str]):
        chosen = params.get("kind", "")
        self.kind = chosen if chosen in KINDS else "default"
        self.kinds = KINDS
        self.category = params.get("category", "").replace("\0", "")[:40]
        self.q = params.get("q", "").replace("\0", "").strip()[:80]

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
    def categories(self) -> list[tuple[str, int]]:
        return list(self._matching.by_category())

    @property
    def total(self) -> int:
        return sum(count for _, count in self.categories)

    @cached_property
    def services(self) -> list[Service]:
        chosen = self._matching.filter(category=self.category) if self.category else self._matching
        return list(chosen.prefetch_related("auth_methods"))
