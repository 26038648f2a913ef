"""Writes calls to the log as the gateway does."""

import time

from connhub.usage.calls.entry import Entry
from connhub.usage.calls.log import write


def call(connection, key, **more) -> Entry:
    """A call over the connection with the key, now if nothing else is said."""
    facts = {
        "at": time.time(), "connection": connection.pk, "integration": key.integration_id,
        "environment": key.environment_id, "key": key.pk, "flow": "", "step": "", "user": "", "method": "GET",
        "path": "/", "status": 200, "problem": "", "took_ms": 10, "bytes_in": 0, "bytes_out": 0,
    }  # fmt: skip
    return Entry(**facts | more)


def called(connection, key, **more) -> None:
    write([call(connection, key, **more)])
