"""Mail and file servers for the drivers' tests, by Twisted: IMAP, POP3 and FTP, each in three ways.

The first port begins TLS when asked for, the second at once, the third has none.
"""

import os
import secrets
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.servers.certificates import make_certificate
from tests.servers.process import free_port, listens, python, running, temporary_folder

HOST = "127.0.0.1"
USER = "flow"


@dataclass(frozen=True)
class Ports:
    starttls: int
    tls: int
    plain: int


@dataclass(frozen=True)
class TwistedServer:
    """How to reach it. Without TLS mail users sign in by CRAM-MD5 alone."""

    imap: Ports
    pop3: Ports
    ftp: Ports
    user: str
    password: str
    ca_file: str

    @property
    def ascii_password(self) -> str:
        """Another one, for clients that know no other characters."""
        return ascii_of(self.password)


def ascii_of(password: str) -> str:
    return password.partition("/")[2]


@contextmanager
def mail_and_files() -> Iterator[TwistedServer]:
    """Run one while the block lasts."""
    folder = temporary_folder("twisted")
    files = make_certificate(folder)
    ports = [free_port() for _ in range(9)]
    (folder / "files").mkdir()
    server = TwistedServer(
        *(Ports(*ports[first : first + 3]) for first in (0, 3, 6)),
        USER,
        "pässw0rd/" + secrets.token_urlsafe(12),
        str(files.ca),
    )
    with running(
        python(
            "tests.connections.databases.twisted_server",
            files.certificate,
            files.key,
            folder / "files",
            *ports,
        ),
        folder=folder,
        ready=lambda: all(map(listens, ports)),
        env={"TWISTED_PASSWORD": server.password},
    ):
        yield server


def serve(certificate: str, key: str, folder: str, ports: list[int], password: str) -> None:
    """Listen until stopped."""
    from twisted.internet import reactor, ssl

    tls = ssl.DefaultOpenSSLContextFactory(key, certificate)
    portal = portal_for(password, Path(folder))
    for factories, (starttls, at_once, plain) in zip(
        (imap(tls, portal), pop3(tls, portal), ftp(tls, portal)),
        (ports[0:3], ports[3:6], ports[6:9]),
        strict=True,
    ):
        reactor.listenTCP(starttls, factories[0], interface=HOST)
        reactor.listenSSL(at_once, factories[1], tls, interface=HOST)
        reactor.listenTCP(plain, factories[2], interface=HOST)
    reactor.run()


def portal_for(password: str, folder: Path):
    """Knows one user with two passwords, who has an empty inbox and an empty folder."""
    from twisted.cred import credentials, error, portal
    from twisted.cred.checkers import ANONYMOUS, AllowAnonymousAccess, ICredentialsChecker
    from twisted.mail import imap4, pop3
    from twisted.protocols.ftp import FTPAnonymousShell, IFTPShell
    from twisted.python.filepath import FilePath
    from zope.interface import implementer

    @implementer(ICredentialsChecker)
    class Checker:
        credentialInterfaces = (  # noqa: N815
            credentials.IUsernamePassword,
            credentials.IUsernameHashedPassword,
        )

        def requestAvatarId(self, given):  # noqa: N802
            for known in (password.encode(), ascii_of(password).encode()):
                if isinstance(getattr(given, "password", None), str):  # FTP reads Latin-1
                    known = known.decode("latin-1")
                if given.username in (USER, USER.encode()) and given.checkPassword(known):
                    return USER.encode()
            raise error.UnauthorizedLogin

    class Mailbox:
        def requestStatus(self, names):  # noqa: N802
            return dict.fromkeys(names, 0)

    class Account:
        def select(self, name, rw=True):
            return Mailbox() if name.upper() == "INBOX" else None

    @implementer(portal.IRealm)
    class Realm:
        def requestAvatar(self, who, mind, *interfaces):  # noqa: N802
            wanted = interfaces[0]
            if wanted is imap4.IAccount:
                return wanted, Account(), lambda: None
            if wanted is IFTPShell and who in (USER.encode(), ANONYMOUS):
                return wanted, FTPAnonymousShell(FilePath(str(folder))), lambda: None
            return wanted, pop3.Mailbox(), lambda: None

    return portal.Portal(Realm(), [Checker(), AllowAnonymousAccess()])


def made_by(make):
    from twisted.internet.protocol import ServerFactory

    class Factory(ServerFactory):
        def buildProtocol(self, address):  # noqa: N802
            made = make()
            made.factory = self
            return made

    return Factory()


def imap(tls, portal):
    """After STARTTLS it offers LOGIN and PLAIN; at once it has nothing but the command LOGIN."""
    from twisted.cred.credentials import CramMD5Credentials
    from twisted.mail.imap4 import IMAP4Server

    def factory(challengers, context=None):
        def make():
            made = IMAP4Server(dict(challengers), context)
            made.portal = portal
            return made

        return made_by(make)

    return factory({}, tls), factory({}), factory({b"CRAM-MD5": CramMD5Credentials})


def pop3(tls, portal):
    """After STLS it offers PLAIN; at once it has nothing but USER and PASS."""
    from twisted.cred.credentials import CramMD5Credentials
    from twisted.internet.interfaces import ISSLTransport
    from twisted.mail.imap4 import PLAINCredentials
    from twisted.mail.pop3 import POP3

    class Server(POP3):
        can_start_tls = False
        AUTH_CMDS = [*POP3.AUTH_CMDS, b"STLS"]

        def listCapabilities(self):  # noqa: N802
            ways = b" ".join(self.factory.challengers)
            start = [b"STLS"] if self.can_start_tls else []
            return [b"USER", *start, *([b"SASL " + ways] if ways else [])]

        def do_STLS(self):  # noqa: N802
            if not self.can_start_tls:
                return self.failResponse(b"No TLS here")
            self.successResponse(b"Begin")
            return self.transport.startTLS(tls)

        def do_PASS(self, *words):  # noqa: N802
            if not ISSLTransport.providedBy(self.transport):
                return self.failResponse(b"[AUTH] Not without TLS")
            return super().do_PASS(*words)

        def state_AUTH(self, line):  # noqa: N802
            """Twisted's own takes what CRAM-MD5 answers alone."""
            from base64 import b64decode

            self.state = "COMMAND"
            self._auth.setResponse(b64decode(line))
            entered = self.portal.login(self._auth, None, Mailbox)
            entered.addCallback(self._cbMailbox, USER.encode()).addErrback(self._ebMailbox)

    from twisted.mail.pop3 import IMailbox as Mailbox

    def factory(challengers, can_start_tls=False):
        def make():
            made = Server()
            made.portal, made.can_start_tls = portal, can_start_tls
            return made

        built = made_by(make)
        built.challengers = challengers
        return built

    return (
        factory({b"PLAIN": PLAINCredentials}, can_start_tls=True),
        factory({}),
        factory({b"CRAM-MD5": CramMD5Credentials}),
    )


def ftp(tls, portal):
    """The first server wants TLS before anybody but anonymous signs in."""
    from twisted.protocols.ftp import FTP, FTPFactory

    class Server(FTP):
        is_safe = False

        def processCommand(self, cmd, *params):  # noqa: N802
            asked = (cmd.upper(), *params)
            if asked[0] in ("PBSZ", "PROT"):
                self.sendLine(b"200 As you like")
                return None
            if asked == ("AUTH", "TLS"):
                self.sendLine(b"234 Go on")
                self.transport.startTLS(tls)
                self.is_safe = True
                return None
            if asked[0] == "USER" and params != ("anonymous",) and not self.is_safe:
                return "530.1"  # not logged in
            return super().processCommand(cmd, *params)

    def factory(kind):
        made = FTPFactory(portal)
        made.protocol = kind
        return made

    class AtOnce(Server):
        is_safe = True

    return factory(Server), factory(AtOnce), factory(FTP)


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    serve(*sys.argv[1:4], [int(port) for port in sys.argv[4:]], os.environ["TWISTED_PASSWORD"])
