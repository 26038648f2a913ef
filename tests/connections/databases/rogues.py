"""Servers on loopback that are after the password, and keep every byte they are sent."""

import socket
import struct
import threading
from contextlib import contextmanager

import paramiko

from tests.connections.databases.probing import HOST


class Rogue:
    """A server on loopback that keeps every byte it is sent."""

    def __init__(self, connection):
        self.connection = connection
        self.heard = b""

    def say(self, message):
        self.connection.sendall(message)

    def hear(self, most=65536):
        """One read; empty once the client is gone."""
        try:
            data = self.connection.recv(most)
        except OSError:
            data = b""
        self.heard += data
        return data

    def secure(self, context):
        self.connection = context.wrap_socket(self.connection, server_side=True)


@contextmanager
def rogue(talk):
    """Serve one connection with `talk(rogue)`, then listen until the client hangs up."""
    with socket.create_server((HOST, 0)) as listener:
        listener.settimeout(10)
        met = []

        def serve():
            connection, _ = listener.accept()
            server = Rogue(connection)
            met.append(server)
            try:
                talk(server)
                while server.hear():
                    pass
            except OSError:  # the client hung up, or would not do TLS
                pass
            finally:
                server.connection.close()

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield listener.getsockname()[1], met
        finally:
            thread.join()


def postgresql_wants(code, rest=b""):
    """A PostgreSQL server that asks for another kind of sign-in than SCRAM."""

    def talk(server):
        server.hear()
        server.say(b"R" + struct.pack("!II", 8 + len(rest), code) + rest)

    return talk


CLIENT_SSL = 0x0800
SSL_REQUEST = 36  # bytes, after which TLS begins
PLUGIN_AUTH = 0x00080000


def packet(number, payload):
    return len(payload).to_bytes(3, "little") + bytes([number]) + payload


def greeting(plugin, *, tls=False):
    """Protocol::HandshakeV10 of MySQL."""
    can = 0x0000A20F | PLUGIN_AUTH | (CLIENT_SSL if tls else 0)
    salt = b"12345678", b"901234567890\0"
    return packet(
        0,
        b"\x0a8.4.3\0" + struct.pack("<I", 7) + salt[0] + b"\0" + struct.pack("<H", can & 0xFFFF)
        + b"\x2d\2\0" + struct.pack("<HB", can >> 16, 21) + b"\0" * 10 + salt[1]
        + plugin + b"\0",
    )  # fmt: skip


def mysql_wants(plugin, demand, context=None):
    """A MySQL server that greets with one plugin and answers the sign-in with `demand`."""

    def talk(server):
        server.say(greeting(plugin, tls=context is not None))
        server.hear(SSL_REQUEST if context else 65536)
        if context:
            server.secure(context)
            server.hear()
        server.asked_at = len(server.heard)
        server.say(packet(3 if context else 2, demand))

    return talk


CLEAR = b"\xfemysql_clear_password\0"
DIALOG = b"\xfedialog\0\2Password: "
SHA256 = b"\xfesha256_password\x0012345678901234567890\0"
OLD = b"\xfemysql_old_password\x0012345678\0"
FULL_SIGN_IN = b"\x01\x04"


def smtp_offers(*extensions, then=b"", context=None, at_once=False):
    """An SMTP server with these extensions, which answers what follows EHLO with `then`."""

    def greet(server):
        server.hear()
        lines = (b"250-" + extension + b"\r\n" for extension in (b"mail.example", *extensions))
        server.say(b"".join(lines) + b"250 HELP\r\n")

    def talk(server):
        if at_once:
            server.secure(context)
        server.say(b"220 mail.example ESMTP\r\n")
        greet(server)
        if context and not at_once:
            server.hear()
            server.say(b"220 Go on\r\n250 AUTH CRAM-MD5\r\n")
            server.secure(context)
            greet(server)
        server.asked_at = len(server.heard)
        if then and server.hear():
            server.say(then)

    return talk


class Listening(paramiko.ServerInterface):
    """Writes down who wants to sign in and with what, and answers with one verdict."""

    def __init__(self, verdict, methods):
        self.asked = []
        self.verdict, self.methods = verdict, methods

    def get_allowed_auths(self, username):
        return self.methods

    def check_auth_password(self, username, password):
        self.asked.append((username, password))
        return self.verdict

    def check_auth_publickey(self, username, key):
        self.asked.append((username, key.fingerprint))
        return self.verdict


def ssh_answers(verdict=paramiko.AUTH_FAILED, methods="password,publickey", key=None):
    """An SSH server whose interface is `met[0].door`."""

    def talk(server):
        server.door = Listening(verdict, methods)
        session = paramiko.Transport(server.connection)
        session.add_server_key(key or paramiko.ECDSAKey.generate())
        session.set_log_channel("tests.rogue")
        over = threading.Event()
        session.start_server(event=over, server=server.door)
        session.join()

    return talk


class lines_in_turn:  # noqa: N801 - reads as one of the functions here
    """A server that greets, and answers each line by the first word of `answers` that is in it."""

    def __init__(self, greeting, answers):
        self.greeting, self.answers = greeting, answers

    def __call__(self, server):
        server.say(self.greeting)
        while line := server.hear():
            found = (answer for word, answer in self.answers.items() if word in line)
            server.say(next(found, b""))
