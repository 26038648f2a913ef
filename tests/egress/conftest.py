"""Name resolution, certificates and HTTP servers for the tests of the way out."""

import gzip
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from connhub.egress import denied, guard
from tests.egress.forbidden import PUBLIC


@pytest.fixture(autouse=True)
def nothing_allowed(settings):
    settings.CONNHUB_EGRESS_ALLOW = []
    settings.CONNHUB_OWN_ENDPOINTS = []
    settings.CONNHUB_CA_FILE = None
    guard._addresses.cache_clear()


@pytest.fixture(autouse=True)
def nobody_listens(monkeypatch):
    """The record of exceptions belongs to another room, and is tested there."""
    monkeypatch.setattr(guard.exception_used, "receivers", [])


class Names(dict):
    """Names and the addresses they have here; what is asked for is noted."""

    def __init__(self) -> None:
        super().__init__({"public.test": [PUBLIC]})
        self.asked: list[str] = []


@pytest.fixture(autouse=True)
def dns(monkeypatch) -> Names:
    """The names that resolve; addresses in any spelling are still read by the C library."""
    names = Names()
    system = socket.getaddrinfo

    def getaddrinfo(host, port, family=0, type=0, proto=0, flags=0):
        names.asked.append(host)
        found = []
        for address in names.get(host, [host]):
            found += system(address, port, family, type, proto, flags | socket.AI_NUMERICHOST)
        return found

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    return names


@pytest.fixture
def every_name_public(dns) -> None:
    """Names that are forbidden as such would otherwise do no harm here."""
    dns.update((name, [PUBLIC]) for name in [*denied.NAMES, "app.localhost", "a.b.localhost"])


@pytest.fixture
def exceptions() -> Iterator[list[tuple[str, int, str]]]:
    """What `exception_used` was sent with."""
    sent = []

    def receiver(sender, host, port, entry, **_):
        sent.append((host, port, entry))

    guard.exception_used.connect(receiver)
    yield sent
    guard.exception_used.disconnect(receiver)


class Handler(BaseHTTPRequestHandler):
    """One answer for each first part of a path."""

    protocol_version = "HTTP/1.1"
    server: "Server"

    def do_GET(self) -> None:
        self.server.seen.append(self)
        self.body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        url = urlsplit(self.path)
        query = {key: values[0] for key, values in parse_qs(url.query).items()}
        getattr(self, url.path.split("/")[1] or "hello")(**query)

    do_POST = do_GET  # noqa: N815

    def log_message(self, *_) -> None:
        pass

    def answer(self, body: bytes = b"hello", status: int = 200, **headers: str) -> None:
        self.send_response(status)
        for name, value in {"Content_Length": str(len(body)), **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    def hello(self) -> None:
        self.answer()

    def cookie(self) -> None:
        self.answer(Set_Cookie="session=1; Path=/")

    def redirect(self, to: str, status: str = "302") -> None:
        self.answer(b"", int(status), Location=to)

    def bytes(self, count: str) -> None:
        self.answer(b"x" * int(count))

    def bomb(self, count: str) -> None:
        self.answer(gzip.compress(b"x" * int(count)), Content_Encoding="gzip")

    def endless(self) -> None:
        """Chunks without end, as fast as they are taken."""
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        self.pour(b"400\r\n" + bytes(0x400) + b"\r\n", pause_s=0)

    def trickle(self) -> None:
        """A body that never stops coming, a byte at a time."""
        self.send_response(200)
        self.send_header("Content-Length", "1000000")
        self.end_headers()
        self.pour(b"x", pause_s=0.02)

    def slow_headers(self) -> None:
        self.wfile.write(b"HTTP/1.1 200 OK\r\n")
        self.pour(b"X-A: b\r\n", pause_s=0.02)

    def silent(self) -> None:
        self.server.stopping.wait()

    def broken(self) -> None:
        self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort")
        self.close_connection = True

    def nonsense(self) -> None:
        self.wfile.write(b"\x00\x01 not HTTP\r\n\r\n")
        self.close_connection = True

    def pour(self, piece: bytes, pause_s: float) -> None:
        self.close_connection = True
        try:
            while not self.server.stopping.is_set():
                self.wfile.write(piece)
                time.sleep(pause_s)
        except OSError:
            pass


class Server(ThreadingHTTPServer):
    """Notes its requests and, over TLS, the names that it was asked for."""

    daemon_threads = True
    block_on_close = False

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.port = self.server_address[1]
        self.seen: list[Handler] = []
        self.connections: list[tuple[str, int]] = []
        self.names: list[str | None] = []
        self.stopping = threading.Event()

    def verify_request(self, request, client_address) -> bool:
        self.connections.append(client_address)
        return True

    def handle_error(self, request, client_address) -> None:
        """Clients that go away are what is tested here."""


def _running(server: Server) -> Iterator[Server]:
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.stopping.set()
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def closed_port() -> Iterator[int]:
    """Bound, so that nobody else listens there, but not listening."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield bound.getsockname()[1]


@pytest.fixture
def server() -> Iterator[Server]:
    """Plain HTTP on loopback."""
    yield from _running(Server())


@pytest.fixture
def tls_server(settings, certificates) -> Iterator[Server]:
    """HTTPS on loopback; the authority is trusted for all certificates but untrusted.test's."""
    settings.CONNHUB_CA_FILE = str(certificates / "authority.pem")
    server = Server()
    contexts = {path.stem: _context(path) for path in certificates.glob("*.test.pem")}
    default = _context(certificates / "crm.test.pem")

    def choose(connection: ssl.SSLSocket, name: str | None, _: ssl.SSLContext) -> None:
        server.names.append(name)
        connection.context = contexts.get(name, default)

    default.sni_callback = choose
    server.socket = default.wrap_socket(server.socket, server_side=True)
    yield from _running(server)


def _context(path: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    return context


@pytest.fixture(scope="session")
def certificates(tmp_path_factory) -> Path:
    """A folder with authority.pem, and a certificate with its key for each name."""
    folder = tmp_path_factory.mktemp("certificates")
    trusted, other = _Authority("trusted"), _Authority("other")
    (folder / "authority.pem").write_bytes(trusted.pem)
    (folder / "crm.test.pem").write_bytes(trusted.issue("crm.test", "127.0.0.1"))
    (folder / "wrong.test.pem").write_bytes(trusted.issue("crm.test"))
    (folder / "expired.test.pem").write_bytes(trusted.issue("expired.test", days=-1))
    (folder / "untrusted.test.pem").write_bytes(other.issue("untrusted.test"))
    return folder


class _Authority:
    def __init__(self, name: str) -> None:
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        constraint = x509.BasicConstraints(ca=True, path_length=0)
        builder = self._builder(self.name, self.key.public_key(), days=1)
        certificate = builder.add_extension(constraint, critical=True)
        self.pem = self._sign(certificate)

    def issue(self, *names: str, days: int = 1) -> bytes:
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0])])
        alternatives = x509.SubjectAlternativeName([_alternative(name) for name in names])
        builder = self._builder(subject, key.public_key(), days)
        return self._sign(builder.add_extension(alternatives, critical=False)) + key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )

    def _builder(self, subject: x509.Name, key, days: int) -> x509.CertificateBuilder:
        now = datetime.now(UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self.name)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=2))
            .not_valid_after(now + timedelta(days=days))
        )

    def _sign(self, builder: x509.CertificateBuilder) -> bytes:
        return builder.sign(self.key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def _alternative(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(name))
    except ValueError:
        return x509.DNSName(name)


@pytest.fixture
def allow(settings, dns) -> Callable[[str, int], str]:
    """Let a name lead to loopback on one port; returns its host and port."""

    def allowed(name: str, port: int) -> str:
        dns[name] = ["127.0.0.1"]
        settings.CONNHUB_EGRESS_ALLOW = [*settings.CONNHUB_EGRESS_ALLOW, f"{name}:{port}"]
        return f"{name}:{port}"

    return allowed
