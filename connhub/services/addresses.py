"""Filling a service's URLs: `https://{shop}.example.com` with what the connection says."""

import re
from collections.abc import Mapping
from typing import Any

TEXTS = ("audience", "realm", "region", "service")
TEXT_MAPS = ("authorize_params", "token_params", "claims")
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


def fill_text(template: str, parameters: Mapping[str, str]) -> str:
    """A text that is no address, with every {placeholder} replaced. Raises: Unfilled."""

    def value(match: re.Match) -> str:
        if match[1] not in parameters:
            raise Unfilled(f"{match[1]} is missing.")
        return parameters[match[1]]

    return PLACEHOLDER.sub(value, template)


def fill_config(config: Mapping[str, Any], parameters: Mapping[str, str]) -> dict[str, Any]:
    """An auth method's configuration with its URLs and texts filled. Raises: Unfilled.

    Headers are not: each call gets its own, and they may name the client id.
    """
    return {name: _filled(name, value, parameters) for name, value in config.items()}


def _filled(name: str, value: Any, parameters: Mapping[str, str]) -> Any:
    if name.endswith("_url") and value:
        return fill(value, parameters)
    if name in TEXTS:
        return fill_text(value, parameters)
    if name in TEXT_MAPS:
        return {key: fill_text(text, parameters) for key, text in value.items()}
    if name == "login":
        return {**value, "url": fill(value["url"], parameters)}
    return value


def templates(config: Mapping[str, Any]) -> list[str]:
    """Everything in an auth method's configuration that `fill_config` fills."""
    found = [value for name, value in config.items() if name.endswith("_url") or name in TEXTS]
    for name in TEXT_MAPS:
        found += config.get(name, {}).values()
    return [*found, config["login"]["url"]] if "login" in config else found
