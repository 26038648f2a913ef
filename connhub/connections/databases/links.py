"""Connections to the servers: to a checked address, over TLS or not, within the time limit."""

import contextlib
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from ipaddress import ip_address

from connhub.connections.reports import StepFailed, Trail
from connhub.egress import tcp, tls
from connhub.egress.allowed import allowed_by
from connhub.egress.timing import even_timing

from .base import VERIFIED, Target
from .words import CHECK_AUTHORITY, CLOSED, CONNECTED, NEEDS_TLS, TIMED_OUT, Words

Explain = Callable[[Exception], StepFailed]


def left_s(ends_at: float) -> float:
    """The seconds until then.

    Raises:
        StepFailed: there are none.
    """
    left = ends_at - time.monotonic()
    if left <= 0:
        raise StepFailed(*TIMED_OUT)
    return left


@contextlib.contextmanager
def reached(
    target: Target, trail: Trail, ends_at: float, explain: Explain
) -> Iterator[socket.socket]:
    """A connection to the checked address, which ends with the block or at that moment.

    Whatever goes wrong in the block is told in words of our own: `explain` has them, for an
    error that is neither lateness nor a `StepFailed` already.
    """
    trail.begin("Connect", CONNECTED)
    with even_timing():
        link = tcp.open_socket(target.host, target.port, timeout=left_s(ends_at))
    with link, cut_off(link, ends_at), explained(ends_at, explain):
        yield link


@contextlib.contextmanager
def explained(ends_at: float, explain: Explain) -> Iterator[None]:
    """Turn every error into words of our own: a server can make a library raise about anything."""
    try:
        yield
    except StepFailed:
        raise
    except Exception as error:
        late = time.monotonic() >= ends_at
        raise StepFailed(*TIMED_OUT) if late else explain(error) from None


def plainly(error: Exception, otherwise: Words) -> StepFailed:
    """TLS that failed and a connection that ended, in words; anything else is `otherwise`."""
    if isinstance(error, ssl.SSLError):
        return tls_refused(error)
    return StepFailed(*CLOSED if isinstance(error, OSError | EOFError) else otherwise)


def tls_refused(error: ssl.SSLError) -> StepFailed:
    """What to tell people about a handshake that failed."""
    return StepFailed(str(tls.failure(error)), CHECK_AUTHORITY)


def require_may_tell(link: socket.socket, target: Target) -> None:
    """Refuse to send the password in clear, but to an address that the operator allows it.

    That is the address which the server really has.

    Raises:
        StepFailed: anybody could be at the other end.
    """
    address = ip_address(link.getpeername()[0])
    if target.tls != VERIFIED and not allowed_by(target.host, target.port, address):
        raise StepFailed(*NEEDS_TLS)


@contextlib.contextmanager
def cut_off(connection: socket.socket, at: float) -> Iterator[None]:
    """Shut the connection down at that moment of the monotonic clock, unless the block is over.

    A server that sends a byte now and then never exceeds the time limit of a single read.
    """
    with connection.dup() as handle:  # TLS takes the original over
        timer = threading.Timer(max(0, at - time.monotonic()), _shut_down, [handle])
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()


def _shut_down(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):  # it may be closed already
        connection.shutdown(socket.SHUT_RDWR)
