from .base import Method


class NoAuth(Method):
    """A service that asks nobody who they are."""

    kind = "none"
    label = "No authentication"
