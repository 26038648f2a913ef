"""Every snippet that the guide can show for what is called over HTTP is run, against a real service."""

import ast
import json
from dataclasses import dataclass, field
from itertools import product
from typing import Any
from urllib.parse import unquote

import pytest
from django.db import transaction

from connhub.accounts.models import Environment
from connhub.connections import lifecycle
from connhub.connections.auth import METHODS
from connhub.connections.auth.base import Granted
from connhub.connections.guide import guide_to
from connhub.connections.keeping import keep
from connhub.connections.models import AccessMode, Connection, Status
from connhub.sharing import roles
from connhub.usage import keys, registration
from tests.conftest import CANARY
from tests.connections.guide.running import Code, outputs
from tests.factories import AuthMethodFactory, ServiceFactory

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.xdist_group("app")]

HIDDEN = "*" * len(CANARY)
TOKEN = {"access_token": CANARY}
KEY = {"key_1": CANARY}
TEST = {"method": "GET", "path": "/me'$(id)?fields=a%20b&x[]={1}", "expect": [200]}
QUERY = {"query": 'it\'s "{ me }" $HOME `id` é', "variables": {"n": 1, "on": True, "no": None}}


def in_place(place: str) -> dict:
    return {"keys": [{"name": "X-Api-Key", "in": place, "label": "API key"}]}


@dataclass
class Case:
    """One auth method of one service, and what its example call arrives as."""

    kind: str
    config: dict[str, Any] = field(default_factory=dict)
    secrets: dict[str, str] = field(default_factory=lambda: TOKEN)
    test: dict[str, Any] = field(default_factory=dict)
    operations: tuple[tuple[str, str], ...] = ()
    arrives: tuple[str, str, str] = ("GET", "/echo/", "")
    body: str = ""


POSTED = {"method": "POST", "path": "/graphql", "headers": {"X-Version": "2"}, "json": QUERY}
CASES = {
    "by key": Case("api_key", in_place("header"), KEY),
    "by key, tested": Case(
        "api_key", in_place("header"), KEY, test=TEST,
        arrives=("GET", "/echo/me'$(id)", "fields=a%20b&x[]={1}"),
    ),
    "by key, tested by POST": Case(
        "api_key", in_place("header"), KEY, test=POSTED, arrives=("POST", "/echo/graphql", ""),
        body=json.dumps(QUERY),
    ),
    "by key, tested by POST without body": Case(
        "api_key", in_place("header"), KEY, test={"method": "POST", "path": "/ping"},
        arrives=("POST", "/echo/ping", ""),
    ),
    "by key, tested by HEAD": Case(
        "api_key", in_place("header"), KEY, test={"method": "HEAD", "path": "/ping"},
        arrives=("HEAD", "/echo/ping", ""),
    ),
    "by key, with operations": Case(
        "api_key", in_place("header"), KEY,
        operations=(("GET", "/pets/{id}"), ("GET", "/all/pets"), ("DELETE", "/a"), ("GET", "/pets")),
        arrives=("GET", "/echo/pets", ""),
    ),
    "by key in the query": Case(
        "api_key", in_place("query"), KEY, arrives=("GET", "/echo/", f"X-Api-Key={HIDDEN}")
    ),
    "by key in a form": Case(
        "api_key", in_place("form"), KEY, arrives=("POST", "/echo/", ""), body=f"X-Api-Key={HIDDEN}"
    ),
    "basic": Case("basic", secrets={"username": "grace", "password": CANARY}),
    "bearer": Case("bearer", secrets={"token": CANARY}),
    "none": Case("none", secrets={}),
    "oauth2_code": Case("oauth2_code"),
    "oauth2_client_credentials": Case("oauth2_client_credentials"),
    "jwt_bearer": Case("jwt_bearer"),
    "two_step": Case("two_step", {"fields": []}),
    "oauth1": Case("oauth1", secrets={"oauth_token": "t", "oauth_token_secret": CANARY}),
    "aws_sigv4": Case(
        "aws_sigv4", {"service": "execute-api", "region": "eu-west-1"},
        {"access_key_id": "AKIDEXAMPLE", "secret_access_key": CANARY},
    ),
}  # fmt: skip


def test_every_way_to_call_over_http_is_among_the_cases():
    assert {case.kind for case in CASES.values()} == {k for k, m in METHODS.items() if m.is_http}


@pytest.fixture
def tokens(ada, integration) -> dict[str, str]:
    """A key of each environment, by slug."""
    return {
        each.slug: keys.issue(integration, each, name="flow", by=ada)[1]
        for each in Environment.objects.all()
    }


@pytest.fixture
def made(ada, integration, upstream, app_server, settings):
    """Makes a case's connection, registered, with a credential for all environments."""
    settings.CONNHUB_URL = app_server.url

    def made(name: str, mode: str, *, login_user: bool) -> Connection:
        case = CASES[name]
        service = ServiceFactory(base_url=f"{upstream.url}/echo", test=case.test)
        for verb, path in case.operations:
            service.operations.create(method=verb, path=path)
        method = AuthMethodFactory(service=service, kind=case.kind, config=case.config)
        details = lifecycle.Details(
            name=name,
            access_mode=mode,
            login_user=login_user,
            client_id="ours",
            client_secret=CANARY,
        )
        link_name = f"c{Connection.objects.count()}"
        with transaction.atomic():
            connection = lifecycle.insert(method, details, link_name, ada, status=Status.CONNECTED)
            if case.kind == "oauth1":
                connection.oauth_app = lifecycle.new_app(connection, details, ada)
            connection.settings.create()
            granted, whose = Granted(dict(case.secrets)), ada if login_user else None
            keep(connection, granted, environment=None, user=whose)
            connection.save()
            roles.grant(connection, ada, by=ada)
        registration.register(integration, [connection], by=ada)
        return connection

    return made


@pytest.mark.parametrize("mode", AccessMode.values)
def test_every_snippet_does_what_it_shows(ada, made, tokens, tmp_path, mode):
    shown = [
        each
        for name, login_user in product(CASES, (False, True))
        if not login_user or offers_login_user(name)
        for each in all_shown(made(name, mode, login_user=login_user), name, by=ada)
    ]
    codes = [
        Code(each.language, each.text, {"CONNHUB_KEY": tokens[each.environments[n % 3]]})
        for n, each in enumerate(shown)
    ]

    said = outputs(codes, tmp_path)

    kinds = {each.name for each in shown if each.is_call}, {each.name for each in shown} - {"none"}
    assert kinds == (set(CASES), set(CASES) - {"none"})
    wrong = [
        f"{each.text}\n-> {text}"
        for each, text in zip(shown, said, strict=True)
        if not (arrived_well if each.is_call else names_the_secrets)(each, text)
    ]
    assert wrong == [], "\n\n".join(wrong[:3])


@dataclass
class Shown:
    """A snippet, and the environments where the guide shows it just so."""

    name: str  # of its case
    language: str
    text: str
    is_call: bool
    environments: list[str] = field(default_factory=list)


def all_shown(connection: Connection, name: str, by) -> list[Shown]:
    found: dict[str, Shown] = {}
    for environment in Environment.objects.all():
        guide = guide_to(connection, environment, by)
        for snippet in (*guide.calls, *guide.fetching):
            one = Shown(name, snippet.name, snippet.code, snippet in guide.calls)
            found.setdefault(snippet.code, one).environments.append(environment.slug)
    return list(found.values())


def offers_login_user(name: str) -> bool:
    case = CASES[name]
    return METHODS[case.kind].offers_login_user(AuthMethodFactory.build(config=case.config))


def arrived_well(shown: Shown, said: str) -> bool:
    case = CASES[shown.name]
    if case.arrives[0] == "HEAD":
        return said.startswith("HTTP/1.1 200") if shown.language == "curl" else said.strip() == ""
    found = json.loads(said)
    headers = {name.lower(): value for name, value in found["headers"]}
    return (
        (found["method"], unquote(found["path"]), unquote(found["query"]))
        == (*case.arrives[:2], unquote(case.arrives[2]))
        and same_body(found["body_start"], case.body)
        and CANARY not in said
        and (case.test.get("headers", {}).get("X-Version") == headers.get("x-version"))
    )


def same_body(came: str, meant: str) -> bool:
    if meant.startswith("{"):
        return json.loads(came.encode("latin-1")) == json.loads(meant)
    return came == meant


def names_the_secrets(shown: Shown, said: str) -> bool:
    """curl writes all of the answer, the others only the names of what it holds."""
    names = json.loads(said)["credentials"] if shown.language == "curl" else ast.literal_eval(said)
    method = AuthMethodFactory.build(kind=CASES[shown.name].kind, config=CASES[shown.name].config)
    values = {"client_id": "ours", "client_secret": CANARY, **CASES[shown.name].secrets}
    return set(names) == set(METHODS[method.kind].usable(values, method))
