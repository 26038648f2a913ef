"""Making a driver's test, and reading what it reports."""

from connhub.connections.auth import METHODS  # noqa: F401 - the room's own order of imports
from connhub.connections.databases import DRIVERS

CANARY = "cánary/p@ss:wörd%'\\ "
HOST = "127.0.0.1"
DISCLOSES = "The server asks for the password in a way that would disclose it to others."
TIMED_OUT = "The server did not finish in time."
WRONG_PASSWORD = "The server does not accept this user and password."
UNTRUSTED = "The certificate at the address is not trusted here."


def probe(slug, port, *, password=CANARY, private_key="", token="", timeout_s=5, **parameters):
    given = {"host": HOST, "port": port, "user": "flow", "database": "0", "tls": "off"}
    if slug == "ldap":  # which takes nothing else
        given |= {"tls": "verify-full", "tls_start": "starttls"}
    secrets = {"password": password, "private_key": private_key, "token": token}
    return DRIVERS[slug].probe(given | parameters, secrets, timeout_s=timeout_s)


def outcome(report):
    """The last step: its name, how it went and what it said."""
    last = report.steps[-1]
    return last.name, last.outcome, last.said


def outcomes(report):
    return [(step.name, step.outcome) for step in report.steps]


def well(tls="ok"):
    return [
        ("Parameters", "ok"),
        ("Connect", "ok"),
        ("TLS", tls),
        ("Sign in", "ok"),
        ("Sample query", "ok"),
    ]
