"""What several calls take: names as they may be written."""

from collections.abc import Iterable
from typing import Annotated, Any

from ninja import Path
from pydantic import AfterValidator, Field, StringConstraints

from connhub.connections.models import LINK_NAME

from ..declaring import Sort

Slug = Annotated[str, StringConstraints(min_length=1, max_length=60, pattern=r"^[A-Za-z0-9_-]+$")]
LinkName = Annotated[str, StringConstraints(pattern=LINK_NAME)]
Line = Annotated[
    str, StringConstraints(min_length=1, max_length=80, pattern=r"^[^\x00-\x1f\x7f]+$")
]


def one_of(values: Iterable[str]):
    """What an answer's text can be; not checked, only documented."""
    return Field(json_schema_extra={"enum": list(values)})


def path_but(sort: Sort) -> Any:
    """A part of the path that names such a thing, as it is documented: `not_reserved`."""
    return Path(**{"not": {"enum": list(sort.reserved)}})


def not_reserved(sort: Sort) -> AfterValidator:
    """Takes none of the names that its pages have."""

    def check(name: str) -> str:
        if name in sort.reserved:
            raise ValueError(f"it can't be “{name}”")
        return name

    return AfterValidator(check)
