"""What a connection can be created inside: a thing of a room above this one, named by the URL."""

from collections.abc import Callable, Mapping
from typing import Protocol

from django import forms
from django.http import HttpRequest

from connhub.accounts.models import User

from .models import Connection


class Inside(Protocol):
    """Where the person came from and goes back to; `about` says what comes of creating it there."""

    about: str
    url: str
    query: Mapping[str, str]  # names it again in the URLs on the way

    def check(self, form: forms.Form) -> None:
        """Add the errors of what would make no sense there."""

    def lock(self, *, by: User) -> None:
        """Called before anything is made. Raises: PermissionDenied, Refusal."""

    def settle(self, connection: Connection, *, by: User) -> None:
        """Called in the same transaction, when the connection is made."""


# Each finds its own kind, if the URL names one. Added to in the `ready()` of the app above.
finders: list[Callable[[HttpRequest], Inside | None]] = []


def inside(request: HttpRequest) -> Inside | None:
    """What the URL names. Raises: Http404, PermissionDenied, Refusal, as its pages do."""
    found = (find(request) for find in finders)
    return next((each for each in found if each), None)
