"""Calls outside services over ConnHub's connections, sync and async."""

from . import errors
from .aio import AsyncConnection, AsyncConnHub
from .client import Connection, ConnHub
from .credentials import Credentials
from .documents import (
    ConnectionInfo,
    DeclaredDataObject,
    DeclaredFlow,
    DeclaredFunction,
    Step,
)
from .errors import (
    AuthorizeAsUser,
    ConnectionRevoked,
    ConnHubError,
    NotRegistered,
    Problem,
    RateLimited,
    ReconnectNeeded,
    Unauthorized,
    UnexpectedAnswer,
    Unreachable,
)

__all__ = [
    "AsyncConnHub",
    "AsyncConnection",
    "AuthorizeAsUser",
    "ConnHub",
    "ConnHubError",
    "Connection",
    "ConnectionInfo",
    "ConnectionRevoked",
    "Credentials",
    "DeclaredDataObject",
    "DeclaredFlow",
    "DeclaredFunction",
    "NotRegistered",
    "Problem",
    "RateLimited",
    "ReconnectNeeded",
    "Step",
    "Unauthorized",
    "UnexpectedAnswer",
    "Unreachable",
    "errors",
]
