"""SECURITY 2.3: no key that the auth methods read changes where a secret goes without notice."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from connhub import connections
from connhub.connections.auth import METHODS
from connhub.services import custom
from connhub.services.custom import Definition, MethodDefinition
from connhub.services.models import AuthMethod

READERS = sorted(Path(connections.__file__).parent.rglob("*.py"))
# What a configuration, or a part of one, is called where it is read.
HOLDERS = {"config", "login", "key", "where"}
ROWS = {"keys", "fields", "parameters"}
PLACE = {"in": "header", "name": "X-Key", "prefix": ""}
SAMPLES = {
    "oauth2_code": {"key_id": True},
    "oauth2_client_credentials": {"key_id": True, "token_auth": "private_key_jwt"},
    "jwt_bearer": {"issuer_label": "Issuer", "subject_label": "User", "key_id": True},
    "oauth1": {"signature_method": "HMAC-SHA1"},
    "two_step": {"fields": [{"name": "password", "label": "Password"}]},
    "aws_sigv4": {"service": "s3", "region": "eu-west-1"},
    "api_key": {"keys": [PLACE | {"label": "Key"}]},
    "basic": {},
    "bearer": {},
    "none": {},
}
VALUES = {
    **dict.fromkeys(("access_token", "token", "username", "password", "key_1"), "value"),
    **dict.fromkeys(("access_key_id", "secret_access_key"), "value"),
    **dict.fromkeys(("client_id", "client_secret", "oauth_token", "oauth_token_secret"), "value"),
}


def keys_read(source: str) -> Iterator[str]:
    """What is taken out of a configuration: `config["x"]`, `config.get("x")`, `"x" in config`."""
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Subscript(value=holder, slice=ast.Constant(value=str(key))):
                found = holder, key
            case ast.Call(
                func=ast.Attribute(value=holder, attr="get"),
                args=[ast.Constant(value=str(key)), *_],
            ):
                found = holder, key
            case ast.Compare(left=ast.Constant(value=str(key)), comparators=[holder]):
                found = holder, key
            case _:
                continue
        if ast.unparse(found[0]).split(".")[-1] in HOLDERS:
            yield found[1]


def test_reading_a_key_is_noticed():
    source = 'a = method.config["a"]; b = config.get("b", 1); c = "c" in self.config; d = e["d"]'

    assert set(keys_read(source)) == {"a", "b", "c"}


def sent(**config) -> dict:
    method = MethodDefinition("api_key", "API key", config)
    return custom.sending(Definition(name="Acme", category="CRM", base_url="", methods=[method]))


def test_each_key_is_a_word_or_decides_where_and_how_secrets_are_sent():
    read = {key for path in READERS for key in keys_read(path.read_text())}

    undecided = {
        key
        for key in read
        if (sent(**{key: [{"x": 1}]}) != sent(**{key: [{"x": 2}]})) == (key in custom.WORDS)
        and key not in custom.ASKED_BY | custom.WORDS_OF_A_ROW
    }

    assert {"login", "apply", "token_url", "algorithm", "region", "keys", "in"} <= read
    assert undecided == set()


@pytest.mark.parametrize("key", sorted(custom.ASKED_BY))
def test_whether_something_is_asked_decides_and_how_it_is_called_does_not(key):
    assert sent(**{key: "One"}) == sent(**{key: "Two"})
    assert sent(**{key: "One"}) != sent()


@pytest.mark.parametrize("rows", sorted(ROWS))
@pytest.mark.parametrize("key", ["name", "in", "prefix", "secret", "pattern", "default", "kind"])
def test_every_key_of_a_row_but_its_words_decides(rows, key):
    assert sent(**{rows: [{key: "a"}]}) != sent(**{rows: [{key: "b"}]})


@pytest.mark.parametrize("word", sorted(custom.WORDS | custom.ASKED_BY))
@pytest.mark.parametrize("kind", sorted(SAMPLES))
def test_words_change_nothing_that_is_asked_or_sent(kind, word):
    seen = []
    for text in ("One", "Two"):
        method = AuthMethod(kind=kind, config=SAMPLES[kind] | {word: text})
        fields = METHODS[kind].fields(method)
        added = METHODS[kind].apply(VALUES, method)
        asked = [(field.name, field.secret, field.required) for field in fields]
        seen.append((asked, added.headers, added.query, added.form, added.secrets))

    assert seen[0] == seen[1]
