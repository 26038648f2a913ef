"""SMTP submission, through smtplib. No server without a checked certificate gets the password."""

import contextlib
import hmac
import smtplib
import socket
import ssl
import time
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterator, Mapping
from typing import Any, BinaryIO

from connhub.connections.auth.base import Field
from connhub.connections.reports import StepFailed, Trail
from connhub.egress import tcp
from connhub.egress.timing import even_timing

from .base import (
    AT_ONCE,
    CLOSED,
    CONNECTED,
    DISCLOSES,
    NO_TLS,
    NOT_FROM_HERE,
    NOT_READY,
    OFF,
    STARTTLS,
    TIMED_OUT,
    TLS_REQUIRED,
    VERIFIED,
    WITHOUT_TLS,
    WRONG_PASSWORD,
    BadParameter,
    Driver,
    Target,
    cut_off,
    left_s,
    tls_refused,
)

MAX_LINES = 200  # that a server may answer in all

READY, SIGNED_IN, DONE, CONTINUE = 220, 235, 250, 334

NOT_SMTP = (
    "What answers there is not an SMTP server.",
    "Check host and port: 587 is usual where TLS is asked for, 465 where it begins at once.",
)
NOT_SPOKEN = (
    "The server offers no way to sign in that ConnHub knows.",
    "It has to offer PLAIN, LOGIN or CRAM-MD5; some servers do so only with TLS.",
)
REFUSED = ("The server refused this.", "The server's log says why.")

# By the reply code, of RFC 5321 and RFC 4954.
EXPLAINED = {
    421: NOT_READY,
    454: NOT_READY,
    504: NOT_SPOKEN,
    530: TLS_REQUIRED,
    534: (
        "The server wants a stronger way to sign in.",
        "Many mail services want an app password: make one there and use it here.",
    ),
    535: WRONG_PASSWORD,
    538: TLS_REQUIRED,
    554: NOT_FROM_HERE,
}


class SMTP(Driver):
    """A mail server that takes mail to be sent on."""

    slug = "smtp"
    label = "SMTP"
    default_port = 587
    default_start = STARTTLS
    without_tls = "only with CRAM-MD5 sign-in; mail can be read on the way"

    @property
    def start_choices(self) -> tuple[tuple[str, str], ...]:
        return (
            (STARTTLS, "When asked for, as on port 587 (STARTTLS)"),
            (AT_ONCE, "At once, as on port 465"),
        )

    def sign_in_fields(self) -> tuple[Field, ...]:
        return (
            Field("user", "User", help="Empty where none has to sign in.", required=False),
            Field("password", "Password", secret=True, required=False),
        )

    def read(self, parameters: Mapping[str, Any], secrets: Mapping[str, str]) -> Target:
        target = super().read(parameters, secrets)
        if target.user and not target.password:
            raise BadParameter("password", "A user needs a password.")
        if target.password and not target.user:
            raise BadParameter("user", "A password needs a user.")
        return target

    def try_out(self, target: Target, trail: Trail, ends_at: float) -> None:
        trail.begin("Connect", CONNECTED)
        with even_timing():
            link = tcp.open_socket(target.host, target.port, timeout=left_s(ends_at))
        with (
            link,
            cut_off(link, ends_at),
            _explained(ends_at),
            _greeted(link, target, trail) as session,
        ):
            trail.begin("Sign in", "Signed in." if target.user else "Went on without signing in.")
            if target.user:
                _sign_in(session, target)
            trail.begin("Sample query", "NOOP was answered; no mail was sent.")
            _require(DONE, session.noop())

    def dsn(self, parameters: Mapping[str, Any], secrets: Mapping[str, str]) -> str:
        """In the form that Nodemailer takes, which other libraries take too, bar the options."""
        target = self.read(parameters, secrets)
        unchecked = {} if target.tls in {VERIFIED, OFF} else {"tls.rejectUnauthorized": "false"}
        if target.tls_at_once:
            return target.url("smtps", **unchecked)
        start = {"ignoreTLS" if target.tls == OFF else "requireTLS": "true"}
        return target.url("smtp", **start | unchecked)

    def arguments(
        self, parameters: Mapping[str, Any], secrets: Mapping[str, str]
    ) -> dict[str, Any]:
        """For Django's `EmailBackend`, whose `ssl_context` is to be set for a `tls_ca`."""
        target = self.read(parameters, secrets)
        return {
            "host": target.host,
            "port": target.port,
            "username": target.user,
            "password": target.password,
            "use_tls": target.tls != OFF and not target.tls_at_once,
            "use_ssl": target.tls_at_once,
        }


class Limited:
    """Lines of a server that may send only so many of them."""

    def __init__(self, stream: BinaryIO) -> None:
        self.stream = stream
        self.left = MAX_LINES
        self.close = stream.close

    def readline(self, size: int) -> bytes:
        self.left -= 1
        if self.left < 0:
            raise StepFailed(*NOT_SMTP)
        return self.stream.readline(size)


class Session(smtplib.SMTP):
    """A dialogue on a connection made elsewhere; it names itself by its address, as nobody asks."""

    def __init__(self, link: socket.socket, host: str) -> None:
        address = link.getsockname()[0]
        own_name = f"[IPv6:{address}]" if ":" in address else f"[{address}]"
        super().__init__(local_hostname=own_name)
        self.sock: socket.socket = link
        self._host = host

    def getreply(self) -> tuple[int, bytes]:
        if self.file is None:  # at first, and again when TLS begins
            self.file = Limited(self.sock.makefile("rb"))
        return super().getreply()


@contextlib.contextmanager
def _greeted(link: socket.socket, target: Target, trail: Trail) -> Iterator[Session]:
    """A dialogue in which both sides have said who they are, with TLS or without."""
    if target.tls_at_once:
        trail.begin("TLS", target.tls_said)
        link = target.tls_context().wrap_socket(link, server_hostname=target.host)
    with contextlib.closing(Session(link, target.host)) as session:
        _require(READY, session.getreply())
        if target.tls == OFF:
            trail.skip("TLS", WITHOUT_TLS)
        elif not target.tls_at_once:
            trail.begin("TLS", target.tls_said)
            _start_tls(session, target)
        _require(DONE, session.ehlo())
        yield session


def _start_tls(session: Session, target: Target) -> None:
    _require(DONE, session.ehlo())
    if not session.has_extn("starttls"):
        raise StepFailed(*NO_TLS)
    code, _ = session.starttls(context=target.tls_context())
    if code != READY:
        raise StepFailed(*NO_TLS)


def _sign_in(session: Session, target: Target) -> None:
    offered = session.esmtp_features.get("auth", "").upper().split()
    usable = [name for name in MECHANISMS if name in offered]
    if not usable:
        raise StepFailed(*NOT_SPOKEN)
    if target.tls != VERIFIED and usable[0] != "CRAM-MD5":
        raise StepFailed(*DISCLOSES)
    _require(SIGNED_IN, MECHANISMS[usable[0]](session, target))


def _cram_md5(session: Session, target: Target) -> tuple[int, bytes]:
    """RFC 2195: only a digest of the password is sent, made for this challenge."""
    challenge = b64decode(_require(CONTINUE, session.docmd("AUTH", "CRAM-MD5")), validate=True)
    digest = hmac.digest(target.password.encode(), challenge, "md5").hex()
    return session.docmd(_encoded(f"{target.user} {digest}"))


def _plain(session: Session, target: Target) -> tuple[int, bytes]:
    """RFC 4616: the password is sent."""
    return session.docmd("AUTH", "PLAIN " + _encoded(f"\0{target.user}\0{target.password}"))


def _login(session: Session, target: Target) -> tuple[int, bytes]:
    """What many servers offer beside PLAIN or instead: user and password one after the other."""
    _require(CONTINUE, session.docmd("AUTH", "LOGIN"))
    _require(CONTINUE, session.docmd(_encoded(target.user)))
    return session.docmd(_encoded(target.password))


# The ways to sign in, the one that discloses least first.
MECHANISMS: dict[str, Callable[[Session, Target], tuple[int, bytes]]] = {
    "CRAM-MD5": _cram_md5,
    "PLAIN": _plain,
    "LOGIN": _login,
}


def _encoded(text: str) -> str:
    return b64encode(text.encode()).decode()


def _require(code: int, reply: tuple[int, bytes]) -> bytes:
    if reply[0] == code:
        return reply[1]
    raise StepFailed(*NOT_SMTP if reply[0] < 200 else EXPLAINED.get(reply[0], REFUSED))


@contextlib.contextmanager
def _explained(ends_at: float) -> Iterator[None]:
    """Turn every error into words of our own: those of smtplib quote the server."""
    try:
        yield
    except StepFailed:
        raise
    except Exception as error:
        late = time.monotonic() >= ends_at
        raise StepFailed(*TIMED_OUT) if late else _explain(error) from None


def _explain(error: Exception) -> StepFailed:
    if isinstance(error, ssl.SSLError):
        return tls_refused(error)
    if isinstance(error, smtplib.SMTPServerDisconnected):
        return StepFailed(*CLOSED)
    if isinstance(error, OSError) and not isinstance(error, smtplib.SMTPException):
        return StepFailed(*CLOSED)
    return StepFailed(*NOT_SMTP)
