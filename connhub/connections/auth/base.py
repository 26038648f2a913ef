"""What every auth method answers: what it asks for, how it connects, what it adds to a call."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from connhub.services.models import AuthMethod

Values = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Field:
    """One thing a connection's form asks for; `secret` ones are sealed and never shown again."""

    name: str
    label: str
    help: str = ""
    kind: str = "text"  # text, number, choice, multiline
    secret: bool = False
    required: bool = True
    default: str = ""
    choices: tuple[tuple[str, str], ...] = ()
    pattern: str = ""
    placeholder: str = ""


@dataclass(frozen=True, slots=True, repr=False)
class Injection:
    """What a call gets on its way out; `secrets` are the values that must never come back."""

    headers: tuple[tuple[str, str], ...] = ()
    query: tuple[tuple[str, str], ...] = ()
    form: tuple[tuple[str, str], ...] = ()
    secrets: tuple[str, ...] = ()


@dataclass(slots=True, repr=False)
class Granted:
    """What connecting or refreshing brought: the secrets to seal, and what is known of them."""

    secrets: dict[str, str]
    expires_at: datetime | None = None
    renewable: bool = False
    scopes: list[str] = field(default_factory=list)
    account: str = ""


class Method:
    """One way to authenticate. Subclasses override what differs; `kind` is the catalogue's word."""

    kind: str
    label: str
    interactive = False  # whether connecting sends the person to the provider
    is_http = True  # whether it adds something to HTTP calls

    def fields(self, method: AuthMethod) -> tuple[Field, ...]:
        """What the form asks besides the service's parameters."""
        return ()

    def apply(self, values: Values, method: AuthMethod) -> Injection:
        """What to add to a call, given the parameters and opened secrets."""
        return Injection()

    def usable(self, values: Values, method: AuthMethod) -> dict[str, str]:
        """What a flow gets that fetches the credential."""
        return {item.name: values.get(item.name, "") for item in self.fields(method)}
