from collections.abc import Sequence

from connhub.services.models import AuthMethod

from .base import Field, Injection, Method, Values


class Bearer(Method):
    """A token that the person has from the service, in the Authorization header (RFC 6750)."""

    kind = "bearer"
    hands_out = ("token",)
    label = "Bearer token"
    is_personal = True

    def fields(self, method: AuthMethod) -> tuple[Field, ...]:
        config = method.config
        label = config.get("token_label") or "Token"
        return (Field("token", label, help=config.get("help", ""), secret=True),)

    def added(self, method: AuthMethod) -> Sequence[str]:
        return ("the token in the header Authorization (Bearer)",)

    def apply(self, values: Values, method: AuthMethod) -> Injection:
        token = values["token"]
        return Injection(headers=(("Authorization", f"Bearer {token}"),), secrets=(token,))
