"""Adds a connection's credential to a call, in place of whatever the caller put there."""

from collections.abc import Iterable
from urllib.parse import quote, unquote_plus, urlencode

from multidict import CIMultiDict

from ..auth.base import Injection
from .headers import Raw, for_service
from .redaction import Redactor

FORM = b"application/x-www-form-urlencoded"


class Injector:
    """An injection made ready for many calls, and what must not come back of it."""

    def __init__(self, injection: Injection) -> None:
        self.redactor = Redactor(injection.secrets)
        self.needs_form = bool(injection.form)
        self.sign = injection.sign
        self._headers, self._defaults = injection.headers, injection.defaults
        self._header_names = {name.lower().encode() for name, _ in injection.headers}
        self._query = urlencode(injection.query, quote_via=quote)
        self._query_names = {name.casefold() for name, _ in injection.query}
        self._form = urlencode(injection.form).encode()
        self._form_names = {name.casefold() for name, _ in injection.form}

    def headers(self, given: Iterable[Raw]) -> CIMultiDict[str]:
        """What is sent for the caller's headers. Raises: BadHeader."""
        headers = for_service(given, without=self._header_names)
        headers.extend(self._headers)
        for name, value in self._defaults:
            if name not in headers:
                headers.add(name, value)
        return headers

    def query(self, given: str) -> str:
        """What is sent for the caller's raw query."""
        if not self._query:
            return given
        kept = _without(given, self._query_names)
        return f"{kept}&{self._query}" if kept else self._query

    def form(self, given: bytes) -> bytes:
        """What is sent for the caller's URL-encoded form."""
        kept = _without(given.decode("latin-1"), self._form_names).encode("latin-1")
        return kept + b"&" + self._form if kept else self._form


def _without(pairs: str, names: set[str]) -> str:
    return "&".join(pair for pair in pairs.split("&") if pair and not _names(pair) & names)


def _names(pair: str) -> set[str]:
    """What the pair may be called: some servers part pairs by semicolons as well."""
    return {unquote_plus(part.partition("=")[0]).strip().casefold() for part in pair.split(";")}
