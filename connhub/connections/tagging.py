"""Tags: words that people group connections by."""

import json
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
        self.as_json = json.dumps(tag)

    def as_sqlite(self, compiler: Any, connection: Any, **extra: Any) -> Any:
        """Looks for the text first, since it would take the longest to read each list."""
        listed = "EXISTS (SELECT 1 FROM json_each(%(expressions)s))"
        sql, params = self.as_sql(
            compiler, connection, template=listed, arg_joiner=") WHERE value = (", **extra
        )
        column, of_column = compiler.compile(self.source_expressions[0])
        return f"(INSTR({column}, %s) AND {sql})", (*of_column, self.as_json, *params)

    def as_postgresql(self, compiler: Any, connection: Any, **extra: Any) -> Any:
        column, params = compiler.compile(self.source_expressions[0])
        return f"{column} @> %s::jsonb", (*params, f"[{self.as_json}]")


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
    by, connection = locked_for(by, "connection.tag", connection)
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
