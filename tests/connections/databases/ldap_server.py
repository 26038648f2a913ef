"""A directory for the drivers' tests: StartTLS on one port, TLS at once on another."""

import os
import secrets
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO

from tests.servers.certificates import make_certificate
from tests.servers.process import free_port, listens, python, running, temporary_folder

HOST = "127.0.0.1"
USER = "cn=flow,dc=example,dc=com"


@dataclass(frozen=True)
class LDAPServer:
    """How to reach it; it lets nobody bind without TLS."""

    starttls_port: int
    tls_port: int
    user: str
    password: str
    ca_file: str


@contextmanager
def ldap() -> Iterator[LDAPServer]:
    """Run one while the block lasts."""
    folder = temporary_folder("ldap")
    files = make_certificate(folder)
    ports = free_port(), free_port()
    server = LDAPServer(*ports, USER, "pässw0rd/" + secrets.token_urlsafe(12), str(files.ca))
    with running(
        python("tests.connections.databases.ldap_server", *ports, files.certificate, files.key),
        folder=folder,
        ready=lambda: all(map(listens, ports)),
        env={"LDAP_PASSWORD": server.password},
    ):
        yield server


def serve(starttls_port: int, tls_port: int, certificate: str, key: str, password: str) -> None:
    """Listen until stopped."""
    from ldaptor import inmemory
    from ldaptor.interfaces import IConnectedLDAPEntry
    from ldaptor.protocols import pureldap
    from ldaptor.protocols.ldap import ldaperrors
    from ldaptor.protocols.ldap.ldapserver import LDAPServer
    from twisted.internet import reactor, ssl
    from twisted.internet.interfaces import ISSLTransport
    from twisted.internet.protocol import ServerFactory
    from twisted.python.components import registerAdapter

    tls = ssl.DefaultOpenSSLContextFactory(key, certificate)

    class Server(LDAPServer):
        def handle_LDAPExtendedRequest(self, request, controls, reply):  # noqa: N802
            if request.requestName != pureldap.LDAPStartTLSRequest.oid:
                return super().handle_LDAPExtendedRequest(request, controls, reply)
            reply(pureldap.LDAPStartTLSResponse(resultCode=0))
            self.transport.startTLS(tls)
            return None

        def handle_LDAPBindRequest(self, request, controls, reply):  # noqa: N802
            if not ISSLTransport.providedBy(self.transport):
                raise ldaperrors.LDAPConfidentialityRequired
            return super().handle_LDAPBindRequest(request, controls, reply)

    class Factory(ServerFactory):
        protocol = Server

        def __init__(self, root):
            self.root = root

        def buildProtocol(self, address):  # noqa: N802
            made = self.protocol()
            made.factory = self
            return made

    registerAdapter(lambda factory: factory.root, Factory, IConnectedLDAPEntry)

    def listen(root):
        reactor.listenTCP(starttls_port, Factory(root), interface=HOST)
        reactor.listenSSL(tls_port, Factory(root), tls, interface=HOST)

    ldif = (
        "dn: dc=com\nobjectClass: dcObject\ndc: com\n\n"
        "dn: dc=example,dc=com\nobjectClass: dcObject\ndc: example\n\n"
        f"dn: {USER}\nobjectClass: person\ncn: flow\nsn: flow\n\n"
    )

    def with_password(root):
        entry = root.lookup(USER)
        entry.addCallback(lambda flow: flow.setPassword(password.encode(), b"salt"))
        return entry.addCallback(lambda _: root)

    made = inmemory.fromLDIFFile(BytesIO(ldif.encode()))
    made.addCallback(with_password).addCallback(listen).addErrback(lambda why: os._exit(str(why)))
    reactor.run()


if __name__ == "__main__":
    serve(int(sys.argv[1]), int(sys.argv[2]), *sys.argv[3:5], os.environ["LDAP_PASSWORD"])
