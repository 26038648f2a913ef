"""The call that the guide shows: one that the service's definition knows, or its first page."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from typing import Any

from connhub.services.limits import Limits
from connhub.services.models import AuthMethod, Service
from connhub.services.operations import FORM

from ..calling.limits import require_allowed
from ..calling.paths import require_canonical, require_query
from ..calling.refusals import BadPath, MethodNotAllowed, PathNotAllowed
from ..probing import test_of

TEST, OPERATION, NOTHING_KNOWN = "test", "operation", ""
MOST_OPERATIONS = 50


@dataclass(frozen=True, slots=True)
class Sample:
    """One call below the base URL; `source` says where it comes from."""

    method: str = "GET"
    path: str = "/"  # with its query
    headers: tuple[tuple[str, str], ...] = ()
    json: Any = None
    body_type: str = ""
    source: str = NOTHING_KNOWN

    @property
    def is_made_up(self) -> bool:
        """Whether the service may have nothing at the path."""
        return self.source == NOTHING_KNOWN


def sample_of(method: AuthMethod) -> Sample:
    """The test of the method or its service, else an operation that takes nothing, else `/`, or what it may begin with.

    What the proxy would not pass on is none of them.
    """
    takes_form = any(key["in"] == "form" for key in method.api_keys)
    body_type = FORM if takes_form else ""
    limits = Limits.of(method.service)
    known = chain(_of_test(method, body_type), _of_operations(method.service, body_type))
    for sample in known:
        if _passes(sample, limits):
            return sample
    usual = "POST" if takes_form else "GET"
    return Sample(
        method=usual if limits.allow_method(usual) else limits.methods[0],
        path="/" if limits.allow_path("/") else limits.paths[0],
        body_type=body_type,
    )


def _of_test(method: AuthMethod, body_type: str) -> Iterator[Sample]:
    test = test_of(method)
    if test:
        yield Sample(
            method=test.get("method", "GET"),
            path=test["path"],
            headers=tuple(test.get("headers", {}).items()),
            json=test.get("json"),
            body_type="application/json" if "json" in test else body_type,
            source=TEST,
        )


def _of_operations(service: Service, body_type: str) -> Iterator[Sample]:
    """Those without a required parameter that change nothing; shorter paths first."""
    verb = "POST" if body_type else "GET"
    known = service.operations.filter(method=verb, body_required=False)
    found = list(known.exclude(path__contains="{")[:MOST_OPERATIONS])
    for operation in sorted(found, key=lambda each: len(each.path)):
        if not any(parameter["required"] for parameter in operation.parameters):
            yield Sample(verb, operation.path, body_type=body_type, source=OPERATION)


def _passes(sample: Sample, limits: Limits) -> bool:
    path, _, query = sample.path.partition("?")
    below = path.removeprefix("/")
    try:
        require_canonical(below.encode())
        require_query(query.encode())
        require_allowed(limits, sample.method, below)
    except (BadPath, MethodNotAllowed, PathNotAllowed):
        return False
    return path.startswith("/")
