"""Drivers that speak a protocol themselves: greeting, TLS, sign-in, one thing to ask."""

import socket
from abc import abstractmethod
from datetime import datetime
from typing import IO, ClassVar

from connhub.connections.reports import StepFailed, Trail
from connhub.egress import tls

from .base import OFF, Driver, Target
from .links import plainly, reached
from .words import NO_TLS, WITHOUT_TLS, Words

MAX_LINE = 4096  # bytes, with its end
MAX_LINES = 200  # that a server may send in all
MAX_ANSWER = 2**16  # bytes in one piece


class Dialogue:
    """Says and hears lines, or pieces of known size, and never more than a test needs."""

    def __init__(self, link: socket.socket, stranger: Words) -> None:
        self.link = link
        self.stranger = stranger  # told of a server that isn't of the kind
        self.stream: IO[bytes] = link.makefile("rb")
        self.lines_left = MAX_LINES
        self.certificate_ends_at: datetime | None = None
        self.greeting = b""  # where a driver wants to come back to it

    def __enter__(self) -> "Dialogue":
        return self

    def __exit__(self, *error: object) -> None:
        self.stream.close()
        self.link.close()

    def secure(self, target: Target) -> None:
        """Go on with TLS; what came in clear and was not heard yet never will be."""
        self.stream.close()
        context = target.tls_context()
        self.link = context.wrap_socket(self.link, server_hostname=target.host)
        self.stream = self.link.makefile("rb")
        self.certificate_ends_at = tls.ends_at(self.link)

    def say(self, line: str) -> None:
        self.send(line.encode() + b"\r\n")

    def send(self, data: bytes) -> None:
        self.link.sendall(data)

    def hear(self, most: int = MAX_LINE) -> bytes:
        """The next line, of less than `most` bytes, without its end.

        Raises:
            StepFailed: it is too long, or there were too many.
            ConnectionResetError: the server hung up.
        """
        line = self.stream.readline(most)
        self.lines_left -= 1
        if len(line) == most or self.lines_left < 0:
            raise StepFailed(*self.stranger)
        if not line.endswith(b"\n"):
            raise ConnectionResetError
        return line.rstrip(b"\r\n")

    def read(self, size: int) -> bytes:
        """So many bytes. Raises: as `hear` does."""
        if size > MAX_ANSWER:
            raise StepFailed(*self.stranger)
        data = self.stream.read(size)
        if len(data) < size:
            raise ConnectionResetError
        return data


class SpokenDriver(Driver):
    """A driver whose test is a dialogue. Subclasses say the lines; the steps are the same for all."""

    stranger: ClassVar[Words]  # told of a server that isn't of the kind

    def try_out(self, target: Target, trail: Trail, ends_at: float) -> None:
        with (
            reached(target, trail, ends_at, self.explain) as link,
            Dialogue(link, self.stranger) as dialogue,
        ):
            self._begin(dialogue, target, trail)
            trail.report.certificate_ends_at = dialogue.certificate_ends_at
            trail.begin("Sign in")
            trail.say(self.sign_in(dialogue, target))
            trail.begin("Sample query")
            trail.say(self.sample(dialogue, target))

    def _begin(self, dialogue: Dialogue, target: Target, trail: Trail) -> None:
        """Greet each other, with TLS before or after that or not at all."""
        if target.tls_at_once:
            trail.begin("TLS", target.tls_said)
            dialogue.secure(target)
        self.greet(dialogue)
        if target.tls == OFF:
            trail.skip("TLS", WITHOUT_TLS)
        elif not target.tls_at_once:
            trail.begin("TLS", target.tls_said)
            self.start_tls(dialogue)
            dialogue.secure(target)

    def greet(self, dialogue: Dialogue) -> None:
        """Hear what the server says first; nothing, unless a subclass knows better."""

    def start_tls(self, dialogue: Dialogue) -> None:
        """Ask for TLS, up to where it begins."""
        raise StepFailed(*NO_TLS)

    @abstractmethod
    def sign_in(self, dialogue: Dialogue, target: Target) -> str:
        """Sign in, and return what came of it as a sentence."""

    @abstractmethod
    def sample(self, dialogue: Dialogue, target: Target) -> str:
        """Ask something that changes nothing, and return what came of it as a sentence."""

    def explain(self, error: Exception) -> StepFailed:
        return plainly(error, self.stranger)
