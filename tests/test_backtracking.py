"""SECURITY 10.7: no pattern that reads outside input can be made to take long.

All patterns of the code and of the catalogue are found by themselves. Each reads strings that begin
as it likes, go on with one thing 100,000 characters long, and end as it doesn't.
"""

import ast
import importlib
import pkgutil
import re
import time
from collections.abc import Iterable, Iterator
from functools import cache
from heapq import nlargest
from itertools import product
from pathlib import Path

import pytest
import yaml
from django.core.validators import RegexValidator

import connhub

HOUSE = Path(connhub.__file__).parent
SOURCES = {path: path.read_text() for path in HOUSE.rglob("*.py") if "migrations" not in path.parts}
CODE = "\n".join(SOURCES.values())
WAYS = ("match", "fullmatch", "search", "sub", "findall", "finditer", "split")
# A pattern that takes exponentially long shows with the first, a quadratic one with the last two,
# for which the strings are taken that took longest before.
LENGTHS, WORST = (22, 2_000, 20_000, 100_000), 3
LIMIT_S = 1
OPERATORS_OWN = {
    "connhub.egress.allowed.ENTRY",  # of the allow-list, which is set outside the web UI
}
Found = tuple[str, str, "re.Pattern"]  # where, by which method, what


def of_modules() -> Iterator[Found]:
    """Those that have a name, used in the ways that the code uses the name."""
    for info in pkgutil.walk_packages([str(HOUSE)], "connhub."):
        if any(part in info.name for part in (".migrations", ".management", ".__main__")):
            continue
        for name, value in vars(importlib.import_module(info.name)).items():
            where = f"{info.name}.{name}"
            if isinstance(value, RegexValidator):
                yield where, "search", re.compile(value.regex.pattern, value.regex.flags)
            elif isinstance(value, re.Pattern):
                used = re.findall(rf"\b{name}\.({'|'.join(WAYS)})\(", CODE)
                yield from ((where, way, value) for way in sorted(set(used)) or ["search"])


def of_calls() -> Iterator[Found]:
    """Those written where they are used: `re.sub(r"…", …)`, `pattern=r"…"`."""
    for path, source in SOURCES.items():
        for node in ast.walk(ast.parse(source)):
            if not isinstance(node, ast.Call):
                continue
            way = getattr(node.func, "attr", "")
            texts = [keyword.value for keyword in node.keywords if keyword.arg == "pattern"]
            if ast.unparse(node.func).startswith("re.") and way in WAYS:
                texts.append(node.args[0])
            for text in texts:
                if isinstance(text, ast.Constant):
                    where = f"{path.relative_to(HOUSE.parent)}:{node.lineno}"
                    yield where, way if way in WAYS else "search", re.compile(text.value)


def of_the_catalogue() -> Iterator[Found]:
    """What its services ask of the values that people type."""
    for path in (HOUSE / "services" / "catalogue").rglob("*.yaml"):
        for text in patterns_in(yaml.safe_load(path.read_text())):
            yield path.name, "search", re.compile(text)


def patterns_in(data) -> Iterator[str]:
    if isinstance(data, dict):
        yield from (data["pattern"],) if isinstance(data.get("pattern"), str) else ()
        data = list(data.values())
    if isinstance(data, list):
        for value in data:
            yield from patterns_in(value)


@cache
def patterns() -> dict[str, tuple[str, "re.Pattern"]]:
    """Each once, by where it is and how it is used."""
    found = [*of_modules(), *of_calls(), *of_the_catalogue()]
    by_text = {(way, pattern.pattern): (where, pattern) for where, way, pattern in reversed(found)}
    return {
        f"{where} {way}": (way, pattern)
        for (way, _), (where, pattern) in by_text.items()
        if where not in OPERATORS_OWN
    }


def hostile(text: str, length: int) -> Iterator[str]:
    """A beginning, one thing over and over, and an end: of what the pattern itself speaks of."""
    signs = sorted(
        {*re.findall(r"[^\w\s\\^$()|?*+{}<>]", text), " ", "\t", "a", "A", "0", "=", "'"}
    )
    words = re.findall(r"[a-z]{4,}", text)[:3]
    beginnings = ["", "a", "a=", "a:", "://", "{a", *(f"{word}:" for word in words)]
    repeated = [*signs, *(f"a{sign}" for sign in signs), *words, "%25", "{a", "://a:"]
    for beginning, one, end in product(beginnings, repeated, ("\x00", "a\n\x00")):
        yield beginning + one * (length // len(one)) + end


def times(way: str, pattern: "re.Pattern", strings: Iterable[str]) -> Iterator[tuple[float, int]]:
    """How long each took, with its number."""
    call = {
        "sub": lambda said: pattern.sub(said[:0], said),
        "finditer": lambda said: list(pattern.finditer(said)),
    }.get(way, getattr(pattern, way))
    for number, said in enumerate(strings):
        began = time.process_time()
        call(said if isinstance(pattern.pattern, str) else said.encode())
        yield time.process_time() - began, number


def slowest(way: str, pattern: "re.Pattern", limit_s: float = LIMIT_S) -> float:
    """The CPU time of the worst string, or of the first beyond the limit."""
    text = pattern.pattern if isinstance(pattern.pattern, str) else pattern.pattern.decode()
    chosen = range(len(list(hostile(text, 1))))
    for length in LENGTHS:
        strings = list(hostile(text, length))
        found = []
        for took_s, number in times(way, pattern, (strings[index] for index in chosen)):
            found.append((took_s, chosen[number]))
            if took_s > limit_s:
                return took_s
        chosen = range(len(strings)) if length < 100 else [n for _, n in nlargest(WORST, found)]
    return max(found)[0]


@pytest.mark.parametrize("name", patterns())
def test_no_pattern_takes_long_over_a_hostile_string(name):
    assert slowest(*patterns()[name]) < LIMIT_S


@pytest.mark.parametrize("text", [r"(a+)+$", r"a=(.*?)\s*\Z"])
def test_a_pattern_that_does_is_found(text):
    assert slowest("match", re.compile(text), limit_s=0.2) > 0.2
