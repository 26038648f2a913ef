"""What ConnHub is told and tells, apart from the services' own answers."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal, Self, TypeVar

import httpx2

from .errors import UnexpectedAnswer

Made = TypeVar("Made")


@dataclass(frozen=True, slots=True)
class ConnectionInfo:
    """A connection that the key may use, as it stands in the key's environment."""

    link_name: str
    name: str
    service: str
    kind: str
    environment: str
    status: str
    access_mode: str
    login_user: bool

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> Self:
        return cls(**_known(cls, document))


@dataclass(frozen=True, slots=True)
class Page:
    """Some connections, and what the call for those after them says: None if there are none."""

    connections: list[ConnectionInfo]
    next: str | None

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> Self:
        return cls([ConnectionInfo.of(each) for each in document["connections"]], document["next"])


@dataclass(frozen=True, slots=True)
class Step:
    """A step of a flow: an export reads from the connection's service, an import writes to it."""

    name: str
    kind: Literal["export", "import"]
    connection: str


@dataclass(frozen=True, slots=True)
class DeclaredFlow:
    """A flow as ConnHub has it now; `registered` are link names that the declaration registered.

    `reminder` says who gained access by that.
    """

    slug: str
    name: str
    registered: list[str]
    reminder: str | None

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> Self:
        return cls(**_known(cls, document))


@dataclass(frozen=True, slots=True)
class DeclaredDataObject:
    """An external data object as ConnHub has it now; see `DeclaredFlow`."""

    app: str
    app_name: str
    name: str
    connection: str
    registered: list[str]
    reminder: str | None

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> Self:
        return cls(**_known(cls, document))


@dataclass(frozen=True, slots=True)
class DeclaredFunction:
    """A function as ConnHub has it now; see `DeclaredFlow`."""

    name: str
    connections: list[str]
    registered: list[str]
    reminder: str | None

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> Self:
        return cls(**_known(cls, document))


def declaration(name: str, steps: Iterable[Step]) -> dict[str, Any]:
    """The body that declares a flow."""
    return {"name": name, "steps": [asdict(step) for step in steps]}


def read(response: httpx2.Response, make: Callable[[Mapping[str, Any]], Made]) -> Made:
    """What an answer of ConnHub's own says. Raises: UnexpectedAnswer."""
    try:
        if response.is_success:
            return make(response.json())
    except (ValueError, LookupError, TypeError):
        pass
    raise UnexpectedAnswer(
        f"{response.url} answered {response.status_code}, and not as ConnHub does. Check the URL."
    )


def _known(cls: type[Any], document: Mapping[str, Any]) -> dict[str, Any]:
    """The values of the class's fields; a newer ConnHub may say more."""
    return {field.name: document[field.name] for field in fields(cls)}
