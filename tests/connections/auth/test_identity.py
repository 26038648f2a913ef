import json
from base64 import urlsafe_b64encode

import pytest

from connhub.connections.auth import identity


def id_token(**claims) -> str:
    parts = [json.dumps(part).encode() for part in ({"alg": "RS256"}, {"aud": "us"} | claims)]
    return ".".join([*(urlsafe_b64encode(p).decode().rstrip("=") for p in parts), "c2ln"])


def named(body, **config) -> str:
    return identity.in_answer(body, config, "us")


@pytest.mark.parametrize(
    ("claims", "name"),
    [
        ({"sub": "7"}, "7"),
        ({"sub": "7", "preferred_username": "grace"}, "grace"),
        ({"sub": "7", "preferred_username": "grace", "email": "grace@acme.example"},
         "grace@acme.example"),
        ({"sub": "7", "email": ""}, "7"),
        ({"sub": "7", "email": "a\nb"}, "7"),
        ({"sub": "7", "email": "x" * 201}, "7"),
        ({"sub": "7", "email": ["grace@acme.example"]}, "7"),
        ({"sub": "7", "aud": ["us", "them"]}, "7"),
        ({"sub": "7", "aud": "them"}, ""),
        ({"sub": "7", "aud": None}, ""),
        ({"sub": True}, ""),
    ],
)  # fmt: skip
def test_an_id_token_names_the_account_by_its_best_claim(claims, name):
    assert named({"id_token": id_token(**claims)}) == name


def test_an_id_token_of_another_issuer_names_nobody():
    body = {"id_token": id_token(sub="7", iss="https://evil.example")}

    assert named(body) == "7"
    assert named(body, issuer="https://acme.example") == ""


@pytest.mark.parametrize(
    "token",
    [None, 7, {}, "", "a.b", "a.b.c.d", "a.!.c", "a.e30.c", "a.W10.c", "a.é.c", "a." + "W" * 9 + ".c"],
)  # fmt: skip
def test_what_is_no_id_token_names_nobody(token):
    assert named({"id_token": token}) == ""


def test_a_field_of_the_answer_names_the_account_where_no_id_token_does():
    body = {"team": {"name": "Softball"}, "user": [{"id": 42}]}

    assert named(body) == ""
    assert named(body, account_field="team.name") == "Softball"
    assert named(body, account_field="user.0.id") == "42"
    assert named(body, account_field="team") == ""
    assert named(body | {"id_token": id_token(sub="7")}, account_field="team.name") == "7"
