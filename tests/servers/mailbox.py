"""A mail server that keeps what it is handed, to be read by tests."""

from collections.abc import Iterator
from contextlib import contextmanager
from email import message_from_bytes, policy
from email.message import EmailMessage

from aiosmtpd.controller import Controller

from connhub.accounts import tasks

from .process import free_port


class Mailbox:
    """What the server was handed; with `refuses` set it takes nothing."""

    def __init__(self) -> None:
        self.port = free_port()
        self.refuses = False
        self._received: list[EmailMessage] = []

    async def handle_DATA(self, server, session, envelope):  # noqa: N802 - aiosmtpd's own form
        if self.refuses:
            return "451 Try again later"
        self._received.append(message_from_bytes(envelope.content, policy=policy.default))
        return "250 OK"

    def collect(self) -> list[EmailMessage]:
        """Have every waiting letter sent, and take out all that arrived."""
        tasks.deliver_due_letters.call_local()
        received, self._received = self._received, []
        return received


@contextmanager
def mailbox() -> Iterator[Mailbox]:
    """Run one while the block lasts."""
    box = Mailbox()
    server = Controller(box, hostname="127.0.0.1", port=box.port)
    server.start()
    try:
        yield box
    finally:
        server.stop()
