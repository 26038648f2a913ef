"""What every driver answers, and the parameters that they share."""

import importlib
import ssl
import time
import unicodedata
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any, ClassVar
from urllib.parse import quote, urlencode

from django.conf import settings

from connhub.connections.auth.base import Field
from connhub.connections.reports import Report, StepFailed, Trail
from connhub.egress import tls
from connhub.egress.guard import BadAddress, Unreachable, parse_host

from .words import INSTALL

PROBE_S = 10.0
MAX_LENGTH = 255  # characters
MAX_PEM = 2**16  # characters

VERIFIED, UNVERIFIED, OFF = "verify-full", "require", "off"
AT_ONCE, STARTTLS = "at-once", "starttls"


class BadParameter(ValueError):
    """A parameter can't be used; the text is one plain sentence and never quotes the value."""

    def __init__(self, name: str, text: str) -> None:
        super().__init__(text)
        self.name = name


@dataclass(frozen=True, slots=True)
class Target:
    """A server and who signs in to it, checked; `host` is one canonical name or address."""

    host: str
    port: int
    user: str
    password: str = field(repr=False)
    database: str = ""
    tls: str = OFF
    tls_ca: str = ""
    more: Mapping[str, str] = field(default_factory=dict, repr=False)  # what one driver alone asks

    @property
    def tls_at_once(self) -> bool:
        """Whether TLS begins before the server has said anything."""
        return self.tls != OFF and self.more.get("tls_start", AT_ONCE) == AT_ONCE

    @property
    def authorities(self) -> str:
        """The certificates to trust, as PEM: the connection's own, or else those of ConnHub."""
        if self.tls_ca:
            return self.tls_ca
        return "".join(map(ssl.DER_cert_to_PEM_cert, tls.context().get_ca_certs(binary_form=True)))

    def tls_context(self) -> ssl.SSLContext:
        """What to wrap a socket with; neither environment nor files change it."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        if self.tls == VERIFIED:
            context.load_verify_locations(cadata=self.authorities)
        else:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        return context

    @property
    def tls_said(self) -> str:
        """What a TLS handshake that worked has shown."""
        if self.tls == VERIFIED:
            return "The server's certificate is trusted and for this name."
        return "Encrypted, but the server's certificate was not checked."

    def url(self, scheme: str, **options: str) -> str:
        """A connection URL, in which every part is percent-encoded."""
        user, password, path = (
            quote(s, safe="") for s in (self.user, self.password, self.database)
        )
        host = f"[{self.host}]" if ":" in self.host else self.host
        sign_in = f"{user}:{password}@" if password else f"{user}@" if user else ""
        query = f"?{urlencode(options)}" if options else ""
        return f"{scheme}://{sign_in}{host}:{self.port}/{path}{query}"


SHARED = {"user", "password", "database", "tls", "tls_ca"}


class Driver(ABC):
    """One kind of server. What it asks for is fixed: no connection string, no free options."""

    slug: ClassVar[str]
    label: ClassVar[str]
    default_port: ClassVar[int]
    does: ClassVar[str]  # what the test does, as one sentence
    schemes: ClassVar[tuple[str, str]]  # of URLs, without TLS at once and with it
    without_tls: ClassVar[str]  # when going without TLS is safe, as the choice says it
    tls_starts: ClassVar[tuple[tuple[str, str], ...]] = ()  # the usual way first; empty for one way

    @property
    def fields(self) -> tuple[Field, ...]:
        """What the form asks for; the operator's settings decide on some of the choices."""
        return (
            Field(
                "host",
                "Host",
                help="One host name or IP address.",
                placeholder="server.example.com",
            ),
            Field("port", "Port", kind="number", default=str(self.default_port)),
            *self.sign_in_fields(),
            *self.security_fields(),
        )

    def security_fields(self) -> tuple[Field, ...]:
        """What tells the right server from others."""
        starts = self.tls_starts
        usual = starts[0][0] if starts else ""
        start = Field("tls_start", "TLS begins", kind="choice", default=usual, choices=starts)
        return (
            Field("tls", "TLS", kind="choice", default=VERIFIED, choices=self.tls_choices()),
            *([start] if starts else []),
            Field(
                "tls_ca",
                "Certificate authority",
                help="PEM. Only for a server whose certificate no public authority signed.",
                kind="multiline",
                required=False,
                placeholder="-----BEGIN CERTIFICATE-----",
            ),
        )

    def tls_choices(self) -> tuple[tuple[str, str], ...]:
        unverified = ((UNVERIFIED, "TLS, certificate not checked"),)
        return (
            (VERIFIED, "TLS, certificate checked (recommended)"),
            *(unverified if settings.CONNHUB_TLS_UNVERIFIED_ALLOWED else ()),
            (OFF, f"No TLS ({self.without_tls})"),
        )

    def sign_in_fields(self) -> tuple[Field, ...]:
        return (
            Field("database", "Database"),
            Field("user", "User"),
            Field("password", "Password", secret=True),
        )

    def read(self, parameters: Mapping[str, Any], secrets: Mapping[str, str]) -> Target:
        """Check all that the driver asks for; anything else in the mappings is left aside.

        Raises:
            BadParameter: one is missing or can't be used.
        """
        given = {
            item.name: str((secrets if item.secret else parameters).get(item.name) or item.default)
            for item in self.fields
        }
        for item in self.fields:
            _require_sound(item, given[item.name])
        host, port = _host(given.pop("host")), _port(given.pop("port"))
        shared = {name: given.pop(name) for name in SHARED & given.keys()}
        return Target(host=host, port=port, **shared, more=given)

    def parted(self, values: Mapping[str, str]) -> tuple[dict[str, str], dict[str, str]]:
        """The parameters among the values, and the secrets."""
        names = {item.name for item in self.fields if item.secret}
        secrets = {name: value for name, value in values.items() if name in names}
        return {name: value for name, value in values.items() if name not in names}, secrets

    def require_complete(self, parameters: Mapping[str, Any], secrets: Mapping[str, str]) -> None:
        """Refuse what is not to be stored. Raises: BadParameter."""
        self.read(parameters, secrets)

    def probe(
        self,
        parameters: Mapping[str, Any],
        secrets: Mapping[str, str],
        *,
        timeout_s: float = PROBE_S,
    ) -> Report:
        """Connect, sign in and ask something trivial, all of it within `timeout_s` seconds."""
        trail = Trail()
        trail.begin("Parameters")
        try:
            target = self.read(parameters, secrets)
            trail.say(f"{target.host}, port {target.port}.")
            self.try_out(target, trail, time.monotonic() + timeout_s)
        except (BadParameter, Unreachable) as error:
            trail.fail(str(error))
        except StepFailed as failure:
            trail.fail(failure.said, failure.hint)
        return trail.end()

    @abstractmethod
    def try_out(self, target: Target, trail: Trail, ends_at: float) -> None:
        """Take the steps; `ends_at` is a moment of the monotonic clock.

        Raises:
            Unreachable: no connection could be made, whatever the cause.
            StepFailed: anything later went wrong.
        """

    def dsn(self, parameters: Mapping[str, Any], secrets: Mapping[str, str]) -> str:
        """The URL that client libraries take. It holds the password."""
        target = self.read(parameters, secrets)
        return target.url(self.schemes[target.tls_at_once])


class OptionalSignIn(Driver):
    """A server where some need not sign in: a user and a password, or neither."""

    without_user: ClassVar[str] = "Empty where none has to sign in."

    def sign_in_fields(self) -> tuple[Field, ...]:
        return (
            Field("user", "User", help=self.without_user, required=False),
            Field("password", "Password", secret=True, required=False),
        )

    def read(self, parameters: Mapping[str, Any], secrets: Mapping[str, str]) -> Target:
        target = super().read(parameters, secrets)
        if target.user and not target.password:
            raise BadParameter("password", "A user needs a password.")
        if target.password and not target.user:
            raise BadParameter("user", "A password needs a user.")
        return target


def on_request(name: str, port: int) -> tuple[str, str]:
    """The choice of TLS that begins when the client asks for it."""
    return STARTTLS, f"When asked for, as on port {port} ({name})"


def at_once(port: int) -> tuple[str, str]:
    """The choice of TLS that begins before anything is said."""
    return AT_ONCE, f"At once, as on port {port}"


def library(name: str) -> ModuleType:
    """A client library that not everybody needs, imported when first used.

    Raises:
        StepFailed: it is not installed.
    """
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError:
        raise StepFailed(
            f"ConnHub needs {name} for this, which is not installed.", INSTALL
        ) from None


def _require_sound(item: Field, value: str) -> None:
    if item.required and not value:
        raise BadParameter(item.name, f"{item.label} is missing.")
    longest = MAX_PEM if item.kind == "multiline" else MAX_LENGTH
    line = value.replace("\n", "") if item.kind == "multiline" else value
    if item.name == "tls_ca":
        _require_authorities(item, value)
    elif len(value) > longest:
        raise BadParameter(item.name, f"{item.label} is longer than {longest} characters.")
    elif any(unicodedata.category(character) in {"Cc", "Cs"} for character in line):
        raise BadParameter(item.name, f"{item.label} has a character in it that can't be used.")
    elif item.choices and value not in dict(item.choices):
        raise BadParameter(item.name, f"{item.label} is none of the choices.")


def _require_authorities(item: Field, pem: str) -> None:
    """Refuse what is no PEM certificate, and private keys, which belong nowhere near here."""
    try:
        if "PRIVATE KEY" in pem or len(pem) > MAX_PEM or not pem.isascii():
            raise ValueError
        if pem:
            ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cadata=pem)
    except (ssl.SSLError, ValueError):
        text = f"{item.label} must be one or more certificates in PEM, and nothing else."
        raise BadParameter(item.name, text) from None


def _host(text: str) -> str:
    try:
        return parse_host(text.strip())
    except BadAddress as error:
        raise BadParameter("host", str(error)) from None


def _port(text: str) -> int:
    if not (text.isascii() and text.isdigit() and 0 < int(text) < 65536):
        raise BadParameter("port", "Port must be a number from 1 to 65535.")
    return int(text)
