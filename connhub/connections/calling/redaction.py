"""Keeps an injected secret from coming back, in whatever coding a service repeats it."""

import json
import re
from base64 import b64encode
from collections.abc import Iterable, Iterator
from urllib.parse import quote, quote_plus

# Shorter ones would be found in everything.
SHORTEST = 4


class Redactor:
    """Finds some secrets in bytes and overwrites them with asterisks, leaving the length as it is.

    It knows them raw, URL-encoded, JSON-escaped, and in base64 alone or within something longer.
    """

    def __init__(self, secrets: Iterable[str]) -> None:
        found = {form for secret in secrets for form in _forms(secret.encode())}
        self.forms = sorted(found, key=len, reverse=True)
        self.longest = max(map(len, self.forms), default=0)
        self._pattern = re.compile(b"|".join(map(re.escape, self.forms)) or b"(?!)")

    def found_in(self, data: bytes) -> bool:
        # Several plain searches are far faster than one with alternatives.
        return any(form in data for form in self.forms)

    def clean(self, data: bytes) -> bytes:
        return self._pattern.sub(lambda match: b"*" * len(match[0]), data)

    def settled(self, data: bytes) -> int:
        """How many bytes of `data` can be judged without knowing what follows."""
        end = self._beginning_at_end(data)
        if self.found_in(data):
            for match in self._pattern.finditer(data):
                # Cut in no match; what ends with the data may be part of a longer form.
                if match.end() > end or match.end() == len(data):
                    return min(end, match.start())
        return end

    def _beginning_at_end(self, data: bytes) -> int:
        """Where the earliest form begins of which `data` holds only the first bytes."""
        end = len(data)
        tail = max(0, end - self.longest + 1)
        for form in self.forms:
            at = data.find(form[:1], max(tail, len(data) - len(form) + 1))
            while at != -1 and at < end:
                if form.startswith(data[at:]):
                    end = at
                    break
                at = data.find(form[:1], at + 1)
        return end


class Window:
    """Redacts a body piece by piece, holding back only what may be the beginning of a secret."""

    def __init__(self, redactor: Redactor) -> None:
        self._redactor = redactor
        self._held = b""
        self.found = False

    def feed(self, data: bytes) -> bytes:
        """What can be passed on of all that came so far."""
        if not self._redactor.forms:
            return data
        if self._held:
            data = self._held + data
        end = self._redactor.settled(data)
        self._held = data[end:]
        return self._clean(data[:end])

    def finish(self) -> bytes:
        """What was held back, once nothing more comes."""
        rest, self._held = self._held, b""
        return self._clean(rest)

    def _clean(self, data: bytes) -> bytes:
        if not self._redactor.found_in(data):
            return data
        self.found = True
        return self._redactor.clean(data)


def _forms(secret: bytes) -> Iterator[bytes]:
    if len(secret) < SHORTEST:
        return
    yield secret
    for encoded in (quote(secret, safe=""), quote(secret), quote_plus(secret)):
        yield encoded.encode()
        yield re.sub("%..", lambda match: match[0].lower(), encoded).encode()
    escaped = json.dumps(secret.decode())[1:-1]
    yield escaped.encode()
    yield escaped.replace("/", "\\/").encode()
    for standard in _base64(secret):
        yield standard
        yield standard.replace(b"+", b"-").replace(b"/", b"_")


def _base64(secret: bytes) -> Iterator[bytes]:
    """Its own base64, and what of it stands in the base64 of something that contains it."""
    yield b64encode(secret).rstrip(b"=")
    for before in range(3):
        encoded = b64encode(bytes(before) + secret)
        first = (before * 8 + 5) // 6
        last = (before + len(secret)) * 8 // 6
        if last - first >= SHORTEST:
            yield encoded[first:last]
