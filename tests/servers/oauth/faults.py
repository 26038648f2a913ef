"""What the tests change from outside while the server runs. Shared by all its threads."""

import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

StartResponse = Callable
Application = Callable[[dict, StartResponse], Iterable[bytes]]

ENDPOINTS = {"token": "/o/token/", "revoke": "/o/revoke_token/", "api": "/api/me"}
DEFAULT_LIFETIME_S = 3600


@dataclass
class Lifetime:
    """How long the next access tokens live."""

    seconds: int = DEFAULT_LIFETIME_S


@dataclass(frozen=True)
class Fault:
    """One answer that goes wrong: which kind, at which endpoint, and for `slow` how slow."""

    kind: str
    endpoint: str = "token"
    seconds: float = 12.0


@dataclass
class Faults:
    """The faults still to come; each hits the next request to its endpoint, once."""

    planned: list[Fault] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def plan(self, fault: Fault, *, times: int) -> None:
        with self.lock:
            self.planned += [fault] * times

    def take(self, path: str) -> Fault | None:
        """The fault for a request to this path, which is thereby used up."""
        with self.lock:
            for fault in self.planned:
                if ENDPOINTS[fault.endpoint] == path:
                    self.planned.remove(fault)
                    return fault
        return None

    def clear(self) -> None:
        with self.lock:
            self.planned.clear()


lifetime = Lifetime()
faults = Faults()

# kind: status line, content type, body
ANSWERS = {
    "500": ("500 Internal Server Error", "text/plain", b"Something broke."),
    "429": ("429 Too Many Requests", "application/json", b'{"error": "slow_down"}'),
    "malformed": ("200 OK", "application/json", b'{"access_token": "abc", "expires_in"'),
    "html": ("502 Bad Gateway", "text/html", b"<html><h1>502 Bad Gateway</h1></html>"),
}
KINDS = ("slow", *ANSWERS)


def faulty(application: Application) -> Application:
    """The application with the planned faults.

    `slow` lets the application do its work, then holds the answer back, so that a client which
    gives up has lost an answer that counts. The other kinds never reach the application.
    """

    def answer(environ: dict, start_response: StartResponse) -> Iterable[bytes]:
        fault = faults.take(environ["PATH_INFO"])
        if fault is None:
            return application(environ, start_response)
        if fault.kind == "slow":
            return _late(application, fault.seconds, environ, start_response)
        return _wrong(fault.kind, start_response)

    return answer


def _late(
    application: Application, seconds: float, environ: dict, start_response: StartResponse
) -> Iterable[bytes]:
    body = list(application(environ, start_response))  # nothing is sent before this returns
    time.sleep(seconds)
    return body


def _wrong(kind: str, start_response: StartResponse) -> Iterable[bytes]:
    status, content_type, body = ANSWERS[kind]
    headers = [("Content-Type", content_type), ("Content-Length", str(len(body)))]
    if kind == "429":
        headers.append(("Retry-After", "7"))
    start_response(status, headers)
    return [body]
