"""What of a service may be called: its methods and paths, and at which hosts it may be."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from .addresses import PLACEHOLDER
from .fields import host_in
from .models import AuthMethod, Service

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
# One piece of a host name for {name}, any number of them for the asterisk.
ONE, SEVERAL = "[a-z0-9_-]+", r"(?:[a-z0-9_-]+\.)+"


@dataclass(frozen=True, slots=True)
class Limits:
    """The methods and path prefixes that may be called; all, where there are none."""

    methods: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()

    @classmethod
    def of(cls, service: Service) -> "Limits":
        return cls(tuple(service.allowed_methods), tuple(service.allowed_paths))

    def allow_method(self, method: str) -> bool:
        return not self.methods or method in self.methods

    def allow_path(self, path: str) -> bool:
        """Whether a path below the base URL is one of the prefixes, or below one.

        It is compared as it is written, for that is how it is sent.
        """
        return not self.paths or any(
            path == prefix or path.startswith(f"{prefix}/") for prefix in self.paths
        )


def is_host_of(method: AuthMethod, host: str) -> bool:
    """Whether connections may be to the host: the service's, or one that it names; any if it names none."""
    service = method.service
    if not service.allowed_hosts:
        return True
    addresses = [service.base_url, method.config.get("base_url", "")]
    if service.pk:
        addresses += [row.base_url for row in service.endpoints.all()]
    own = (host_in(url).partition(":")[0] for url in addresses)
    return _is_among(host.lower(), [*own, *service.allowed_hosts])


def _is_among(host: str, patterns: Iterable[str]) -> bool:
    return any(re.fullmatch(_pattern(each.lower()), host) for each in patterns)


def _pattern(host: str) -> str:
    pieces = re.split(r"(\{[a-z][a-z0-9_]*\})", host.removeprefix("*."))
    fixed = "".join(ONE if PLACEHOLDER.fullmatch(piece) else re.escape(piece) for piece in pieces)
    return (SEVERAL if host.startswith("*.") else "") + fixed
