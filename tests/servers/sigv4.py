"""Checks signatures as the AWS Signature Version 4 documentation has them made, from raw requests.

It shares no code with the signer under test, and is itself checked with AWS's published suite.
"""

import hmac
import re
from collections.abc import Iterable, Sequence
from hashlib import sha256
from urllib.parse import quote, unquote_to_bytes

Headers = Sequence[tuple[str, str]]
AUTHORIZATION = re.compile(
    r"AWS4-HMAC-SHA256 Credential=([^/]+)/(\d{8})/([^/]+)/([^/]+)/aws4_request, "
    r"SignedHeaders=([a-z0-9;-]+), Signature=([0-9a-f]{64})"
)


def authorization(
    method: str,
    target: str,
    headers: Headers,
    body: bytes,
    *,
    keys: tuple[str, str],
    scope: tuple[str, str],
    signed: Iterable[str],
    normalize: bool,
) -> str:
    """The Authorization header for a request with an x-amz-date; `scope` is region and service.

    `normalize` is false for S3, which takes a path as the name of an object, decoded once.
    """
    at, names = _values("x-amz-date", headers)[0], ";".join(sorted(signed))
    date, (region, service) = at[:8], scope
    path, _, query = target.partition("?")
    lines = [f"{name}:{_joined(name, headers)}\n" for name in sorted(signed)]
    uri = _encoded(_normal(path).encode()) if normalize else _encoded(unquote_to_bytes(path))
    payload = sha256(body).hexdigest()
    canonical = "\n".join([method, uri, _canonical(query), "".join(lines), names, payload])
    day = f"{date}/{region}/{service}/aws4_request"
    digest = sha256(canonical.encode()).hexdigest()
    key = f"AWS4{keys[1]}".encode()
    for part in day.split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    signature = hmac.digest(key, f"AWS4-HMAC-SHA256\n{at}\n{day}\n{digest}".encode(), "sha256")
    return (
        f"AWS4-HMAC-SHA256 Credential={keys[0]}/{day}, "
        f"SignedHeaders={names}, Signature={signature.hex()}"
    )


def accepts(method: str, target: str, headers: Headers, body: bytes, keys: tuple[str, str]) -> bool:
    """Whether the request is signed with these keys, the parts among it that have to be."""
    given = _joined("authorization", headers)
    parts = AUTHORIZATION.fullmatch(given)
    if not parts:
        return False
    region, service, signed = parts[3], parts[4], parts[5].split(";")
    must = {"host", *(name.lower() for name, _ in headers if name.lower().startswith("x-amz-"))}
    hashes = _values("x-amz-content-sha256", headers)
    is_whole = hashes == [sha256(body).hexdigest()] if service == "s3" else True
    wanted = authorization(
        method,
        target,
        headers,
        body,
        keys=keys,
        scope=(region, service),
        signed=signed,
        normalize=service != "s3",
    )
    return must <= set(signed) and is_whole and hmac.compare_digest(given, wanted)


def _normal(path: str) -> str:
    """Without empty and dot segments (RFC 3986, 6.2.2.3)."""
    kept: list[str] = []
    for segment in path.split("/"):
        if segment == "..":
            del kept[-1:]
        elif segment not in ("", "."):
            kept.append(segment)
    is_folder = path.endswith("/") and kept
    return "/" + "/".join(kept) + ("/" if is_folder else "")


def _canonical(query: str) -> str:
    pairs = []
    for piece in filter(None, query.split("&")):
        name, _, value = piece.replace("+", " ").partition("=")
        pairs.append(tuple(quote(unquote_to_bytes(part), safe="") for part in (name, value)))
    return "&".join(f"{name}={value}" for name, value in sorted(pairs))


def _encoded(path: bytes) -> str:
    return quote(path, safe="/")


def _values(name: str, headers: Headers) -> list[str]:
    return [value for given, value in headers if given.lower() == name]


def _joined(name: str, headers: Headers) -> str:
    return ",".join(" ".join(value.split()) for value in _values(name, headers))
