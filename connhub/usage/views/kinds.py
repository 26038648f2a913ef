"""Flows, apps and functions as their pages speak of them, and where these are."""

from dataclasses import dataclass
from typing import Any

from django.db.models.functions import Lower
from django.urls import reverse

from connhub.paging import Order

from .. import data_objects, flows, functions
from ..declaring import Sort
from ..flow_forms import AppForm, FlowForm, FunctionForm
from ..models import Integration
from ..use_forms import DeclaringForm


@dataclass(frozen=True, slots=True)
class Kind:
    """`use` is a single use in its words; `about` says what such a thing is, `alone` of one that
    stands alone."""

    sort: Sort
    form: type[DeclaringForm]
    use: str
    about_uses: str
    icon: str
    about: str
    alone: str

    @property
    def noun(self) -> str:
        return self.sort.model.PAGE

    @property
    def nouns(self) -> str:
        return f"{self.noun}s"

    @property
    def by_name(self) -> Order:
        return Order("name", Lower("name"), self.sort.model.KEY)

    @property
    def has_named_uses(self) -> bool:
        return self.use != "connection"

    @property
    def new(self) -> str:
        return f"New {self.noun}"

    @property
    def none(self) -> str:
        return f"No {self.nouns} yet"

    @property
    def none_alone(self) -> str:
        return f"No standalone {self.nouns}"

    @property
    def no_uses(self) -> str:
        return f"No {self.use}s yet"

    def listing(self, integration: Integration | None) -> str:
        if integration:
            return reverse(f"usage:{self.nouns}", args=[integration.slug])
        return reverse(f"{self.nouns}:list")

    def page(self, action: str, integration: Integration | None, thing: Any = None) -> str:
        """The URL of what is done: new, edit or delete."""
        args = ([integration.slug] if integration else []) + ([thing.key] if thing else [])
        within = f"usage:{action}_{self.noun}" if integration else f"{self.nouns}:{action}"
        return reverse(within, args=args)


KINDS = {
    kind.noun: kind
    for kind in (
        Kind(
            flows.SORT,
            FlowForm,
            "step",
            "A step exports from a service or imports into one, over a connection.",
            "arrows-right-left",
            "Make one, attach one that stands alone, or have the flow engine declare it with a key"
            " of this integration: PUT /api/v1/flows/ and the flow's slug.",
            "A flow may stand alone until it is attached to an integration. Until then it registers"
            " no connections and makes no calls.",
        ),
        Kind(
            data_objects.SORT,
            AppForm,
            "data object",
            "An external data object is read over a connection.",
            "squares-2x2",
            "An app reads external data objects, each over a connection. Make one, or have its"
            " engine declare them with a key of this integration: PUT /api/v1/data-objects/,"
            " the app's slug and the object's name.",
            "An app reads external data objects, each over a connection. One that stands alone is"
            " its maker's, and registers no connections.",
        ),
        Kind(
            functions.SORT,
            FunctionForm,
            "connection",
            "A function uses at least one connection.",
            "code-bracket",
            "A function is code that uses connections. Make one, or have it declared with a key of"
            " this integration: PUT /api/v1/functions/ and the function's name.",
            "A function is code that uses connections. One that stands alone is its maker's, and"
            " registers no connections.",
        ),
    )
}
