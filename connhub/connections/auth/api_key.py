from collections.abc import Mapping, Sequence
from typing import Any

from connhub.services.models import AuthMethod

from .base import PLACES, Field, Injection, Method, Values


class ApiKey(Method):
    """One or several keys, each in a header, the query string or a form body; not all are secret."""

    kind = "api_key"
    label = "API key"
    is_personal = True
    hands_out = ("key_1",)

    def fields(self, method: AuthMethod) -> tuple[Field, ...]:
        return tuple(
            Field(
                name=f"key_{number}",
                label=key.get("label") or "API key",
                help=key.get("help", ""),
                secret=_is_secret(key),
            )
            for number, key in enumerate(method.config["keys"], 1)
        )

    def apply(self, values: Values, method: AuthMethod) -> Injection:
        places: dict[str, list[tuple[str, str]]] = {"header": [], "query": [], "form": []}
        secrets = []
        for number, key in enumerate(method.config["keys"], 1):
            value = values[f"key_{number}"]
            places[key["in"]].append((key["name"], key.get("prefix", "") + value))
            if _is_secret(key):
                secrets.append(value)
        return Injection(
            headers=tuple(places["header"]),
            query=tuple(places["query"]),
            form=tuple(places["form"]),
            secrets=tuple(secrets),
        )

    def added(self, method: AuthMethod) -> Sequence[str]:
        return [
            f"{key.get('label') or 'the API key'} in the {PLACES[key['in']]} {key['name']}"
            for key in method.config["keys"]
        ]


def _is_secret(key: Mapping[str, Any]) -> bool:
    return key.get("secret", True)
