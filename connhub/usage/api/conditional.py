"""Calls that depend on what the caller knows already (RFC 9110 section 13)."""

from typing import Annotated

from django.http import HttpResponse
from django.utils.http import parse_etags
from ninja import Header

from ..declaring import OnlyIf

IfNoneMatch = Annotated[
    str | None,
    Header(
        alias="If-None-Match",
        description="ETag of what is known already: if nothing changed since, 304 is answered.",
    ),
]
IfMatch = Annotated[
    str | None,
    Header(alias="If-Match", description="ETag of the only state that this is meant for, or *."),
]
IfAbsent = Annotated[
    str | None,
    Header(
        alias="If-None-Match",
        description="With *: only if there is none yet; or an ETag not to be met.",
    ),
]


def is_known(tag: str, known: str | None) -> bool:
    """Whether the caller has the state of this tag."""
    return known is not None and _among(_strong(tag), map(_strong, parse_etags(known)))


def not_modified(tag: str) -> HttpResponse:
    response = HttpResponse(status=304, headers={"ETag": tag})
    del response["Content-Type"]
    return response


def only_if(match: str | None, none_match: str | None) -> OnlyIf | None:
    """The condition that both headers make up, over a version; None if there is none."""
    if match is None and none_match is None:
        return None

    def holds(version: str) -> bool:
        tag = tag_of(version) if version else ""
        matches = match is None or _among(tag, parse_etags(match))
        return matches and not is_known(tag, none_match)

    return holds


def tag_of(version: str, *, weak: bool = False) -> str:
    return f'W/"{version}"' if weak else f'"{version}"'


def _among(tag: str, tags) -> bool:
    return bool(tag) and any(each in ("*", tag) for each in tags)


def _strong(tag: str) -> str:
    return tag.removeprefix("W/")
