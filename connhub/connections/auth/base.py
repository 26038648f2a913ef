"""What every auth method answers: what it asks for, how it connects, what it adds to a call."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from connhub.services.addresses import PLACEHOLDER
from connhub.services.models import AuthMethod

Values = Mapping[str, str]
Pairs = Sequence[tuple[str, str]]
Sign = Callable[[str, str, Pairs, bytes], Pairs]

PLACES = {"header": "header", "query": "query parameter", "form": "form field"}
BEARER = {"in": "header", "name": "Authorization", "prefix": "Bearer "}


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


def declared(specs: Iterable[Mapping[str, Any]]) -> tuple[Field, ...]:
    """The fields that a catalogue entry declares as its parameters."""
    known = Field.__slots__
    return tuple(Field(**{k: v for k, v in spec.items() if k in known}) for spec in specs)


def filled(template: str, values: Values) -> str:
    """A text, not an address, with its placeholders replaced. Raises: KeyError."""
    return PLACEHOLDER.sub(lambda match: values[match[1]], template)


@dataclass(frozen=True, slots=True, repr=False)
class Injection:
    """What a call gets on its way out; `secrets` are the values that must never come back.

    `defaults` are headers for calls that bring none of that name. `sign` takes method, URL,
    headers and body of each call as it is about to be sent, and gives the headers to set.
    """

    headers: tuple[tuple[str, str], ...] = ()
    query: tuple[tuple[str, str], ...] = ()
    form: tuple[tuple[str, str], ...] = ()
    secrets: tuple[str, ...] = ()
    defaults: tuple[tuple[str, str], ...] = ()
    sign: Sign | None = None


@dataclass(slots=True, repr=False)
class Granted:
    """What connecting or refreshing brought: the secrets to seal, and what is known of them."""

    secrets: dict[str, str]
    expires_at: datetime | None = None
    renewable: bool = False
    scopes: list[str] = field(default_factory=list)
    account: str = ""
    ends_at: datetime | None = None  # of what a person typed, as they say


@dataclass(frozen=True, slots=True, repr=False)
class Begun:
    """A sign-in that waits for the person: where they go, and what it is completed with.

    `state` is what the answer will bring back, `verifier` a secret that never travels with them.
    """

    url: str
    state: str
    verifier: str


class Method:
    """One way to authenticate. Subclasses override what differs; `kind` is the catalogue's word."""

    kind: str
    label: str
    connects = False  # whether connecting asks the service for a token, without a person
    revokes = False  # whether the provider can be told to revoke
    has_scopes = False  # whether one chooses scopes
    is_http = True  # whether it adds something to HTTP calls
    signs_with_app = False  # whether every call takes the OAuth app's id and secret
    state_names: tuple[str, ...] = ()  # which parameters of an answer may hold the state
    denies_unnamed = False  # whether a provider may say no without any of them
    is_personal = False  # whether what it asks for may be each login user's own
    hands_out: tuple[str, ...] = ()  # names that `usable` always has

    def is_interactive(self, method: AuthMethod) -> bool:
        """Whether connecting sends the person to the provider."""
        return False

    def offers_login_user(self, method: AuthMethod) -> bool:
        """Whether a connection may use the credentials of login users."""
        return self.is_interactive(method) or self.is_personal

    def personal_fields(self, method: AuthMethod) -> tuple[Field, ...]:
        """Those of the fields that each login user fills in for themself."""
        return self.fields(method) if self.is_personal else ()

    def fields(self, method: AuthMethod) -> tuple[Field, ...]:
        """What the form asks besides the service's parameters."""
        return ()

    def connect(self, values: Values, method: AuthMethod, scopes: Sequence[str]) -> Granted:
        """Ask for a token with what was typed; only for methods that `connects`.

        Raises: ProviderError; Unfilled, for an address that can't be made; KeyError.
        """
        raise NotImplementedError

    def app_fields(self, method: AuthMethod) -> tuple[Field, ...]:
        """`client_id` and `client_secret` of the OAuth app, as this method calls them."""
        raise NotImplementedError

    def sign_in_host(self, values: Values, method: AuthMethod) -> str:
        """The host that the person is sent to. Raises: ProviderMalformed."""
        raise NotImplementedError

    def begin(
        self, values: Values, method: AuthMethod, *, redirect_uri: str, scopes: Sequence[str]
    ) -> Begun:
        """Begin a sign-in, which may take a request of up to 20 s. Raises: ProviderError."""
        raise NotImplementedError

    def complete(
        self,
        values: Values,
        method: AuthMethod,
        answer: Mapping[str, str],
        *,
        state: str,
        verifier: str,
        redirect_uri: str,
        scopes: Sequence[str],
    ) -> Granted:
        """The grant for the answer that the person came back with.

        `state` is what the answer named of `begin`'s, or "" if it named none.

        Raises: AnswerRefused, if the person said no or the answer can't be believed; ProviderError.
        """
        raise NotImplementedError

    def renew(self, values: Values, method: AuthMethod, scopes: Sequence[str]) -> Granted:
        """A new token for one that ends. Raises: as `connect` does."""
        return self.connect(values, method, scopes)

    def revoke(self, values: Values, method: AuthMethod) -> str:
        """Tell the provider that the token is done with; what it said, in a word."""
        raise NotImplementedError

    def apply(self, values: Values, method: AuthMethod) -> Injection:
        """What to add to a call, given the parameters and opened secrets."""
        return Injection()

    def added(self, method: AuthMethod) -> Sequence[str]:
        """What `apply` adds to a call, in words and without any value."""
        return ()

    def fault(self, values: Values, method: AuthMethod) -> tuple[str, str] | None:
        """The first value that can't be stored: its name, and why in one sentence."""
        return None

    def usable(self, values: Values, method: AuthMethod) -> dict[str, str]:
        """What a flow gets that fetches the credential."""
        own = declared(method.config.get("parameters", ()))
        return {item.name: values.get(item.name, "") for item in (*own, *self.fields(method))}


class TokenMethod(Method):
    """Base of those that put an access token into every call, by default as RFC 6750 says."""

    hands_out = ("access_token",)

    def apply(self, values: Values, method: AuthMethod) -> Injection:
        token, where = values["access_token"], method.config.get("apply", BEARER)
        place = ((where["name"], where.get("prefix", "") + token),)
        if where["in"] == "query":
            return Injection(query=place, secrets=(token,))
        return Injection(headers=place, secrets=(token,))

    def added(self, method: AuthMethod) -> Sequence[str]:
        where = method.config.get("apply", BEARER)
        return (f"the access token in the {PLACES[where['in']]} {where['name']}",)

    def usable(self, values: Values, method: AuthMethod) -> dict[str, str]:
        return {"access_token": values["access_token"]}
