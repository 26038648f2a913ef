"""The shipped catalogue, and every rule that its files must follow."""

import re
from collections import Counter
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import yaml

from connhub.services.addresses import fill
from connhub.services.gallery import AUTH_LABELS
from connhub.services.loader import CATALOGUE, CatalogueError, Entry, read
from connhub.services.rules import contrast

OAUTH = {
    "kind": "oauth2_code",
    "authorize_url": "https://{site}.acme.example/authorize",
    "token_url": "https://{site}.acme.example/token",
    "token_auth": "client_secret_post",
    "scopes": [{"name": "read", "label": "Read", "default": True}],
}
OWN_TEST = {"method": "GET", "path": "/user", "expect": [200]}
KEYS = {"kind": "api_key", "keys": [{"name": "X-Key", "in": "header", "label": "Key"}]}
ACME = {
    "slug": "acme",
    "name": "Acme",
    "monogram": "Ac",
    "colour": "#123456",
    "docs_url": "https://docs.acme.example/",
    "parameters": [{"name": "site", "label": "Site", "pattern": "^[a-z]+$"}],
    "base_url": "https://{site}.acme.example",
    "test": {"method": "GET", "path": "/me", "expect": [200]},
    "auth": [OAUTH, KEYS],
}
CLIENT = {
    "kind": "oauth2_client_credentials",
    "token_url": "https://{site}.acme.example/token",
    "token_auth": "client_secret_basic",
    "token_params": {"account": "{account}"},
    "parameters": [{"name": "account", "label": "Account", "pattern": "^[0-9]+$"}],
}
JWT = {
    "kind": "jwt_bearer",
    "token_url": "https://acme.example/token",
    "algorithm": "RS256",
    "lifetime_s": 300,
}
TWO_STEP = {
    "kind": "two_step",
    "fields": [
        {"name": "user", "label": "User", "secret": False},
        {"name": "password", "label": "Password"},
    ],
    "login": {
        "url": "https://{site}.acme.example/login",
        "format": "json",
        "body": {"user": "{user}", "password": "{password}"},
        "token_path": "data.token",
    },
}
ONCE = {
    "kind": "oauth1",
    "signature_method": "HMAC-SHA1",
    "request_token_url": "https://{site}.acme.example/request",
    "authorize_url": "https://{site}.acme.example/authorize",
    "access_token_url": "https://{site}.acme.example/access",
}
DATABASE = {
    "slug": "acme",
    "name": "Acme",
    "monogram": "Ac",
    "colour": "#123456",
    "docs_url": "https://docs.acme.example/",
    "driver": "redis",
    "auth": [{"kind": "database"}],
}


@pytest.fixture(scope="module")
def shipped() -> list[Entry]:
    return read()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "catalogue"
    folder.mkdir()
    return folder


def write(folder: Path, *services: Any, file: str = "crm.yaml") -> Path:
    (folder / file).write_text(yaml.safe_dump({"category": "CRM", "services": list(services)}))
    return folder


def changed(service: dict[str, Any], path: tuple[str | int, ...], value: Any) -> dict[str, Any]:
    """A copy of the service with the value at the path; None takes away what is there."""
    service = deepcopy(service)
    *steps, last = path
    place: Any = service
    for step in steps:
        place = place[step]
    if value is None:
        del place[last]
    else:
        place[last] = value
    return service


def complaint(folder: Path) -> str:
    with pytest.raises(CatalogueError) as caught:
        read(folder)
    return str(caught.value)


def urls(entry: Entry) -> Iterator[str]:
    """Every URL of the entry that parameters are filled into."""
    configs = [method["config"] for method in entry.methods]
    fields = [entry.service, *configs]
    return (field[key] for field in fields for key in field if key.endswith("_url") and field[key])


def test_the_catalogue_is_large_and_spans_the_categories(shipped):
    categories = {entry.service["category"] for entry in shipped}

    assert len(shipped) >= 450
    assert len(categories) >= 15


def test_every_kind_of_auth_method_and_every_place_for_a_key_is_in_use(shipped):
    methods = [method for entry in shipped for method in entry.methods]

    kinds = {method["kind"] for method in methods}
    places = {key["in"] for method in methods for key in method["config"].get("keys", [])}

    assert kinds == AUTH_LABELS.keys()
    assert places == {"header", "query", "form"}


def test_well_known_services_say_whose_account_a_token_is_for(shipped):
    naming = {
        entry.slug
        for entry in shipped
        for method in entry.methods
        if {"identity", "account_field"} & method["config"].keys()
    }

    assert len(naming) >= 20
    assert {"github", "google-drive", "outlook", "slack"} <= naming


def test_each_category_has_one_file():
    files = sorted(CATALOGUE.glob("*.yaml"))

    categories = Counter(yaml.safe_load(file.read_text("utf-8"))["category"] for file in files)

    assert [category for category, count in categories.items() if count > 1] == []


def test_no_two_services_have_the_same_name(shipped):
    names = Counter(entry.service["name"] for entry in shipped)

    assert [name for name, count in names.items() if count > 1] == []


def test_every_parameter_shows_a_value_that_its_pattern_takes(shipped):
    parameters = [(e.slug, p) for e in shipped for p in e.service["parameters"]]
    parameters += [
        (entry.slug, parameter)
        for entry in shipped
        for method in entry.methods
        for parameter in method["config"].get("parameters", [])
    ]

    bad = [
        (slug, parameter["name"])
        for slug, parameter in parameters
        if not re.fullmatch(parameter["pattern"], parameter["placeholder"] or parameter["default"])
    ]

    assert bad == []


def test_every_url_can_be_filled_with_what_its_parameters_show(shipped):
    filled = []
    for entry in shipped:
        shown = {p["name"]: p["placeholder"] or p["default"] for p in entry.service["parameters"]}
        filled += [fill(url, shown) for url in urls(entry)]

    assert [
        url for url in filled if not re.fullmatch(r"https://[A-Za-z0-9.-]+(:[0-9]+)?(/\S*)?", url)
    ] == []


@pytest.mark.parametrize(
    ("colour", "expected"), [("#000000", 21.0), ("#ffffff", 1.0), ("#767676", 4.54)]
)
def test_contrast_is_that_of_wcag(colour, expected):
    assert round(contrast(colour), 2) == expected


@pytest.mark.parametrize(
    "service",
    [ACME, DATABASE, *(ACME | {"auth": [each]} for each in (CLIENT, JWT, TWO_STEP, ONCE))],
    ids=["over HTTP", "database", "client credentials", "JWT", "two steps", "OAuth 1.0a"],
)
def test_what_follows_the_rules_is_read(folder, service):
    write(folder, service)

    assert [entry.slug for entry in read(folder)] == ["acme"]


SCHEMA_RULES = {
    "a key that nobody knows": (
        ("logo",),
        "x",
        ": Additional properties are not allowed ('logo' was unexpected)",
    ),
    "no name": (("name",), None, ": 'name' is a required property"),
    "a number for a name": (
        ("name",),
        3,
        ".name: 3 is not of type 'string'",
    ),
    "a long monogram": (("monogram",), "Acme", ".monogram: 'Acme' is too long"),
    "a colour by name": (("colour",), "red", ".colour: 'red' does not match '^#[0-9a-f]{6}$'"),
    "an alias with capitals": (
        ("aliases",),
        ["ACME"],
        ".aliases[0]: 'ACME' does not match '^[^A-Z]+$'",
    ),
    "a parameter without a pattern": (
        ("parameters", 0, "pattern"),
        None,
        ".parameters[0]: 'pattern' is a required property",
    ),
    "a header with a line break": (
        ("headers",),
        {"X-Version": "1\r\nX-Evil: 1"},
        r".headers.X-Version: '1\r\nX-Evil: 1' does not match '^[ -~]+$'",
    ),
    "a header that is no name": (
        ("headers",),
        {"X Version": "1"},
        ".headers: 'X Version' does not match '^[A-Za-z][A-Za-z0-9-]{0,79}$'",
    ),
    "a hope for nothing in particular": (
        ("test", "expect_json"),
        {"equals": True},
        ".test.expect_json: 'path' is a required property",
    ),
    "a JWT without algorithm": (
        ("auth", 0),
        {"kind": "jwt_bearer", "token_url": "https://acme.example/token", "lifetime_s": 300},
        ".auth[0]: 'algorithm' is a required property",
    ),
    "OAuth 1.0a without signature": (
        ("auth", 0),
        {"kind": "oauth1", "signature_method": "PLAINTEXT"},
        (
            ".auth[0].signature_method: 'PLAINTEXT' is not one of "
            "['HMAC-SHA1', 'HMAC-SHA256', 'RSA-SHA1']"
        ),
    ),
    "a sign-in without a place for the token": (
        ("auth", 0),
        TWO_STEP | {"login": {"url": "https://acme.example", "format": "json", "body": {}}},
        ".auth[0].login: 'token_path' is a required property",
    ),
    "a parameter with an odd key": (
        ("parameters", 0, "choices"),
        [],
        ".parameters[0]: Additional properties are not allowed ('choices' was unexpected)",
    ),
    "an allowed host with a path": (
        ("allowed_hosts",),
        ["acme.example/x"],
        (
            ".allowed_hosts[0]: 'acme.example/x' does not match "
            r"'^(\\*\\.)?[a-z0-9-]+(\\.[a-z0-9-]+)*\\.[a-z][a-z0-9-]*$'"
        ),
    ),
    "an allowed path that ends with a slash": (
        ("allowed_paths",),
        ["/orders/"],
        (
            ".allowed_paths[0]: '/orders/' does not match "
            '"^(/([A-Za-z0-9._~!$&\'()*+,;=:@-]|%[0-9A-Fa-f]{2})+)+$"'
        ),
    ),
    "an allowed method that echoes": (
        ("allowed_methods",),
        ["TRACE"],
        ".allowed_methods[0]: 'TRACE' is not one of ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', "
        "'DELETE', 'OPTIONS']",
    ),
    "an allowed host by number": (
        ("allowed_hosts",),
        ["10.0.0.1"],
        (
            ".allowed_hosts[0]: '10.0.0.1' does not match "
            r"'^(\\*\\.)?[a-z0-9-]+(\\.[a-z0-9-]+)*\\.[a-z][a-z0-9-]*$'"
        ),
    ),
    "a test that deletes": (
        ("test", "method"),
        "DELETE",
        ".test.method: 'DELETE' is not one of ['GET', 'HEAD', 'POST']",
    ),
    "a test elsewhere": (
        ("test", "path"),
        "https://evil.example",
        r".test.path: 'https://evil.example' does not match '^/[^\\s#{}]*$'",
    ),
    "a test that hopes for an error": (
        ("test", "expect"),
        [401],
        ".test.expect[0]: 401 is greater than the maximum of 299",
    ),
    "an unknown driver": (
        ("driver",),
        "oracle",
        (
            ".driver: 'oracle' is not one of ['amqp', 'ftp', 'imap', 'ldap', 'mqtt', 'mysql', "
            "'nats', 'pop3', 'postgresql', 'redis', 'sftp', 'smtp']"
        ),
    ),
    "no auth method": (("auth",), [], ".auth: [] should be non-empty"),
    "an auth method without kind": (
        ("auth", 0, "kind"),
        None,
        ".auth[0]: 'kind' is a required property",
    ),
    "an unknown kind": (
        ("auth", 0),
        {"kind": "magic"},
        (
            ".auth[0].kind: 'magic' is not one of "
            "['oauth2_code', 'oauth2_client_credentials', 'jwt_bearer', 'oauth1', 'two_step', "
            "'aws_sigv4', 'api_key', 'basic', 'bearer', 'database', 'none']"
        ),
    ),
    "OAuth without token URL": (
        ("auth", 0, "token_url"),
        None,
        ".auth[0]: 'token_url' is a required property",
    ),
    "OAuth with keys": (
        ("auth", 0, "keys"),
        [],
        ".auth[0]: Additional properties are not allowed ('keys' was unexpected)",
    ),
    "an identity request without the field": (
        ("auth", 0, "identity"),
        {"path": "/me"},
        ".auth[0].identity: 'field' is a required property",
    ),
    "an account field that is no path": (
        ("auth", 0, "account_field"),
        "team name",
        ".auth[0].account_field: 'team name' does not match '^[A-Za-z0-9_]+(\\\\.[A-Za-z0-9_]+)*$'",
    ),
    "an unknown client authentication": (
        ("auth", 0, "token_auth"),
        "guess",
        (
            ".auth[0].token_auth: 'guess' is not one of "
            "['client_secret_basic', 'client_secret_post', 'private_key_jwt', 'none']"
        ),
    ),
    "an unknown delimiter": (
        ("auth", 0, "scope_delimiter"),
        "|",
        ".auth[0].scope_delimiter: '|' is not one of [' ', ',', '+', ';']",
    ),
    "a scope without label": (
        ("auth", 0, "scopes", 0, "label"),
        None,
        ".auth[0].scopes[0]: 'label' is a required property",
    ),
    "a key in a cookie": (
        ("auth", 1, "keys", 0, "in"),
        "cookie",
        ".auth[1].keys[0].in: 'cookie' is not one of ['header', 'query', 'form']",
    ),
    "a header that is none": (
        ("auth", 1, "keys", 0, "name"),
        "X Key",
        ".auth[1].keys[0].name: 'X Key' does not match '^[A-Za-z0-9_.-]+$'",
    ),
    "basic with scopes": (
        ("auth", 0),
        {"kind": "basic", "scopes": []},
        ".auth[0]: Additional properties are not allowed ('scopes' was unexpected)",
    ),
    "bearer with a prefix": (
        ("auth", 0),
        {"kind": "bearer", "prefix": "Token"},
        ".auth[0]: Additional properties are not allowed ('prefix' was unexpected)",
    ),
    "database with help": (
        ("auth", 0),
        {"kind": "database", "help": "x"},
        ".auth[0]: Additional properties are not allowed ('help' was unexpected)",
    ),
}

OTHER_RULES = {
    "a light colour": (("colour",), "#ffcc00", ".colour: is too light for white text: 1.5 to 1"),
    "docs over HTTP": (
        ("docs_url",),
        "http://docs.acme.example",
        ".docs_url: must start with https://",
    ),
    "base URL over HTTP": (
        ("base_url",),
        "http://{site}.acme.example",
        ".base_url: must start with https://",
    ),
    "token URL over HTTP": (
        ("auth", 0, "token_url"),
        "http://acme.example",
        ".auth[0].token_url: must start with https://",
    ),
    "revoke URL over HTTP": (
        ("auth", 0, "revoke_url"),
        "http://acme.example",
        ".auth[0].revoke_url: must start with https://",
    ),
    "refresh URL over HTTP": (
        ("auth", 0, "refresh_url"),
        "http://acme.example",
        ".auth[0].refresh_url: must start with https://",
    ),
    "a base URL that ends with a slash": (
        ("base_url",),
        "https://{site}.acme.example/",
        ".base_url: must not end with a slash",
    ),
    "no base URL": (("base_url",), None, ".base_url: is needed"),
    "an undeclared placeholder": (
        ("auth", 0, "authorize_url"),
        "https://{tenant}.acme.example",
        ".auth[0].authorize_url: {tenant} is not among the parameters",
    ),
    "a placeholder with capitals": (
        ("base_url",),
        "https://{Site}.acme.example",
        ".base_url: {Site} is not among the parameters",
    ),
    "a parameter that nothing holds": (
        ("parameters", 0, "name"),
        "shop",
        ".parameters[0].name: is used nowhere",
    ),
    "a parameter twice": (
        ("parameters",),
        [ACME["parameters"][0]] * 2,
        ".parameters[1].name: is there twice",
    ),
    "a method's parameter that nothing holds": (
        ("auth", 0),
        CLIENT | {"token_params": {}},
        ".auth[0].parameters[0].name: is used nowhere",
    ),
    "a method's parameter that the service asks for": (
        ("auth", 0),
        CLIENT | {"token_params": {"x": "{site}"}, "parameters": ACME["parameters"]},
        ".auth[0].parameters[0].name: is a parameter of the service already",
    ),
    "a text's parameter over several lines": (
        ("auth", 0),
        CLIENT | {"parameters": [CLIENT["parameters"][0] | {"pattern": r"^[\s\S]+$"}]},
        r".auth[0].parameters[0].pattern: must not match 'a\nb'",
    ),
    "a placeholder in a header that not every method fills": (
        ("headers",),
        {"X-Client": "{client_id}"},
        ".headers.X-Client: {client_id} is not among the parameters",
    ),
    "a secret in a header": (
        ("auth", 0),
        TWO_STEP | {"headers": {"X-Password": "{password}"}},
        ".auth[0].headers.X-Password: {password} is not among the parameters",
    ),
    "a secret in an address": (
        ("auth", 0),
        TWO_STEP | {"login": TWO_STEP["login"] | {"url": "https://acme.example/{password}"}},
        ".auth[0].login.url: {password} is not among the parameters",
    ),
    "a sign-in over HTTP": (
        ("auth", 0),
        TWO_STEP | {"login": TWO_STEP["login"] | {"url": "http://acme.example"}},
        ".auth[0].login.url: must start with https://",
    ),
    "an issuer over HTTP": (
        ("auth", 0, "issuer"),
        "http://acme.example",
        ".auth[0].issuer: must start with https://",
    ),
    "a test of a method alone": (
        ("test",),
        None,
        ".auth[0].test: needs one of the service, which it replaces",
    ),
    "a test with a body that is not posted": (
        ("test", "json"),
        {},
        ".test.json: is for POST only",
    ),
    "a hope for an answer that HEAD has not": (
        ("test",),
        {"method": "HEAD", "path": "/", "expect": [200], "expect_json": {"path": "ok"}},
        ".test.expect_json: is not for HEAD, which has no answer",
    ),
    "a token parameter of ConnHub's own": (
        ("auth", 0, "token_params"),
        {"grant_type": "password"},
        ".auth[0].token_params.grant_type: is set by ConnHub",
    ),
    "a claim of ConnHub's own": (
        ("auth", 0),
        JWT | {"claims": {"exp": "9"}},
        ".auth[0].claims.exp: is set by ConnHub",
    ),
    "a JWT for nobody": (
        ("auth", 0),
        JWT | {"exchange": False},
        ".auth[0].token_url: goes with exchange: where there is none, the JWT is the token",
    ),
    "half of OAuth 1.0a": (
        ("auth", 0),
        {name: value for name, value in ONCE.items() if name != "request_token_url"},
        ".auth[0]: must have all of request_token_url, authorize_url, access_token_url, or none",
    ),
    "an algorithm for nothing": (
        ("auth", 0, "algorithm"),
        "RS256",
        ".auth[0].algorithm: is for methods that sign",
    ),
    "a broken pattern": (
        ("parameters", 0, "pattern"),
        "^[a-z",
        (
            ".parameters[0].pattern: is no regular expression: "
            "unterminated character set at position 1"
        ),
    ),
    "a pattern that takes nothing for a value": (
        ("parameters", 0, "pattern"),
        "^[a-z]*$",
        ".parameters[0].pattern: must not match ''",
    ),
    "a pattern without anchors": (
        ("parameters", 0, "pattern"),
        "[a-z]+",
        ".parameters[0].pattern: must not match 'a/b'",
    ),
    "a pattern that lets a port pass": (
        ("parameters", 0, "pattern"),
        "^[a-z0-9:]+$",
        ".parameters[0].pattern: must not match 'a:1'",
    ),
    "a default that the pattern refuses": (
        ("parameters", 0, "default"),
        "ACME",
        ".parameters[0].default: does not match the pattern",
    ),
    "an optional parameter without default": (
        ("parameters", 0, "required"),
        False,
        ".parameters[0].default: is needed where nothing must be typed",
    ),
    "the own host among the allowed": (
        ("base_url",),
        "https://api.acme.example",
        ".allowed_hosts: must not repeat api.acme.example, the base_url's",
    ),
    "a test that is not allowed": (
        ("allowed_paths",),
        ["/orders"],
        ".test: is not a call that allowed_methods and allowed_paths allow",
    ),
    "a driver without a database": (("driver",), "redis", ".driver: is for databases only"),
    "an authorize parameter of ConnHub's own": (
        ("auth", 0, "authorize_params"),
        {"prompt": "consent", "state": "x"},
        ".auth[0].authorize_params.state: is set by ConnHub",
    ),
    "neither secret nor PKCE": (
        ("auth", 0),
        OAUTH | {"token_auth": "none", "pkce": False},
        ".auth[0].pkce: is needed where there is no client secret",
    ),
    "no scope on by default": (
        ("auth", 0, "scopes", 0, "default"),
        False,
        ".auth[0].scopes: must have one that is on by default",
    ),
    "a scope twice": (
        ("auth", 0, "scopes"),
        OAUTH["scopes"] * 2,
        ".auth[0].scopes[1].name: is there twice",
    ),
    "a delimiter in a scope": (
        ("auth", 0),
        OAUTH | {"scope_delimiter": ",", "scopes": [OAUTH["scopes"][0] | {"name": "a,b"}]},
        ".auth[0].scopes[0].name: must not hold the delimiter ','",
    ),
    "a key twice": (
        ("auth", 1, "keys"),
        KEYS["keys"] * 2,
        ".auth[1].keys[1].name: is there twice",
    ),
    "an auth method twice": (
        ("auth",),
        [OAUTH, KEYS, KEYS],
        ".auth[2].label: API key is there twice",
    ),
}

DATABASE_RULES = {
    "no driver": (("driver",), None, ".driver: is needed for a database"),
    "another auth method": (
        ("auth",),
        [{"kind": "database"}, {"kind": "none"}],
        ".auth: must hold nothing else for a database",
    ),
    "a base URL": (
        ("base_url",),
        "https://acme.example",
        ".base_url: is not for databases: the driver knows what it needs",
    ),
    "parameters": (
        ("parameters",),
        ACME["parameters"],
        ".parameters: is not for databases: the driver knows what it needs",
    ),
    "a test": (
        ("test",),
        ACME["test"],
        ".test: is not for databases: the driver knows what it needs",
    ),
}


def rules(table: dict[str, tuple]) -> Any:
    return pytest.mark.parametrize(("path", "value", "said"), table.values(), ids=table.keys())


@rules(SCHEMA_RULES)
def test_the_schema_refuses(folder, path, value, said):
    write(folder, changed(ACME, path, value))

    assert complaint(folder) == f"catalogue/crm.yaml: services[0] (acme){said}"


@rules(OTHER_RULES)
def test_the_checks_refuse(folder, path, value, said):
    acme = changed(ACME | {"allowed_hosts": ["api.acme.example"]}, ("auth", 0, "test"), OWN_TEST)
    service = changed(acme, path, value)
    write(folder, service)

    assert complaint(folder) == f"catalogue/crm.yaml: services[0] (acme){said}"


@rules(DATABASE_RULES)
def test_a_database_must_not_have(folder, path, value, said):
    write(folder, changed(DATABASE, path, value))

    assert complaint(folder) == f"catalogue/crm.yaml: services[0] (acme){said}"


def test_a_bad_slug_is_named_as_it_is(folder):
    write(folder, ACME, ACME | {"slug": "Acme Inc"})

    assert complaint(folder) == (
        "catalogue/crm.yaml: services[1] (Acme Inc).slug: "
        "'Acme Inc' does not match '^[a-z0-9]+(-[a-z0-9]+)*$'"
    )


def test_a_service_without_slug_is_named_by_its_number(folder):
    write(folder, ACME, changed(ACME, ("slug",), None))

    assert complaint(folder) == ("catalogue/crm.yaml: services[1]: 'slug' is a required property")


def test_a_slug_is_taken_once_in_all_files(folder):
    write(folder, DATABASE, file="a.yaml")
    write(folder, ACME, file="b.yaml")

    assert complaint(folder) == (
        "catalogue/b.yaml: services[0] (acme).slug: is taken by catalogue/a.yaml: services[0] (acme)"
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "None is not of type 'object'"),
        ("services: []", "'category' is a required property"),
        ("category: CRM\nservices: []", "services: [] should be non-empty"),
        ("category: CRM\nservices: [3]", "services[0]: 3 is not of type 'object'"),
        ("category: CRM\ncategory: HR", "line 2: category is there twice"),
        ("category: [", "line 2: did not find expected node content"),
        ("category: !!python/name:os.system", ("line 1: could not determine a constructor for the "
         "tag 'tag:yaml.org,2002:python/name:os.system'")),
    ],
)  # fmt: skip
def test_a_file_that_is_no_catalogue_file_is_refused(folder, text, said):
    (folder / "crm.yaml").write_text(text)

    assert complaint(folder) == f"catalogue/crm.yaml: {said}"


def test_bytes_that_are_no_text_are_refused(folder):
    (folder / "crm.yaml").write_bytes(b"category: \xff\xfe\x00")

    assert complaint(folder) == "catalogue/crm.yaml: is not YAML in UTF-8"


def test_an_empty_folder_is_refused_lest_everything_be_unlisted(folder):
    assert complaint(folder) == "catalogue: holds no catalogue file"
