"""What somebody may do with a connection, and why."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from enum import Flag, auto
from typing import Any

from django.contrib.auth.models import Group
from django.db.models import Count, F, QuerySet, Window
from django.db.models.functions import RowNumber

from connhub.accounts.models import Environment
from connhub.connections.access import require_usable
from connhub.connections.models import Connection
from connhub.errors import Refusal

from .. import acting
from ..models import Integration

SHOWN = 3  # of what may be many, in one cell of a table or one place of a picture


class May(Flag):
    """What a path allows. Whoever manages may also see and use."""

    NOTHING = 0
    SEE = auto()
    USE = auto()
    MANAGE = auto()
    FETCH = auto()

    def __str__(self):
        words = {
            May.SEE: "see",
            May.USE: "use",
            May.MANAGE: "manage",
            May.FETCH: "fetch the secret",
        }
        return ", ".join(word for each, word in words.items() if each in self).capitalize()


ADMIN = May.SEE | May.USE | May.MANAGE


@dataclass(frozen=True, slots=True)
class Path:
    """One way to a connection: as what, of which integration, through which team, since when."""

    how: str
    may: May
    integration: Integration | None = None
    team: Group | None = None
    since: datetime | None = None


@dataclass(slots=True)
class Row:
    """Somebody or something that reaches a connection, or a connection that a person reaches."""

    subject: Any
    paths: list[Path] = field(default_factory=list)
    more: int = 0  # paths that are not named
    obstacle: str = ""  # why calls fail at the moment

    @property
    def may(self) -> May:
        allowed = May.NOTHING
        for path in self.paths:
            allowed |= path.may
        return allowed

    def add(self, path: Path, more: int = 0) -> None:
        self.paths.append(path)
        self.more += more


def first_few(queryset: QuerySet, *, by: str, order: str) -> QuerySet:
    """The first rows for each `by`, by their `order`; `nth` and `total` say where each stands."""
    return queryset.annotate(
        nth=Window(RowNumber(), partition_by=F(by), order_by=[F(order), F("pk")]),
        total=Window(Count("pk"), partition_by=F(by)),
    ).filter(nth__lte=SHOWN)


def unnamed(row: Any) -> int:
    """How many rows of `first_few` this one, the last that is named, stands for besides itself."""
    return row.total - row.nth if row.nth == SHOWN else 0


def obstacles(
    connection: Connection, environments: Iterable[Environment]
) -> dict[Environment, str]:
    """Why every call over it fails, in those of the environments where it does.

    The connection's settings and own credentials are best fetched with it.
    """
    found = {}
    for environment in environments:
        try:
            if connection.login_user:
                acting.require_ready(connection, environment)
            else:
                require_usable(connection, connection.credential_for(environment))
        except Refusal as refusal:
            found[environment] = str(refusal)
    return found
