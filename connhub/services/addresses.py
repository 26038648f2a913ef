"""Filling a service's URLs: `https://{shop}.example.com` with what the connection says."""

import re
from collections.abc import Mapping
from typing import Any

PLACEHOLDER = re.compile(r"\{([a-z][a-z0-9_]*)\}")
# A value is one piece of a host name or path: nothing in it may end that piece.
VALUE = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._~-]{0,198}[A-Za-z0-9_~-])?")


class Unfilled(ValueError):
    """A placeholder has no value, or one that would change the address around it."""


def fill(template: str, parameters: Mapping[str, str]) -> str:
    """The URL with every {placeholder} replaced. Raises: Unfilled."""

    def value(match: re.Match) -> str:
        name = match[1]
        text = parameters.get(name, "")
        if not VALUE.fullmatch(text) or ".." in text:
            raise Unfilled(f"{name} is missing or has characters that an address can't have there.")
        return text

    return PLACEHOLDER.sub(value, template)


def fill_config(config: Mapping[str, Any], parameters: Mapping[str, str]) -> dict[str, Any]:
    """An auth method's configuration with its URLs filled. Raises: Unfilled."""
    return {
        name: fill(value, parameters) if name.endswith("_url") and value else value
        for name, value in config.items()
    }
