"""What of a service's answer a person is shown, as text, without the secret that was sent."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass

from requests import Response

from .calling.redaction import Redactor

MOST_SHOWN = 64 * 1024  # characters of a body
SHOWN_HEADERS = frozenset(
    [
        "content-type",
        "content-length",
        "content-language",
        "date",
        "etag",
        "last-modified",
        "location",
        "link",
        "allow",
        "retry-after",
        "vary",
        "cache-control",
        "expires",
        "x-request-id",
        "www-authenticate",
        "deprecation",
        "sunset",
    ]
)
SHOWN_PREFIXES = ("x-ratelimit-", "ratelimit", "x-rate-limit-", "x-total-")
JSON_TYPE = re.compile(r"\s*+[^;]*[/+]json\s*+(?:;|$)", re.I)
OPENING, CLOSING = frozenset("[{"), frozenset("]}")
TOKEN = re.compile(r'"(?:[^"\\]|\\.)*+"|[\[\]{}:,]|[^\s"\[\]{}:,]++')


@dataclass(frozen=True, slots=True)
class Answer:
    """What was sent, secrets replaced, and what came back of it, for the page alone."""

    sent: str
    status: int
    reason: str
    took_ms: int
    headers: list[tuple[str, str]]
    body: str
    note: str

    @property
    def ok(self) -> bool:
        return self.status < 400


def answer_of(response: Response, sent: str, took_ms: int, redactor: Redactor) -> Answer:
    """The answer without the secret wherever it came back, its body as far as it is text."""

    def clean(text: str) -> str:
        return redactor.clean(text.encode()).decode(errors="replace")

    is_json = bool(JSON_TYPE.match(response.headers.get("content-type", "")))
    body, note = text_of(redactor.clean(response.content), is_json=is_json)
    return Answer(
        sent=clean(sent),
        status=response.status_code,
        reason=clean(response.reason or ""),
        took_ms=took_ms,
        headers=[
            (name, clean(value)) for name, value in response.headers.items() if _is_shown(name)
        ],
        body=body,
        note=note,
    )


def _is_shown(name: str) -> bool:
    return name.lower() in SHOWN_HEADERS or name.lower().startswith(SHOWN_PREFIXES)


def text_of(body: bytes, *, is_json: bool = False) -> tuple[str, str]:
    """The body as far as it is text, JSON laid out, and what there is to say about the rest."""
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = "\0"
    # In another coding a secret would not have been found.
    if "\0" in text:
        return "", f"The body is no text in UTF-8 and is not shown: {len(body):,} bytes."
    if is_json:
        text = _laid_out(text)
    if len(text) > MOST_SHOWN:
        return text[:MOST_SHOWN], f"Cut here: the body has {len(body):,} bytes."
    return text, "" if text else "There is no body."


def _laid_out(text: str) -> str:
    """JSON with a line for each value, its tokens as they came; what is no JSON stays as it is.

    A little more of it than is shown, however deep it goes.
    """
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return text
    lines: list[str] = []
    size = 0
    for piece in _pieces(text):
        lines.append(piece)
        size += len(piece)
        if size > MOST_SHOWN:
            break
    return "".join(lines)


def _pieces(text: str) -> Iterator[str]:
    before, depth = "", 0
    for match in TOKEN.finditer(text):
        token = match[0]
        depth -= token in CLOSING
        if before in OPENING and token in CLOSING:
            yield token
        elif token in CLOSING or before == "," or before in OPENING:
            yield "\n" + "  " * depth + token
        else:
            yield ": " if token == ":" else token
        depth += token in OPENING
        before = token
