"""Every default service, with the real forms and auth methods."""

from collections.abc import Iterator
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from connhub.connections.access import injection_for
from connhub.connections.auth import METHODS
from connhub.connections.auth.base import Field
from connhub.connections.auth.oauth2 import Client
from connhub.connections.create_form import CreateForm
from connhub.connections.databases import DRIVERS
from connhub.connections.fields import parameters_of
from connhub.connections.probing import test_of as the_test_of
from connhub.services.addresses import PLACEHOLDER, fill, fill_config
from connhub.services.gallery import AUTH_LABELS
from connhub.services.loader import load, read
from connhub.services.models import AuthMethod
from tests.conftest import CANARY

pytestmark = pytest.mark.django_db

APP = {"client_id": "id", "client_secret": CANARY}
TOKENS = ("access_token", "oauth_token", "oauth_token_secret")
SAMPLES = {
    "port": "443",
    "host": "db.example",
    "email": "ada@acme.example",
}


@pytest.fixture
def methods() -> list[AuthMethod]:
    """All auth methods of the shipped catalogue that this ConnHub has the code for."""
    load(read())
    rows = AuthMethod.objects.select_related("service").order_by("service__slug", "position")
    return [row for row in rows if row.kind in METHODS and _has_driver(row)]


def _has_driver(method: AuthMethod) -> bool:
    return not method.service.driver or method.service.driver in DRIVERS


@pytest.fixture(scope="module")
def private_keys() -> dict[str, str]:
    made = {
        "RS256": rsa.generate_private_key(65537, 2048),
        "ES256": ec.generate_private_key(ec.SECP256R1()),
    }
    pems = {
        algorithm: key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        ).decode()
        for algorithm, key in made.items()
    }
    return pems | {"PS256": pems["RS256"], "HS256": "5e" * 32}


@pytest.fixture
def typed(methods, private_keys):
    """What a person might type into a method's form, by the form's names."""

    def typed(method: AuthMethod) -> dict[str, str]:
        asked = [*parameters_of(method), *METHODS[method.kind].fields(method)]
        sample = {("s_" if f.secret else "p_") + f.name: _sample(f) for f in asked}
        key = private_keys[method.config.get("algorithm", "RS256")]
        sample |= {name: key for name in sample if name == "s_private_key"}
        signs = method.config.get("signature_method") == "RSA-SHA1"
        if signs or method.config.get("token_auth") == "private_key_jwt":
            sample |= dict.fromkeys(("s_client_secret", "client_secret"), key)
        scopes = [scope["name"] for scope in method.scopes if scope["default"]]
        return {"name": "Sample", "link_name": "sample", "access_mode": "proxy"} | (
            APP | sample | {"scopes": scopes}
        )

    return typed


def _sample(asked: Field) -> str:
    if asked.kind == "choice":
        return asked.default or asked.choices[0][0]
    if asked.secret:
        return CANARY if asked.required or asked.name != "token" else ""
    if asked.kind == "multiline" and not asked.required:
        return ""
    if asked.name == "host_key":
        return f"SHA256:{'A' * 43}"
    return asked.placeholder or asked.default or SAMPLES.get(asked.name, "1")


@pytest.fixture
def filled_in(typed, ada):
    """The create form of a method with what a person might type."""

    def filled_in(method: AuthMethod) -> CreateForm:
        return CreateForm(typed(method), method=method, by=ada)

    return filled_in


def of_kinds(methods: list[AuthMethod], *kinds: str) -> Iterator[AuthMethod]:
    return (method for method in methods if method.kind in kinds)


def name_of(method: AuthMethod) -> str:
    return f"{method.service.slug}: {method.label}"


def test_every_kind_in_use_has_a_label_to_filter_by(methods):
    assert {method.kind for method in AuthMethod.objects.all()} <= AUTH_LABELS.keys()


def test_every_form_takes_what_its_fields_show(methods, filled_in):
    wrong = {}
    for method in methods:
        form = filled_in(method)
        if not form.is_valid():
            wrong[name_of(method)] = form.errors.as_json()

    assert wrong == {}


def test_every_address_and_text_can_be_filled(methods, filled_in):
    left = {}
    for method in methods:
        form = filled_in(method)
        form.is_valid()
        config = fill_config(method.config, form.details.parameters)
        address = fill(method.service.base_url, form.details.parameters)
        texts = [address, *(v for v in config.values() if isinstance(v, str))]
        texts += [text for name in ("authorize_params", "token_params", "claims")
                  for text in config.get(name, {}).values()]  # fmt: skip
        if found := [text for text in texts if PLACEHOLDER.search(text)]:
            left[name_of(method)] = found

    assert left == {}


def test_every_method_adds_what_it_has_to_a_call(methods, filled_in):
    """A secret in a header, the query or a form, or a signature; open services add nothing."""
    silent = []
    for method in methods:
        form = filled_in(method)
        form.is_valid()
        app = {name: form.data[name] for name in APP}
        values = (
            app | dict.fromkeys(TOKENS, CANARY) | form.details.parameters | form.details.secrets
        )
        injection = injection_for(method, values)
        adds = injection.headers or injection.query or injection.form or injection.sign
        wanted = method.config.get("headers", {})
        same = dict(injection.defaults).keys() == wanted.keys()
        if not same or not (adds or method.kind in ("none", "database")):
            silent.append(name_of(method))

    assert silent == []


def test_every_sign_in_url_is_complete(methods, filled_in):
    wrong = []
    for method in of_kinds(methods, "oauth2_code"):
        form = filled_in(method)
        form.is_valid()
        client = Client(fill_config(method.config, form.details.parameters), "id", CANARY)
        url = client.authorization_url(
            redirect_uri="https://connhub.example/",
            scopes=form.details.scopes,
            state="s",
            verifier="v" * 43,
        )
        if not url.startswith("https://") or "{" in url or "client_id=id" not in url:
            wrong.append(name_of(method))

    assert wrong == []


def test_every_token_request_is_complete(methods, filled_in, token_endpoint):
    wrong = []
    connecting = [method for method in methods if METHODS[method.kind].connects]
    for method in connecting:
        form = filled_in(method)
        form.is_valid()
        _ask_here(method, token_endpoint)
        asked_before = len(token_endpoint.asked)
        granted = METHODS[method.kind].connect(
            form.details.parameters | form.details.secrets, method, form.details.scopes
        )
        sent = token_endpoint.asked[asked_before:]
        made_here = method.config.get("exchange") is False
        if granted.secrets.keys() != {"access_token"} or len(sent) != (not made_here):
            wrong.append(name_of(method))
        if any(b"{" in request.body.replace(b'{"', b"") for request in sent):
            wrong.append(name_of(method))

    assert wrong == []
    assert len(connecting) > 50


def _ask_here(method: AuthMethod, endpoint: Any) -> None:
    """Send the method's token request to the test's endpoint, and answer in its form."""
    answer: Any = {"access_token": "t0ken", "token_type": "Bearer"}
    if "login" in method.config:
        answer = "t0ken"
        for step in reversed(method.config["login"]["token_path"].split(".")):
            answer = {step: answer}
        method.config["login"]["url"] = endpoint.url
    if "token_url" in method.config:
        method.config["token_url"] = endpoint.url
    endpoint.body = answer


def test_every_test_request_is_one_that_can_be_sent(methods):
    odd = []
    for method in methods:
        test = the_test_of(method)
        sends_form = any(key["in"] == "form" for key in method.api_keys)
        if test and (("json" in test or test["method"] == "GET") and sends_form):
            odd.append(name_of(method))

    assert odd == []
