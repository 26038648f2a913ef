"""MySQL and MariaDB, through PyMySQL. No server without a checked certificate gets the password."""

import re
import ssl
from collections.abc import Callable, Mapping
from typing import Any

import pymysql
from pymysql import _auth
from pymysql.connections import Connection
from pymysql.constants import CR, ER
from pymysql.protocol import MysqlPacket

from connhub.connections.reports import StepFailed, Trail
from connhub.egress import tls

from .base import OFF, VERIFIED, Driver, Target
from .links import reached, tls_refused
from .words import (
    CLOSED,
    DISCLOSES,
    NO_TLS,
    NOT_FROM_HERE,
    NOT_READY,
    TLS_REQUIRED,
    TOO_MANY,
    UNKNOWN_DATABASE,
    WITHOUT_TLS,
    WRONG_PASSWORD,
)

MAX_ANSWERS = 2**20  # bytes that a server may send in all
FAST_SIGN_IN_DONE = 3  # caching_sha2_password: the challenge was answered well

LOCKED = ("The server has locked this user out.", "Ask its administrator to unlock the user.")
NOT_SPOKEN = (
    "The server asks for a way to sign in that ConnHub does not know.",
    "Use mysql_native_password or caching_sha2_password for this user.",
)
NOT_MYSQL = (
    "What answers there is not a MySQL or MariaDB server.",
    "Check host and port; the usual port is 3306.",
)
REFUSED = ("The server refused to sign this user in.", "The server's log says why.")

# Error numbers without a name here are too new for PyMySQL, or MariaDB's own.
EXPLAINED = {
    ER.ACCESS_DENIED_ERROR: WRONG_PASSWORD,
    1698: WRONG_PASSWORD,  # ER_ACCESS_DENIED_NO_PASSWORD_ERROR
    ER.DBACCESS_DENIED_ERROR: (
        "This user may not use this database.",
        "Check the database's name, or ask its administrator for the right to use it.",
    ),
    ER.BAD_DB_ERROR: UNKNOWN_DATABASE,
    ER.HOST_NOT_PRIVILEGED: NOT_FROM_HERE,
    ER.HOST_IS_BLOCKED: NOT_FROM_HERE,
    ER.CON_COUNT_ERROR: TOO_MANY,
    ER.TOO_MANY_USER_CONNECTIONS: TOO_MANY,
    ER.USER_LIMIT_REACHED: TOO_MANY,
    ER.SERVER_SHUTDOWN: NOT_READY,
    3159: TLS_REQUIRED,  # ER_SECURE_TRANSPORT_REQUIRED
    3118: LOCKED,  # ER_ACCOUNT_HAS_BEEN_LOCKED
    4151: LOCKED,  # the same at MariaDB
    1820: LOCKED,  # ER_MUST_CHANGE_PASSWORD
    1862: LOCKED,  # ER_MUST_CHANGE_PASSWORD_LOGIN
    ER.NOT_SUPPORTED_AUTH_MODE: NOT_SPOKEN,
    CR.CR_AUTH_PLUGIN_CANNOT_LOAD: NOT_SPOKEN,
    2059: NOT_SPOKEN,  # CR_AUTH_PLUGIN_CANNOT_LOAD
    CR.CR_SSL_CONNECTION_ERROR: NO_TLS,
    CR.CR_SERVER_LOST: CLOSED,
    CR.CR_SERVER_GONE_ERROR: CLOSED,
    CR.CR_CONN_HOST_ERROR: CLOSED,
}


class MySQL(Driver):
    """MySQL, MariaDB and what speaks their protocol."""

    slug = "mysql"
    label = "MySQL and MariaDB"
    does = "Signs in to the database and asks for SELECT 1."
    default_port = 3306
    without_tls = "only with challenge sign-in; data can be read on the way"

    def try_out(self, target: Target, trail: Trail, ends_at: float) -> None:
        session = Session(target, trail)
        with reached(target, trail, ends_at, _explain) as link, session:
            session.connect(link)
            trail.say(f"Signed in to {_version(session)}.")
            trail.begin("Sample query", "SELECT 1 answered 1.")
            _select_one(session)

    def dsn(self, parameters: Mapping[str, Any], secrets: Mapping[str, str]) -> str:
        target = self.read(parameters, secrets)
        modes = {VERIFIED: "VERIFY_IDENTITY", OFF: "DISABLED"}
        return target.url("mysql", **{"ssl-mode": modes.get(target.tls, "REQUIRED")})


def _sign_in(target: Target) -> dict[str, Any]:
    security = {"ssl_disabled": True} if target.tls == OFF else {"ssl": target.tls_context()}
    return {
        "host": target.host,
        "port": target.port,
        "database": target.database,
        "user": target.user,
        "password": target.password.encode(),  # PyMySQL would take text for Latin-1
        "charset": "utf8mb4",
        "local_infile": False,
        **security,
    }


class Refusing:
    """Stands in for a way to sign in that shows the password to the server, or as good as."""

    def __init__(self, session: Connection) -> None:
        pass

    def authenticate(self, packet: MysqlPacket) -> MysqlPacket:
        raise StepFailed(*DISCLOSES)


class ChallengeOnly:
    """caching_sha2_password without what it falls back to, which is sending the password.

    The fallback encrypts it for whoever asks: a server without a certificate names its own key.
    """

    def __init__(self, session: Connection) -> None:
        self.session = session

    def authenticate(self, packet: MysqlPacket) -> MysqlPacket:
        if packet.is_auth_switch_request():
            challenge = packet.read_all().removesuffix(b"\0")
            answer = _auth.scramble_caching_sha2(self.session.password, challenge)
            self.session.write_packet(answer)
            packet = self.session._read_packet()
        if packet.is_extra_auth_data():
            packet.advance(1)
            if packet.read_uint8() != FAST_SIGN_IN_DONE:
                raise StepFailed(*DISCLOSES)
            packet = self.session._read_packet()
        return packet


# By the name of the sign-in method, as the server asks for it.
ALWAYS: dict[str, Callable[[Connection], Any]] = {
    "mysql_clear_password": Refusing,
    "dialog": Refusing,
    "mysql_old_password": Refusing,
}
UNCHECKED = ALWAYS | {"sha256_password": Refusing, "caching_sha2_password": ChallengeOnly}


class Session(Connection):
    """A connection that tells its steps apart and reads no more than a test needs."""

    server_version: str
    _auth_plugin_name: str
    _secure: bool
    _sock: ssl.SSLSocket

    def __init__(self, target: Target, trail: Trail) -> None:
        self._trail = trail
        self._target = target
        self._readable = MAX_ANSWERS
        plugins = ALWAYS if target.tls == VERIFIED else UNCHECKED
        super().__init__(**_sign_in(target), auth_plugin_map=plugins, defer_connect=True)

    def _get_server_information(self) -> None:
        super()._get_server_information()  # type: ignore[misc]
        if self._target.tls != VERIFIED and self._auth_plugin_name == "sha256_password":
            raise StepFailed(*DISCLOSES)  # over TLS, PyMySQL sends it before the plugin is asked
        if self._target.tls == OFF:
            self._trail.skip("TLS", WITHOUT_TLS)
            self._trail.begin("Sign in")
        else:
            self._trail.begin("TLS", self._target.tls_said)

    def write_packet(self, payload: bytes) -> None:
        if self._secure and self._trail.at == "TLS":
            self._trail.report.certificate_ends_at = tls.ends_at(self._sock)
            self._trail.begin("Sign in")
        super().write_packet(payload)

    def _read_bytes(self, num_bytes: int) -> bytes:
        self._readable -= num_bytes
        if self._readable < 0:
            raise StepFailed(*NOT_MYSQL)
        return super()._read_bytes(num_bytes)  # type: ignore[misc]


def _select_one(session: Session) -> None:
    with session.cursor() as cursor:
        cursor.execute("SELECT 1")
        if cursor.fetchone() != (1,):
            raise StepFailed("The server did not answer SELECT 1 with 1.", REFUSED[1])


def _explain(error: Exception) -> StepFailed:
    cause = getattr(error, "original_exception", error)
    if isinstance(cause, ssl.SSLError):
        return tls_refused(cause)
    if isinstance(error, RuntimeError):  # a plugin that needs a library
        return StepFailed(*NOT_SPOKEN)
    number = error.args[0] if isinstance(error, pymysql.MySQLError) and error.args else None
    if isinstance(number, int):
        return StepFailed(*EXPLAINED.get(number, REFUSED))
    return StepFailed(*NOT_MYSQL)


def _version(session: Session) -> str:
    said = session.server_version
    number = re.match(r"(?:5\.5\.5-)?([0-9]{1,3}(?:\.[0-9]{1,3}){1,2})", said)
    name = "MariaDB" if "MariaDB" in said else "MySQL"
    return f"{name} {number[1]}" if number else name
