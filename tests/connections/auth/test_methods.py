"""What each auth method asks for and adds to a call."""

from base64 import b64decode

import pytest

from connhub.connections.auth import METHODS
from connhub.connections.auth.base import Granted, Injection
from connhub.services.models import AuthMethod, Service
from tests.conftest import CANARY


def method(kind, **config) -> AuthMethod:
    return AuthMethod(kind=kind, config=config, service=Service(name="Acme", driver="postgresql"))


def apply(kind, values, **config) -> Injection:
    return METHODS[kind].apply(values, method(kind, **config))


def asked(kind, **config) -> list[tuple[str, str, bool]]:
    fields = METHODS[kind].fields(method(kind, **config))
    return [(field.name, field.label, field.secret) for field in fields]


def test_every_kind_is_known_by_its_name():
    assert {kind: METHODS[kind].kind for kind in METHODS} == {kind: kind for kind in METHODS}


def test_secrets_never_print():
    holders = [
        Injection(headers=(("X", CANARY),), secrets=(CANARY,)),
        Granted({"access_token": CANARY}),
    ]

    assert [holder for holder in holders if CANARY in repr(holder) + str(holder)] == []


# --- API key --------------------------------------------------------------------------------------


@pytest.mark.parametrize("place", ["header", "query", "form"])
def test_api_key_goes_where_the_service_wants_it(place):
    keys = [{"name": "X-Key", "in": place}]

    injection = apply("api_key", {"key_1": CANARY}, keys=keys)

    field = {"header": "headers"}.get(place, place)
    assert injection == Injection(**{field: (("X-Key", CANARY),)}, secrets=(CANARY,))


def test_several_api_keys_each_go_to_their_place():
    keys = [
        {"name": "X-Key", "in": "header", "prefix": "Token token="},
        {"name": "app", "in": "query"},
        {"name": "secret", "in": "form"},
        {"name": "X-App", "in": "header"},
    ]
    values = {f"key_{number}": f"value{number}" for number in range(1, 5)}

    assert apply("api_key", values, keys=keys) == Injection(
        headers=(("X-Key", "Token token=value1"), ("X-App", "value4")),
        query=(("app", "value2"),),
        form=(("secret", "value3"),),
        secrets=("value1", "value2", "value3", "value4"),
    )


def test_api_key_asks_for_each_of_them():
    keys = [{"name": "a", "in": "query", "label": "Key"}, {"name": "b", "in": "query"}]

    assert asked("api_key", keys=keys) == [("key_1", "Key", True), ("key_2", "API key", True)]


def test_a_key_that_is_no_secret_is_asked_for_openly_and_may_come_back():
    keys = [{"name": "X-Key", "in": "header"}, {"name": "account", "in": "query", "secret": False}]

    injection = apply("api_key", {"key_1": CANARY, "key_2": "acme"}, keys=keys)

    assert [is_secret for _, _, is_secret in asked("api_key", keys=keys)] == [True, False]
    assert (injection.query, injection.secrets) == ((("account", "acme"),), (CANARY,))


# --- Basic ----------------------------------------------------------------------------------------


def pair(injection) -> str:
    (name, value), *others = injection.headers
    assert (name, value[:6], others) == ("Authorization", "Basic ", [])
    return b64decode(value[6:]).decode()


def test_basic_sends_user_and_password():
    injection = apply("basic", {"username": "Grace", "password": "pä:ss wörd"})

    assert pair(injection) == "Grace:pä:ss wörd"
    assert injection.secrets == ("pä:ss wörd", injection.headers[0][1][6:])


def test_basic_with_a_fixed_password_keeps_the_user_name_secret():
    config = {"password_value": "x", "username_secret": True, "username_label": "API key"}

    injection = apply("basic", {"username": CANARY}, **config)

    assert asked("basic", **config) == [("username", "API key", True)]
    assert pair(injection) == f"{CANARY}:x"
    assert injection.secrets == (CANARY, injection.headers[0][1][6:])


def test_basic_with_a_fixed_user_name():
    injection = apply("basic", {"password": CANARY}, username_value="api")

    assert asked("basic", username_value="api") == [("password", "Password", True)]
    assert pair(injection) == f"api:{CANARY}"


def test_basic_where_both_are_secret_gives_neither_away():
    injection = apply("basic", {"username": "key", "password": "secret"}, username_secret=True)

    assert injection.secrets == ("key", "secret", injection.headers[0][1][6:])


def test_fixed_password_is_not_replaced_by_a_parameter():
    injection = apply("basic", {"username": "key", "password": "mine"}, password_value="x")

    assert pair(injection) == "key:x"


# --- The others -----------------------------------------------------------------------------------


def test_bearer_token_goes_into_the_authorization_header():
    assert apply("bearer", {"token": CANARY}) == Injection(
        headers=(("Authorization", f"Bearer {CANARY}"),), secrets=(CANARY,)
    )
    assert asked("bearer", token_label="Key") == [("token", "Key", True)]


def test_oauth_sends_the_access_token_and_keeps_the_refresh_token_to_itself():
    values = {"access_token": "a", "refresh_token": CANARY}

    assert apply("oauth2_code", values) == Injection(
        headers=(("Authorization", "Bearer a"),), secrets=("a",)
    )
    assert METHODS["oauth2_code"].usable(values, method("oauth2_code")) == {"access_token": "a"}


def test_no_authentication_adds_nothing():
    assert apply("none", {"anything": "x"}) == Injection()
    assert asked("none") == []


def test_database_gives_parameters_and_dsn_to_a_flow():
    values = {"host": "db.example", "port": "5432", "user": "flow", "database": "orders"}

    usable = METHODS["database"].usable(values | {"password": "p"}, method("database"))

    assert not METHODS["database"].is_http
    assert usable["password"] == "p"
    assert usable["dsn"].startswith("postgresql://flow:p@db.example:5432/orders")


# --- Tokens ---------------------------------------------------------------------------------------

TOKEN_KINDS = ["oauth2_code", "oauth2_client_credentials", "jwt_bearer", "two_step"]


@pytest.mark.parametrize("kind", TOKEN_KINDS)
def test_token_goes_where_the_service_wants_it(kind):
    values = {"access_token": CANARY}
    header = {"in": "header", "name": "X-Token", "prefix": "Zoho "}
    query = {"in": "query", "name": "auth"}

    assert [
        apply(kind, values),
        apply(kind, values, apply=header),
        apply(kind, values, apply=query),
    ] == [
        Injection(headers=(("Authorization", f"Bearer {CANARY}"),), secrets=(CANARY,)),
        Injection(headers=(("X-Token", f"Zoho {CANARY}"),), secrets=(CANARY,)),
        Injection(query=(("auth", CANARY),), secrets=(CANARY,)),
    ]
