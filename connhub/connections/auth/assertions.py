"""JWTs that ConnHub signs to say who it is (RFC 7523)."""

from collections.abc import Mapping
from typing import Any

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, OctKey, RSAKey

from .provider import ProviderMalformed

KEYS: dict[str, Any] = {"RS256": RSAKey, "PS256": RSAKey, "ES256": ECKey, "HS256": OctKey}


def sign(
    claims: Mapping[str, Any], key: str, algorithm: str, *, key_id: str = "", encoding: str = "text"
) -> str:
    """The claims as a signed JWT; `key` is PEM, or for HS256 the shared secret (text or hex).

    Raises: ProviderMalformed, if the key can't be used.
    """
    header = {"alg": algorithm, "typ": "JWT"} | ({"kid": key_id} if key_id else {})
    try:
        # A PEM copied out of a JSON file has its line ends spelt out.
        material = bytes.fromhex(key) if encoding == "hex" else key.replace("\\n", "\n").encode()
        return jwt.encode(
            header, dict(claims), KEYS[algorithm].import_key(material), algorithms=[algorithm]
        )
    except (JoseError, ValueError, TypeError):
        raise ProviderMalformed(
            f"The key can't be used to sign with {algorithm}. Enter it whole, as you got it."
        ) from None
