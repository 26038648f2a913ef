"""TLS to the outside: always verified, against the system's store, certifi's and one's own."""

import functools
import ssl
from datetime import UTC, datetime
from typing import Any

from django.conf import settings
from requests.utils import DEFAULT_CA_BUNDLE_PATH

from .errors import TLSFailed

# X509_V_ERR_… of OpenSSL, as in SSLCertVerificationError.verify_code
EXPIRED = 10
NOT_YET_VALID = 9
WRONG_NAMES = frozenset({62, 64})  # host name, IP address


def context() -> ssl.SSLContext:
    """The one context of all connections; CONNHUB_CA_FILE names further authorities."""
    return _context(settings.CONNHUB_CA_FILE)


def failure(error: ssl.SSLError) -> TLSFailed:
    """Say in words what is wrong with the other side's TLS."""
    code = getattr(error, "verify_code", None)
    if code in {EXPIRED, NOT_YET_VALID}:
        return TLSFailed("tls: expired", "The certificate at the address has expired.")
    if code in WRONG_NAMES:
        return TLSFailed("tls: name", "The certificate at the address is for another name.")
    if code:
        return TLSFailed("tls: untrusted", "The certificate at the address is not trusted here.")
    return TLSFailed("tls")


def ends_at(connection: ssl.SSLSocket) -> datetime | None:
    """When the other side's certificate ends; None if it wasn't verified."""
    certificate: Any = connection.getpeercert()
    if not certificate:
        return None
    return datetime.fromtimestamp(ssl.cert_time_to_seconds(certificate["notAfter"]), UTC)


@functools.lru_cache(maxsize=4)
def _context(ca_file: str | None) -> ssl.SSLContext:
    verifying = ssl.create_default_context()
    verifying.load_verify_locations(DEFAULT_CA_BUNDLE_PATH)
    if ca_file:
        verifying.load_verify_locations(ca_file)
    verifying.set_alpn_protocols(["http/1.1"])
    return verifying
