"""Takes JSON that strangers wrote apart, within limits; what it says is wrong never quotes a value."""

import json
from collections.abc import Callable, Mapping
from typing import Any

MAX_TEXT = 64 * 2**10  # bytes in UTF-8
MAX_DEPTH = 32
MAX_DIGITS = 18

Shape = Callable[[Any, str], Any]


class Misshapen(ValueError):
    """The content isn't what it must be; the text says where, in one plain sentence."""


def parse(data: bytes) -> Any:
    """The JSON (RFC 8259) in UTF-8, without keys given twice, NaN, NUL or halves of surrogate pairs.

    Raises: Misshapen.
    """
    try:
        value = json.loads(
            data.decode(), object_pairs_hook=_object, parse_constant=_refuse, parse_int=_int
        )
        _measure(value, 0)
    except (ValueError, RecursionError) as error:
        raise error if isinstance(error, Misshapen) else Misshapen("It is not JSON.") from None
    return value


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise Misshapen("It has a key twice in one place.")
    return found


def _refuse(name: str) -> None:
    raise Misshapen("It has a number that is none.")


def _int(digits: str) -> int:
    if len(digits) > MAX_DIGITS:
        raise Misshapen("It has a number that is too long.")
    return int(digits)


def _measure(value: Any, depth: int) -> None:
    if depth > MAX_DEPTH:
        raise Misshapen(f"It is nested more than {MAX_DEPTH} deep.")
    if isinstance(value, str):
        _measure_text(value)
    elif isinstance(value, dict):
        for name, each in value.items():
            _measure_text(name)
            _measure(each, depth + 1)
    elif isinstance(value, list):
        for each in value:
            _measure(each, depth + 1)


def _measure_text(value: str) -> None:
    # Half of a surrogate pair can't be encoded: a UnicodeEncodeError is a ValueError.
    size = len(value) if value.isascii() else len(value.encode())
    if size > MAX_TEXT:
        raise Misshapen("It has a text of more than 64 KiB.")
    if "\0" in value:
        raise Misshapen("It has a character that can't be used.")


# --- Shapes: each gives the value back, or says where it isn't what it must be ---------------------


def text(longest: int, *, blank: bool = True) -> Shape:
    """A text of at most so many characters."""

    def check(value: Any, where: str) -> str:
        if not isinstance(value, str) or len(value) > longest or not (value or blank):
            raise Misshapen(f"{where} is not a text of {int(not blank)} to {longest} characters.")
        return value

    return check


def line(longest: int, *, blank: bool = True) -> Shape:
    """A text on one line, of characters that print."""
    as_text = text(longest, blank=blank)

    def check(value: Any, where: str) -> str:
        if any(character < " " or character == "\x7f" for character in as_text(value, where)):
            raise Misshapen(f"{where} is not a single line of ordinary characters.")
        return value

    return check


def flag(value: Any, where: str) -> bool:
    if not isinstance(value, bool):
        raise Misshapen(f"{where} is neither true nor false.")
    return value


def number(least: int, most: int) -> Shape:
    def check(value: Any, where: str) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
            raise Misshapen(f"{where} is not a whole number from {least} to {most}.")
        return value

    return check


def one_of(*choices: str) -> Shape:
    def check(value: Any, where: str) -> str:
        if not isinstance(value, str) or value not in choices:
            raise Misshapen(f"{where} is none of what it can be.")
        return value

    return check


def maybe(shape: Shape) -> Shape:
    """That, or null."""
    return lambda value, where: None if value is None else shape(value, where)


def each(shape: Shape, most: int) -> Shape:
    """A list of at most so many."""

    def check(value: Any, where: str) -> list:
        if not isinstance(value, list) or len(value) > most:
            raise Misshapen(f"{where} is not a list of at most {most:,}.")
        return [shape(item, f"{where}[{number}]") for number, item in enumerate(value)]

    return check


def pairs(name: Shape, shape: Shape, most: int) -> Shape:
    """An object whose names are not known beforehand."""

    def check(value: Any, where: str) -> dict[str, Any]:
        if not isinstance(value, dict) or len(value) > most:
            raise Misshapen(f"{where} is not an object of at most {most} entries.")
        return {name(key, f"A name in {where}"): shape(value[key], where) for key in value}

    return check


def record(needed: Mapping[str, Shape], optional: Mapping[str, Shape] | None = None) -> Shape:
    """An object with these entries and no others."""
    known = {**needed, **(optional or {})}

    def check(value: Any, where: str) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise Misshapen(f"{where} is not an object.")
        if missing := sorted(needed.keys() - value.keys()):
            raise Misshapen(f"{where}.{missing[0]} is missing.")
        if value.keys() - known.keys():
            raise Misshapen(f"{where} has an entry that nobody knows.")
        return {key: known[key](value[key], f"{where}.{key}") for key in value}

    return check
