import json

import pytest
import yaml
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from connhub.services import documents, openapi
from connhub.services.documents import BadDocument
from connhub.services.models import Service
from tests.factories import ServiceFactory

RESPONSES = {"200": {"description": "Fine"}}
PATHS = {
    "/invoices": {
        "get": {"summary": "List\ninvoices", "operationId": "list", "responses": RESPONSES},
        "post": {"operationId": "create", "responses": RESPONSES},
    }
}
FLOW = {
    "authorizationUrl": "https://a.example/authorize",
    "tokenUrl": "https://a.example/token",
    "scopes": {"read": "Read invoices"},
}
SCHEMES = {
    "key": {"type": "apiKey", "in": "header", "name": "X-Key"},
    "basic": {"type": "http", "scheme": "basic"},
    "token": {"type": "http", "scheme": "Bearer"},
    "oauth": {"type": "oauth2", "flows": {"authorizationCode": FLOW}},
    "cookie": {"type": "apiKey", "in": "cookie", "name": "sid"},
}


def document(**changes) -> dict:
    return {
        "openapi": "3.0.3",
        "info": {"title": "Invoices", "version": "1.2", "description": "All\ninvoices."},
        "servers": [{"url": "https://api.acme.example/v1/"}, {"url": "/relative"}],
        "paths": PATHS,
        "components": {"securitySchemes": SCHEMES},
    } | changes


OLD = {
    "swagger": "2.0",
    "info": {"title": "Invoices", "version": "1.2"},
    "host": "api.acme.example",
    "basePath": "/v1",
    "paths": PATHS,
    "securityDefinitions": {
        "key": {"type": "apiKey", "in": "query", "name": "key"},
        "basic": {"type": "basic"},
        "oauth": {"type": "oauth2", "flow": "accessCode", **FLOW},
    },
}


def as_json(value) -> bytes:
    return json.dumps(value).encode()


def as_yaml(value) -> bytes:
    return yaml.safe_dump(value).encode()


@pytest.mark.parametrize("write", [as_json, as_yaml])
@pytest.mark.parametrize("version", ["3.0.3", "3.1.0"])
def test_a_document_of_version_3_is_read(write, version):
    found = openapi.read(write(document(openapi=version)))

    assert (found.name, found.version, found.summary) == ("Invoices", "1.2", "All invoices.")
    assert found.servers == ["https://api.acme.example/v1"]
    assert {m.kind for m in found.methods} == {"api_key", "basic", "bearer", "oauth2_code"}
    assert found.left_out == ["cookie"]
    read = [(each["method"], each["path"], each["summary"]) for each in found.operations]
    assert read == [("GET", "/invoices", "List invoices"), ("POST", "/invoices", "")]
    assert [each["operation_id"] for each in found.operations] == ["list", "create"]


@pytest.mark.parametrize("write", [as_json, as_yaml])
def test_a_document_of_version_2_is_read(write):
    found = openapi.read(write(OLD))

    oauth = next(method for method in found.methods if method.kind == "oauth2_code")
    assert found.servers == ["https://api.acme.example/v1"]
    assert sorted(method.kind for method in found.methods) == ["api_key", "basic", "oauth2_code"]
    assert oauth.config["token_url"] == "https://a.example/token"
    assert oauth.scopes == [{"name": "read", "label": "Read invoices", "default": False}]


def test_a_version_that_yaml_takes_for_a_number_is_read():
    text = "openapi: 3.0.0\ninfo: {title: A, version: 1.0}\npaths: {}\n"

    assert openapi.read(text.encode()).version == "1.0"


def test_keys_that_every_call_takes_together_are_one_auth_method():
    schemes = {
        "id": {"type": "apiKey", "in": "header", "name": "X-Id"},
        "key": {"type": "apiKey", "in": "header", "name": "X-Key"},
    }
    both = document(components={"securitySchemes": schemes}, security=[{"id": [], "key": []}])
    either = document(components={"securitySchemes": schemes})

    assert [len(m.config["keys"]) for m in openapi.read(as_json(both)).methods] == [2]
    assert [m.label for m in openapi.read(as_json(either)).methods] == [
        "API key",
        "API key 2 (X-Key)",
    ]


def test_variables_of_a_server_stand_as_their_defaults_or_as_placeholders():
    servers = [
        {
            "url": "https://{Region}.acme.example/{base}",
            "variables": {"base": {"default": "v2"}, "Region": {"default": ""}},
        }
    ]

    assert openapi.read(as_json(document(servers=servers))).servers == [
        "https://{region}.acme.example/v2"
    ]


BOMB = "a: &a [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{b}: &{b} [{', '.join([f'*{a}'] * 10)}]\n"
    for a, b in zip("abcdefghi", "bcdefghij", strict=True)
)
CHAIN = {f"S{n}": {"allOf": [{"$ref": f"#/components/schemas/S{n + 1}"}] * 2} for n in range(60)}
BAD = {
    "nothing": b"",
    "binary": bytes(range(256)),
    "not UTF-8": b"openapi: \xff",
    "a number": b"3",
    "a list": b"[]",
    "null": b"null",
    "no version": as_json({"info": {}}),
    "another version": as_json(document(openapi="4.0.0")),
    "a version that is a list": as_json(document(openapi=["3.0.3"])),
    "info is a text": as_json(document(info="x")),
    "no title": as_json(document(info={"version": "1"})),
    "paths is a list": as_json(document(paths=[])),
    "a path is a number": as_json(document(paths={"/x": 3})),
    "servers is a text": as_json(document(servers="x")),
    "a server without URL": as_json(document(servers=[{}])),
    "schemes are a list": as_json(document(components={"securitySchemes": []})),
    "a scheme is null": as_json(document(components={"securitySchemes": {"x": None}})),
    "flows are a list": as_json(
        document(components={"securitySchemes": {"x": {"type": "oauth2", "flows": []}}})
    ),
    "a billion laughs": BOMB.encode(),
    "a merge": b"a: &a {x: 1}\nb: {<<: *a}\n",
    "itself": b"a: &a [*a]\n",
    "an unknown alias": b"a: *b\n",
    "a Python object": b"!!python/object/apply:os.system [ls]\n",
    "a key that is a list": b"? [a]\n: b\n",
    "a key twice in YAML": b"openapi: 3.0.0\nopenapi: 3.0.1\n",
    "a key twice in JSON": b'{"openapi": "3.0.0", "openapi": "3.0.1"}',
    "NaN": b'{"openapi": NaN}',
    "a huge number in JSON": b'{"openapi": ' + b"9" * 100_000 + b"}",
    "a huge number in YAML": b"openapi: " + b"9" * 100_000,
    "a huge sexagesimal number": b"openapi: 1" + b":59" * 1000,
    "a date that is none": b"openapi: 2020-99-99\n",
    "deep JSON": b"[" * 100_000 + b"]" * 100_000,
    "deep JSON objects": b'{"a":' * 50_000,
    "deep YAML": b"[" * 100_000,
    "deep YAML blocks": "".join(" " * n + "a:\n" for n in range(1500)).encode(),
    "many nodes in JSON": as_json(document(x=[[1] * 1000] * 1200)),
    "many nodes in YAML": b"a: [" + b"1," * 1_500_000 + b"]",
    "too many bytes": b" " * (5 * 2**20 + 1),
    "an external reference": as_json(document(paths={"/x": {"$ref": "https://evil.example/x"}})),
    "a file reference": as_json(document(paths={"/x": {"$ref": "other.yaml#/x"}})),
    "several YAML documents": b"a: 1\n---\nb: 2\n",
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_document_is_refused_in_a_sentence(name):
    with pytest.raises(BadDocument) as refused:
        openapi.read(BAD[name])

    assert str(refused.value).endswith(".")


def test_references_that_fan_out_are_not_followed():
    components = {"schemas": CHAIN | {"S60": {"type": "string"}}}

    assert openapi.read(as_json(document(components=components))).name == "Invoices"


def test_a_surrogate_and_control_characters_do_not_get_through():
    found = openapi.read(
        b'{"openapi": "3.0.0", "info": {"title": "a\\ud800\\u0000\\u202eb", "version": "1"}, '
        b'"paths": {"/\\ud800": {"get": {"responses": {"200": {"description": ""}}}}}}'
    )

    assert (found.name, found.operations) == ("ab", [])


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4)
    ),
    max_leaves=12,
)
PLACES = st.sampled_from(
    [
        ("info",),
        ("info", "title"),
        ("servers",),
        ("servers", 0),
        ("servers", 0, "url"),
        ("servers", 0, "variables"),
        ("paths",),
        ("paths", "/invoices"),
        ("paths", "/invoices", "get"),
        ("paths", "/invoices", "get", "summary"),
        ("security",),
        ("components",),
        ("components", "securitySchemes"),
        ("components", "securitySchemes", "key"),
        ("components", "securitySchemes", "key", "name"),
        ("components", "securitySchemes", "oauth", "flows"),
        ("components", "securitySchemes", "oauth", "flows", "authorizationCode"),
        ("components", "securitySchemes", "oauth", "flows", "authorizationCode", "scopes"),
    ]
)


@given(place=PLACES, value=VALUES, version=st.sampled_from(["3.0.3", "3.1.0"]))
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_a_document_with_anything_anywhere_is_read_or_refused(place, value, version):
    raw = json.loads(as_json(document(openapi=version)))
    target = raw
    for step in place[:-1]:
        target = target[step]
    target[place[-1]] = value

    try:
        found = openapi.read(as_json(raw))
    except BadDocument as error:
        assert str(error)
    else:
        assert len(found.name) <= 80


@given(data=st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
@settings(max_examples=150, deadline=None)
def test_any_bytes_are_parsed_or_refused(data):
    try:
        documents.parse(data)
    except BadDocument as error:
        assert str(error)


# --- The pages --------------------------------------------------------------------------------------


@pytest.fixture
def signed_in(client, ada):
    client.force_login(ada)
    return client


def upload(client, data=None, **typed):
    content = as_json(document()) if data is None else data
    file = SimpleUploadedFile("api.json", content)
    return client.post(
        reverse("services:register"), {"category": "Finance", "definition": file} | typed
    )


def second_step(first, **typed):
    form = first.context["form"]
    found = {name: form[name].value() for name in form.fields}
    filled = {name: value for name, value in found.items() if value is not None}
    return filled | {"slug": "invoices"} | typed


def test_an_uploaded_document_becomes_a_service(signed_in, ada):
    first = upload(signed_in, version="9")
    typed = second_step(first, methods=["0", "2"], endpoint_staging="https://stage.acme.example")

    answer = signed_in.post(reverse("services:register"), typed)

    service = Service.objects.get(slug="invoices")
    assert (answer.status_code, answer.url) == (303, "/services/invoices/")
    assert (service.name, service.version, service.category) == ("Invoices", "9", "Finance")
    assert service.summary == "All invoices."
    assert [method.kind for method in service.auth_methods.all()] == ["api_key", "bearer"]
    assert [str(each) for each in service.operations.all()] == ["GET /invoices", "POST /invoices"]
    assert [each.base_url for each in service.endpoints.all()] == ["https://stage.acme.example"]
    assert "List invoices" in signed_in.get(answer.url).content.decode()


@pytest.mark.django_db
@pytest.mark.parametrize("name", [name for name in BAD if name != "nothing"])
def test_a_bad_document_is_named_beside_its_field(signed_in, name):
    answer = upload(signed_in, BAD[name])

    assert list(answer.context["form"].errors) == ["definition"]


@pytest.mark.parametrize(
    ("typed", "field"),
    [
        ({"definition": ""}, "definition"),
        ({"name": "x" * 81}, "name"),
        ({"version": "x" * 41}, "version"),
        ({"summary": "x" * 301}, "summary"),
        ({"category": ""}, "category"),
    ],
)
def test_bad_input_of_the_first_step_is_named(signed_in, typed, field):
    assert list(upload(signed_in, **typed).context["form"].errors) == [field]


@pytest.mark.parametrize(
    ("typed", "field"),
    [
        ({"name": ""}, "name"),
        ({"slug": "register"}, "slug"),
        ({"slug": "taken"}, "slug"),
        ({"version": "x" * 41}, "version"),
        ({"summary": "a\x01"}, "summary"),
        ({"base_url": "http://a.example"}, "base_url"),
        ({"methods": []}, "methods"),
        ({"methods": ["99"]}, "methods"),
        ({"endpoint_staging": "nonsense"}, "endpoint_staging"),
    ],
)
def test_bad_input_of_the_second_step_is_named(signed_in, typed, field):
    ServiceFactory(slug="taken")
    form = second_step(upload(signed_in), **typed)

    answer = signed_in.post(reverse("services:register"), form)

    assert list(answer.context["form"].errors) == [field]


@pytest.mark.parametrize("kept", ["", "nonsense", "a:b:c"])
def test_a_document_that_was_tampered_with_is_refused(signed_in, kept):
    form = second_step(upload(signed_in), document=kept)

    answer = signed_in.post(reverse("services:register"), form)

    assert "document" in answer.context["form"].errors
    assert not Service.objects.filter(slug="invoices").exists()


@pytest.mark.parametrize(("who", "status"), [("ada", 200), ("root", 200), ("eve", 403)])
def test_services_are_registered_by_admins(client, request, who, status):
    client.force_login(request.getfixturevalue(who))

    assert client.get(reverse("services:register")).status_code == status
    assert upload(client).status_code == status
