"""Every URL that ConnHub has, from its URL configuration: a new one is walked by itself."""

import re
from collections.abc import Iterator, Mapping
from itertools import product
from typing import NamedTuple

from django.urls import URLPattern, URLResolver, get_resolver, resolve

ARGUMENT = re.compile(r"<(?:\w+:)?(\w+)>|\(\?P<(\w+)>[^()]*\)")


class Page(NamedTuple):
    """One URL with real arguments, and the pattern it comes from."""

    route: str
    name: str
    url: str
    pattern: URLPattern


class UnknownArgument(Exception):
    """A pattern has an argument that no value is known for; the text says where to add one."""


def patterns(resolver=None, route="", names=()) -> Iterator[tuple[str, str, URLPattern]]:
    """Each pattern with its whole route and its name, such as `connections:rename`."""
    for entry in (resolver or get_resolver()).url_patterns:
        here = route + str(entry.pattern).removeprefix("^")
        if isinstance(entry, URLResolver):
            inner = (*names, entry.namespace) if entry.namespace else names
            yield from patterns(entry, here, inner)
        else:
            yield here.removesuffix("$"), ":".join([*names, entry.name or "unnamed"]), entry


def pages(values: Mapping[str, list]) -> Iterator[Page]:
    """Every page with every value of its arguments.

    A value is looked up by name and argument (`admin:accounts_user_change.object_id`), then by
    longest beginning of the route and argument (`integrations/.slug`), then by the argument.
    """
    for route, name, pattern in patterns():
        arguments = [match[1] or match[2] for match in ARGUMENT.finditer(route)]
        for chosen in product(
            *(_values_of(route, name, argument, values) for argument in arguments)
        ):
            remaining = iter(chosen)
            url = "/" + ARGUMENT.sub(lambda match, rest=remaining: str(next(rest)), route)
            if resolve(url).func != pattern.callback:
                raise UnknownArgument(f"{route}: {url} leads to another page. Choose other values.")
            yield Page(route, name, url, pattern)


def _values_of(route: str, name: str, argument: str, values: Mapping[str, list]) -> list:
    beginnings = [f"{route[:end]}.{argument}" for end in range(len(route), 0, -1)]
    for key in (f"{name}.{argument}", *beginnings, argument):
        if key in values:
            return values[key]
    raise UnknownArgument(
        f'The URL "{route}" ({name}) has an argument that nothing is known for: add a value to the '
        f'test that walks every URL, under "{name}.{argument}", '
        f'"{route.partition("<")[0]}.{argument}" or "{argument}".'
    )
