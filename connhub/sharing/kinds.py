"""The kinds of object that people share; added to in the `ready()` of the app that has one."""

from collections.abc import Callable
from dataclasses import dataclass

from django.db import models
from django.urls import reverse

from connhub.accounts.models import User


@dataclass(frozen=True, slots=True)
class Kind:
    """How pages find an object of one kind, and what they say about it.

    `live` are those that aren't deleted. `may` is what admins may do with one, `loses` what
    somebody whose access ends no longer does to it, `stays` what goes on without them; `listing`
    the URL name of where they go then.
    """

    model: type[models.Model]
    key: str
    live: Callable[[], models.QuerySet]
    visible_to: Callable[[User], models.QuerySet]
    may: str
    loses: str
    stays: str
    listing: str

    @property
    def name(self) -> str:
        return str(self.model._meta.model_name)

    @property
    def frame(self) -> str:
        """The template that the share page stands in."""
        return f"{self.model._meta.app_label}/share.html"

    def url(self, page: str, thing: models.Model, *more: int) -> str:
        """The address of one of the share pages."""
        return reverse(f"{self.name}_share:{page}", args=[getattr(thing, self.key), *more])


kinds: dict[str, Kind] = {}


def add(kind: Kind) -> None:
    kinds[kind.name] = kind


def kind_of(thing: models.Model) -> Kind:
    return kinds[str(thing._meta.model_name)]
