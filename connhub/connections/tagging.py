"""Tags: words that people group connections by."""

import re
from collections.abc import Iterable
from typing import Any

from django.db import transaction
from django.db.models import BooleanField, F, Func, Value

from connhub.accounts.models import User
from connhub.audit.log import record
from connhub.errors import Refusal

from .meanwhile import locked_for
from .models import Connection

MOST, LONGEST = 10, 30
TAG = re.compile(rf"[^\x00-\x1f\x7f]{{1,{LONGEST}}}")


class BadTags(Refusal):
    code = "bad-tags"
    text = f"Use at most {MOST} tags of at most {LONGEST} ordinary characters."


class HasTag(Func):
    """Whether a list of tags holds one, spelt like this."""

    output_field = BooleanField()

    def __init__(self, tag: str) -> None:
        super().__init__(F("tags"), Value(tag))

    def as_sqlite(self, compiler: Any, connection: Any, **extra: Any) -> Any:
        template = "EXISTS (SELECT 1 FROM json_each(%(expressions)s))"
        return self.as_sql(
            compiler, connection, template=template, arg_joiner=") WHERE value = (", **extra
        )

    def as_postgresql(self, compiler: Any, connection: Any, **extra: Any) -> Any:
        return self.as_sql(compiler, connection, function="jsonb_exists", **extra)


def parsed(text: str) -> list[str]:
    """The tags of a text that separates them by commas, each once. Raises: BadTags."""
    spelt = (" ".join(tag.split()) for tag in text.split(","))
    return _checked(tag for tag in spelt if tag)


def _checked(tags: Iterable[str]) -> list[str]:
    spelt: dict[str, str] = {}
    for tag in tags:
        spelt.setdefault(tag.casefold(), tag)
    once = list(spelt.values())
    if len(once) > MOST or not all(map(TAG.fullmatch, once)):
        raise BadTags
    return once


@transaction.atomic
def retag(
    connection: Connection, *, by: User, add: Iterable[str] = (), remove: Iterable[str] = ()
) -> None:
    """Give a connection tags and take others away, whatever their case.

    Raises:
        PermissionDenied: `by` is no admin of the connection.
        DeletedMeanwhile: it is gone.
        BadTags: it would have too many, or one is too long.
    """
    connection = locked_for(by, "connection.tag", connection)
    gone = {tag.casefold() for tag in remove}
    kept = [tag for tag in connection.tags if tag.casefold() not in gone]
    known = {tag.casefold() for tag in kept}
    new = [tag for tag in add if tag.casefold() not in known]
    tags = [*kept, *_checked([*kept, *new])[len(kept) :]] if new else kept
    if tags == connection.tags:
        return
    connection.tags = tags
    connection.move_on("tags")
    record("connection.tagged", by=by, on=connection, fields=["tags"])
