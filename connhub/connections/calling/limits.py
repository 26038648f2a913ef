"""Holds calls to the methods and paths that their service is limited to."""

from connhub.services.limits import Limits

from .refusals import MethodNotAllowed, PathNotAllowed


def require_allowed(limits: Limits, method: str, path: str | None) -> None:
    """Refuse what the service is not to be called with; `path` is canonical, below the base URL.

    Raises: MethodNotAllowed, PathNotAllowed.
    """
    if not limits.allow_method(method):
        raise MethodNotAllowed(", ".join(limits.methods))
    if not limits.allow_path(f"/{path or ''}"):
        raise PathNotAllowed
