"""Choosing people, and teams, by a part of their name."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

from django import forms
from django.contrib.auth.models import Group
from django.db.models import Q, QuerySet

from .models import User

SHOWN_AT_ONCE = 20
MOST = 100
KEY = re.compile(r"(person|team)-([0-9]{1,18})")


@dataclass(frozen=True, slots=True)
class Candidate:
    """Somebody to tick, with what tells them from a namesake."""

    key: str
    admin: User | Group
    about: str


class PickForm(forms.Form):
    """People and teams to tick: a search, and what it finds; what is ticked stays listed.

    `people` and `teams` are those that may be chosen; teams have a `size`.
    """

    q = forms.CharField(label="Name", max_length=80, required=False)
    who = forms.Field(
        label="People",
        widget=forms.SelectMultiple,
        error_messages={"required": "Tick at least one name."},
    )

    def __init__(self, *args, people: QuerySet[User], teams: QuerySet | None = None, **kwargs):
        super().__init__(*args, **kwargs)
        self.candidates = {"person": people.filter(is_active=True), "team": teams}

    @property
    def ticked(self) -> set[str]:
        """As the browser sent them."""
        return set(self["who"].data or ()) if self.is_bound else set()

    @cached_property
    def chosen(self) -> list[User | Group]:
        """Who is ticked and may be chosen."""
        return [candidate.admin for candidate in self._chosen]

    @cached_property
    def _chosen(self) -> list[Candidate]:
        keys = [match for key in sorted(self.ticked)[:MOST] if (match := KEY.fullmatch(key))]
        found: list[Candidate] = []
        for kind, choosable in self.candidates.items():
            ids = [int(match[2]) for match in keys if match[1] == kind]
            if ids and choosable is not None:
                found += _listed(kind, choosable.filter(pk__in=ids))
        return found

    def clean_who(self) -> list[User | Group]:
        if len(self.ticked) > MOST:
            raise forms.ValidationError(f"That is too many at once: take {MOST} at most.")
        if len(self.chosen) < len(self.ticked):
            raise forms.ValidationError(
                "One of these can't be added any more. Reload the page and choose again."
            )
        return self.chosen

    @cached_property
    def found(self) -> list[Candidate]:
        """Those to list: the ticked first, then people and teams that match the search."""
        return self._chosen + self._matching[:SHOWN_AT_ONCE]

    @property
    def has_more(self) -> bool:
        return len(self._matching) > SHOWN_AT_ONCE

    @cached_property
    def _matching(self) -> list[Candidate]:
        words = str(self.data.get("q", "")).replace("\0", "").strip()[:80].split()
        taken = {candidate.key for candidate in self._chosen}
        found: list[Candidate] = []
        for kind, choosable in self.candidates.items():
            if choosable is not None:
                found += _listed(kind, choosable.filter(_named(kind, words))[: len(taken) + 21])
        left = [candidate for candidate in found if candidate.key not in taken]
        return sorted(left, key=lambda candidate: str(candidate.admin).casefold())


def _named(kind: str, words: Iterable[str]) -> Q:
    """That every word is in the name, or for a person in the address."""
    wanted = Q()
    for word in words:
        in_name = Q(name__icontains=word)
        wanted &= in_name | Q(email__icontains=word) if kind == "person" else in_name
    return wanted


def _listed(kind: str, found: QuerySet) -> list[Candidate]:
    return [Candidate(f"{kind}-{each.pk}", each, _about(each)) for each in found]


def _about(admin) -> str:
    if isinstance(admin, User):
        return admin.email
    return f"Team · {admin.size:,} {'person' if admin.size == 1 else 'people'}"
