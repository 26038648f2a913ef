"""How Python connects to a server with what the credentials call answered, by its driver."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from ..databases.base import AT_ONCE, OFF, UNVERIFIED, VERIFIED


@dataclass(frozen=True, slots=True)
class Opening:
    """Lines that connect with `login`, and the imports that they take."""

    code: str
    standard: tuple[str, ...] = ()  # of Python's own library
    libraries: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Server:
    """What is known of a server without its secrets, by the connection's parameters."""

    tls: str = VERIFIED
    tls_start: str = AT_ONCE
    has_user: bool = True
    has_own_authority: bool = False

    @classmethod
    def of(cls, parameters: Mapping[str, str], usual_start: str) -> "Server":
        return cls(
            tls=parameters.get("tls") or VERIFIED,
            tls_start=parameters.get("tls_start") or usual_start,
            has_user=bool(parameters.get("user")),
            has_own_authority=bool(parameters.get("tls_ca")),
        )

    @property
    def has_tls(self) -> bool:
        return self.tls != OFF

    @property
    def begins_at_once(self) -> bool:
        return self.has_tls and self.tls_start == AT_ONCE


NAMES = Opening("print(sorted(login))")
ANY_LIBRARY = Opening('print(sorted(login))  # login["dsn"] is the URL that client libraries take')
ADDRESS = 'login["host"], int(login["port"])'
SSL = ("import ssl",)


def opening(driver: str, server: Server) -> Opening:
    """The library that Python has for it; for other drivers, what any library takes."""
    known = DRIVERS.get(driver)
    return (known and known(server)) or ANY_LIBRARY


def _context(server: Server) -> str:
    """TLS as the connection says; "" for none."""
    if not server.has_tls:
        return ""
    made = 'context = ssl.create_default_context(cadata=login["tls_ca"] or None)\n'
    if server.tls == UNVERIFIED:
        made += "context.check_hostname = False\ncontext.verify_mode = ssl.CERT_NONE\n"
    return made


def _postgresql(server: Server) -> Opening:
    """libpq takes authorities from files alone, `system` are the machine's."""
    before, more = "", ""
    standard: tuple[str, ...] = ()
    if server.tls == VERIFIED and server.has_own_authority:
        before = 'authority = Path("connhub-ca.pem")\nauthority.write_text(login["tls_ca"])\n'
        more, standard = ", sslrootcert=str(authority)", ("from pathlib import Path",)
    elif server.tls == VERIFIED:
        more = ', sslrootcert="system"'
    code = f"""{before}with psycopg.connect(login["dsn"]{more}) as database:
    print(database.execute("SELECT 1").fetchone())"""
    return Opening(code, standard, ("import psycopg",))


def _mysql(server: Server) -> Opening:
    code = f"""{_context(server)}database = pymysql.connect(
    host=login["host"],
    port=int(login["port"]),
    user=login["user"],
    password=login["password"].encode(),
    database=login["database"],
    charset="utf8mb4",
    {"ssl=context" if server.has_tls else "ssl_disabled=True"},
)
with database, database.cursor() as cursor:
    cursor.execute("SELECT 1")
    print(cursor.fetchone())"""
    return Opening(code, SSL if server.has_tls else (), ("import pymysql",))


def _redis(server: Server) -> Opening:
    more = ', ssl_ca_data=login["tls_ca"] or None' if server.tls == VERIFIED else ""
    code = f"""with redis.Redis.from_url(login["dsn"]{more}) as database:
    print(database.ping())"""
    return Opening(code, (), ("import redis",))


def _smtp(server: Server) -> Opening:
    sign_in = '\n    mail.login(login["user"], login["password"])' if server.has_user else ""
    if server.begins_at_once:
        opened, start = f"smtplib.SMTP_SSL({ADDRESS}, context=context, timeout=30)", ""
    else:
        opened = f"smtplib.SMTP({ADDRESS}, timeout=30)"
        start = "\n    mail.starttls(context=context)" if server.has_tls else ""
    code = f"{_context(server)}with {opened} as mail:{start}{sign_in}\n    print(mail.noop())"
    return Opening(code, ("import smtplib", *(SSL if server.has_tls else ())))


def _imap(server: Server) -> Opening | None:
    if not server.has_tls:
        return None
    if server.begins_at_once:
        opened, start = f"imaplib.IMAP4_SSL({ADDRESS}, ssl_context=context, timeout=30)", ""
    else:
        opened = f"imaplib.IMAP4({ADDRESS}, timeout=30)"
        start = "\n    mail.starttls(ssl_context=context)"
    code = f"""{_context(server)}with {opened} as mail:{start}
    mail.login(login["user"], login["password"])
    print(mail.status("INBOX", "(MESSAGES)"))"""
    return Opening(code, ("import imaplib", *SSL))


def _pop3(server: Server) -> Opening | None:
    if not server.has_tls:
        return None
    if server.begins_at_once:
        opened, start = f"poplib.POP3_SSL({ADDRESS}, context=context, timeout=30)", ""
    else:
        opened = f"poplib.POP3({ADDRESS}, timeout=30)"
        start = "mail.stls(context=context)\n"
    code = f"""{_context(server)}mail = {opened}
{start}mail.user(login["user"])
mail.pass_(login["password"])
print(mail.stat())
mail.quit()"""
    return Opening(code, ("import poplib", *SSL))


IMPLICIT = '''\
class ImplicitTLS(ftplib.FTP_TLS):
    """ftplib itself begins TLS only when it is asked for."""

    link = None

    @property
    def sock(self):
        return self.link

    @sock.setter
    def sock(self, link):
        if link is not None and not isinstance(link, ssl.SSLSocket):
            link = self.context.wrap_socket(link, server_hostname=self.host)
        self.link = link


'''


def _ftp(server: Server) -> Opening:
    sign_in = (
        'files.login(login["user"], login["password"])' if server.has_user else "files.login()"
    )
    kind = "ftplib.FTP(timeout=30)"
    if server.has_tls:
        kind = f"{'ImplicitTLS' if server.begins_at_once else 'ftplib.FTP_TLS'}(context=context, timeout=30)"
    private = "    files.prot_p()\n" if server.has_tls else ""
    code = f"""{IMPLICIT if server.begins_at_once else ""}{_context(server)}with {kind} as files:
    files.connect({ADDRESS})
    {sign_in}
{private}    print(files.pwd())"""
    return Opening(code, ("import ftplib", *(SSL if server.has_tls else ())))


def _sftp(server: Server) -> Opening:
    code = f"""\
def private_key(text):
    for kind in (paramiko.Ed25519Key, paramiko.ECDSAKey, paramiko.RSAKey):
        try:
            return kind.from_private_key(io.StringIO(text))
        except paramiko.SSHException:
            continue
    raise ValueError("The private key can't be read.")


with paramiko.Transport(({ADDRESS})) as session:
    session.start_client(timeout=30)
    if session.get_remote_server_key().fingerprint != login["host_key"]:
        raise ConnectionError("The server has another host key.")
    if login["private_key"]:
        session.auth_publickey(login["user"], private_key(login["private_key"]))
    else:
        session.auth_password(login["user"], login["password"])
    with paramiko.SFTPClient.from_transport(session) as files:
        print(files.listdir("."))"""
    return Opening(code, ("import io",), ("import paramiko",))


def _ldap(server: Server) -> Opening:
    begin = "AUTO_BIND_NO_TLS" if server.begins_at_once else "AUTO_BIND_TLS_BEFORE_BIND"
    code = f"""tls = ldap3.Tls(validate=ssl.CERT_REQUIRED, ca_certs_data=login["tls_ca"] or None)
server = ldap3.Server({ADDRESS}, use_ssl={server.begins_at_once}, tls=tls)
with ldap3.Connection(
    server, login["user"], login["password"], auto_bind=ldap3.{begin}
) as directory:
    print(directory.bound)"""
    return Opening(code, SSL, ("import ldap3",))


DRIVERS: dict[str, Callable[[Server], Opening | None]] = {
    "postgresql": _postgresql,
    "mysql": _mysql,
    "redis": _redis,
    "smtp": _smtp,
    "imap": _imap,
    "pop3": _pop3,
    "ftp": _ftp,
    "sftp": _sftp,
    "ldap": _ldap,
}
