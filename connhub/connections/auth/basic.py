from base64 import b64encode
from collections.abc import Sequence

from connhub.services.models import AuthMethod

from .base import Field, Injection, Method, Values


class Basic(Method):
    """User name and password in the Authorization header (RFC 7617)."""

    kind = "basic"
    label = "Basic"
    is_personal = True

    def fields(self, method: AuthMethod) -> tuple[Field, ...]:
        config = method.config
        asked = []
        if "username_value" not in config:
            asked.append(
                Field(
                    "username",
                    config.get("username_label") or "User name",
                    help=config.get("help", ""),
                    secret=bool(config.get("username_secret")),
                )
            )
        if "password_value" not in config:
            asked.append(Field("password", config.get("password_label") or "Password", secret=True))
        return tuple(asked)

    def added(self, method: AuthMethod) -> Sequence[str]:
        return ("user name and password in the header Authorization (Basic)",)

    def apply(self, values: Values, method: AuthMethod) -> Injection:
        typed = {item.name: values[item.name] for item in self.fields(method)}
        username = typed.get("username", method.config.get("username_value", ""))
        password = typed.get("password", method.config.get("password_value", ""))
        encoded = b64encode(f"{username}:{password}".encode()).decode()
        secrets = [typed[item.name] for item in self.fields(method) if item.secret]
        return Injection(
            headers=(("Authorization", f"Basic {encoded}"),), secrets=(*secrets, encoded)
        )
