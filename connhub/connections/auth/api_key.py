from connhub.services.models import AuthMethod

from .base import Field, Injection, Method, Values


class ApiKey(Method):
    """One or several keys, each in a header, the query string or a form body; not all are secret."""

    kind = "api_key"
    label = "API key"

    def fields(self, method: AuthMethod) -> tuple[Field, ...]:
        return tuple(
            Field(
                name=f"key_{number}",
                label=key.get("label") or "API key",
                help=key.get("help", ""),
                secret=key.get("secret", True),
            )
            for number, key in enumerate(method.config["keys"], 1)
        )

    def apply(self, values: Values, method: AuthMethod) -> Injection:
        places: dict[str, list[tuple[str, str]]] = {"header": [], "query": [], "form": []}
        secrets = []
        for number, key in enumerate(method.config["keys"], 1):
            value = values[f"key_{number}"]
            places[key["in"]].append((key["name"], key.get("prefix", "") + value))
            if key.get("secret", True):
                secrets.append(value)
        return Injection(
            headers=tuple(places["header"]),
            query=tuple(places["query"]),
            form=tuple(places["form"]),
            secrets=tuple(secrets),
        )
