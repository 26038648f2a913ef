"""RSA signatures with SHA-1, for a protocol that knows nothing better (RFC 5849 section 3.4.3)."""

from collections.abc import Callable

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.serialization import load_pem_private_key


class NotAnRSAKey(ValueError):
    """The text is no RSA private key in PEM without a password; it is not quoted."""


def sha1_signer(pem: str) -> Callable[[bytes], bytes]:
    """What signs with the key (RSASSA-PKCS1-v1_5), which is read only once. Raises: NotAnRSAKey."""
    try:
        key = load_pem_private_key(pem.encode(), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise NotAnRSAKey from None
    if not isinstance(key, RSAPrivateKey):
        raise NotAnRSAKey
    return lambda message: key.sign(message, PKCS1v15(), SHA1())  # noqa: S303 - as the RFC says
