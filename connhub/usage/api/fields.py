"""What several calls take: names as they may be written."""

from collections.abc import Iterable
from typing import Annotated

from pydantic import Field, StringConstraints

from connhub.connections.models import LINK_NAME

LinkName = Annotated[str, StringConstraints(pattern=LINK_NAME)]
Line = Annotated[
    str, StringConstraints(min_length=1, max_length=80, pattern=r"^[^\x00-\x1f\x7f]+$")
]


def one_of(values: Iterable[str]):
    """What an answer's text can be; not checked, only documented."""
    return Field(json_schema_extra={"enum": list(values)})
