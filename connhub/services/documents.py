"""Reads JSON and YAML that strangers wrote, within limits, into plain dicts, lists and values."""

import json
from typing import Any

import yaml

MAX_BYTES = 5 * 2**20
MAX_NODES = 100_000  # with every alias written out
MAX_DEPTH = 60
# Two databases and three browsers agree on nothing longer.
MAX_DIGITS = 18


class BadDocument(ValueError):
    """The document can't be used; the text is one plain sentence."""


TOO_LARGE = "The file is too large or too deeply nested. Leave out what calls don't need."
NOT_READABLE = "The file is neither JSON nor YAML in UTF-8. Check that it is the right one."
TWICE = "The file has a key twice in one place. Remove one of them."
MERGED = "The file merges mappings with <<. Write them out."


def parse(data: bytes) -> Any:
    """The document's content; keys are text, dates too. Raises: BadDocument."""
    if len(data) > MAX_BYTES:
        raise BadDocument("The file is larger than 5 MB.")
    try:
        text = data.decode("utf-8-sig")
        value = _json(text) if text.lstrip()[:1] in ("{", "[") else None
        value = _yaml(text) if value is None else value
        _measure(value, {}, set())
        return _plain(value)
    except BadDocument:
        raise
    except (RecursionError, MemoryError):
        raise BadDocument(TOO_LARGE) from None
    # PyYAML's constructors raise these and more for what looks like a number or a date.
    except (yaml.YAMLError, ValueError, TypeError, AttributeError, LookupError, ArithmeticError):
        raise BadDocument(NOT_READABLE) from None


def _json(text: str) -> Any:
    """None if it isn't JSON: YAML may begin with a brace, too."""
    try:
        return json.loads(text, object_pairs_hook=_object, parse_int=_int, parse_constant=_refuse)
    except json.JSONDecodeError:
        return None


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise BadDocument(TWICE)
    return found


def _int(digits: str) -> int:
    if len(digits) > MAX_DIGITS:
        raise BadDocument("The file has a number that is too long.")
    return int(digits)


def _refuse(name: str) -> None:
    raise BadDocument(NOT_READABLE)


class _Loader(yaml.CSafeLoader):
    """YAML's safe part, in which a key given twice is an error instead of being lost."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict:
        mapping = super().construct_mapping(node, deep=deep)
        if len(mapping) < len(node.value):
            raise BadDocument(TWICE)
        return mapping


def _yaml(text: str) -> Any:
    depth = 0
    for nodes, event in enumerate(yaml.parse(text, Loader=yaml.CSafeLoader)):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        elif isinstance(event, yaml.ScalarEvent):
            _check_scalar(event)
        if depth > MAX_DEPTH or nodes > 2 * MAX_NODES:
            raise BadDocument(TOO_LARGE)
    return yaml.load(text, Loader=_Loader)  # noqa: S506  (it is a safe one)


def _check_scalar(event: yaml.ScalarEvent) -> None:
    is_plain = event.implicit[0] or event.tag
    if event.value == "<<" and is_plain:
        raise BadDocument(MERGED)
    looks_like_number = event.value[:1] in "+-0123456789" if event.value else False
    if is_plain and looks_like_number and len(event.value) > 200 and not event.style:
        raise BadDocument("The file has a number that is too long.")


def _measure(value: Any, known: dict[int, tuple[int, int]], above: set[int]) -> tuple[int, int]:
    """How many nodes and levels, aliases written out; each alias is walked once."""
    if not isinstance(value, dict | list):
        return 1, 1
    if id(value) in known:
        return known[id(value)]
    if id(value) in above:
        raise BadDocument("The file contains itself.")
    if len(value) + len(known) > MAX_NODES or len(above) > MAX_DEPTH:
        raise BadDocument(TOO_LARGE)
    above.add(id(value))
    inner = value.values() if isinstance(value, dict) else value
    sizes = [_measure(each, known, above) for each in inner if isinstance(each, dict | list)]
    above.discard(id(value))
    size = 1 + len(value) + sum(size for size, _ in sizes)
    height = 1 + max((height for _, height in sizes), default=0)
    if size > MAX_NODES or height > MAX_DEPTH:
        raise BadDocument(TOO_LARGE)
    known[id(value)] = size, height
    return size, height


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _plain(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_plain(each) for each in value]
    return value if value is None or isinstance(value, str | int | float | bool) else str(value)


def text(value: Any, limit: int) -> str:
    """A document's text as one line of printable characters, cut at the limit."""
    words = value.split() if isinstance(value, str) else []
    line = "".join(c if c.isprintable() else "" for c in " ".join(words))
    return line if len(line) <= limit else line[: limit - 1] + "…"


def mapping(value: Any) -> dict[str, Any]:
    """The value, or an empty one: the rules leave room for anything under unusual names."""
    return value if isinstance(value, dict) else {}
