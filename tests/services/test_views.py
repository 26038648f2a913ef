import pytest
from django.db import connection as database
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from connhub.services import custom, loader
from connhub.services.models import Service
from connhub.services.views import FORMS
from tests.factories import AuthMethodFactory, ServiceFactory, connect
from tests.services.test_custom import definition

pytestmark = pytest.mark.django_db

HTMX = {"HX-Request": "true"}
DETAILS = {
    "name": "Acme",
    "slug": "acme",
    "category": "CRM",
    "base_url": "https://api.acme.example/v1/",
    "test_method": "GET",
    "test_path": "/me",
}
KEY = {"key_1_name": "X-Key", "key_1_label": "Key", "key_1_in": "header", "key_1_secret": "on"}
KEYS = {"name": "X-Key", "in": "query", "label": "Key", "prefix": "", "secret": True, "help": "H"}
PLACE = {"apply_in": "header", "apply_name": "Authorization", "apply_prefix": "Bearer "}
TOKEN = PLACE | {
    "token_url": "https://a.example/t",
    "token_auth": "client_secret_basic",
    "token_format": "form",
    "scope_delimiter": "space",
}
CODE = TOKEN | {"authorize_url": "https://a.example/a", "pkce": "on"}
TYPED = {
    "api_key": KEY,
    "oauth2_code": CODE,
    "oauth2_client_credentials": TOKEN,
    "bearer": {"token_label": "Token"},
    "basic": {"username_label": "Account", "password_label": "Key"},
    "none": {},
    "oauth1": {
        "request_token_url": "https://a.example/r",
        "authorize_url": "https://a.example/a",
        "access_token_url": "https://a.example/t",
        "signature_method": "HMAC-SHA1",
    },
    "two_step": PLACE
    | {
        "login_url": "https://a.example/login",
        "login_method": "POST",
        "login_format": "json",
        "field_1_name": "password",
        "field_1_secret": "on",
        "token_path": "data.token",
    },
    "jwt_bearer": PLACE
    | {
        "use": "exchanged",
        "token_url": "https://a.example/t",
        "algorithm": "RS256",
        "key_label": "Private key",
        "key_encoding": "text",
        "subject_required": "on",
        "lifetime_s": "300",
        "token_format": "form",
        "scope_delimiter": "space",
    },
    "aws_sigv4": {"service": "s3", "region": "{region}"},
}


@pytest.fixture
def signed_in(client, ada):
    client.force_login(ada)
    return client


def new(client, kind, headers=None, /, **typed):
    url = f"{reverse('services:new')}?type={kind}"
    return client.post(url, DETAILS | TYPED[kind] | typed, headers=headers)


@pytest.mark.parametrize(("who", "status"), [("ada", 200), ("root", 200), ("eve", 403)])
def test_new_services_are_made_by_admins(client, request, who, status):
    client.force_login(request.getfixturevalue(who))

    assert client.get(reverse("services:new")).status_code == status
    assert client.get(reverse("services:new") + "?type=basic").status_code == status


@pytest.mark.parametrize("kind", FORMS)
def test_each_type_makes_a_service_and_its_edit_page_changes_nothing(signed_in, ada, kind):
    answer = new(signed_in, kind)
    service = Service.objects.get(slug="acme")
    before = custom.definition_of(service)
    page = signed_in.get(reverse("services:edit", args=["acme"]))
    form = page.context["form"]
    typed = {name: form[name].value() for name in form.fields}
    shown = {name: value for name, value in typed.items() if value not in (None, False)}
    signed_in.post(reverse("services:edit", args=["acme"]), shown)

    assert (answer.status_code, answer.url) == (303, "/services/acme/")
    assert service.base_url == "https://api.acme.example/v1"
    assert service.test == {"method": "GET", "path": "/me"}
    assert [method.kind for method in service.auth_methods.all()] == [kind]
    assert custom.definition_of(Service.objects.get(slug="acme")) == before


def test_limits_are_kept_and_shown(signed_in, ada):
    new(
        signed_in, "none", allowed_methods=["GET", "POST"], test_path="/me?full=1",
        allowed_paths="/me\r\n/orders\r\n/me", allowed_hosts="*.acme.example",
    )  # fmt: skip

    service = Service.objects.get(slug="acme")
    page = signed_in.get(service.get_absolute_url()).content.decode()
    summary = signed_in.get(connect(ada, method=service.auth_methods.get()).get_absolute_url())
    form = signed_in.get(reverse("services:edit", args=["acme"])).context["form"]
    assert (service.allowed_methods, service.allowed_paths) == (["GET", "POST"], ["/me", "/orders"])
    assert service.allowed_hosts == ["*.acme.example"]
    for shown in (page, summary.content.decode()):
        assert "GET, POST" in shown and "/orders<br>" in shown and "*.acme.example<br>" in shown
    assert form["allowed_paths"].value() == "/me\n/orders"


def test_the_oauth_form_keeps_all_it_was_told(signed_in):
    new(
        signed_in, "oauth2_code", scopes="*read Read records\nwrite", scope_delimiter=",",
        authorize_params="access_type=offline", token_params="audience=a=b",
        revoke_url="https://a.example/r", endpoint_staging="https://stage.acme.example/",
    )  # fmt: skip

    service = Service.objects.get(slug="acme")
    method = service.auth_methods.get()
    assert method.scopes == [
        {"name": "read", "label": "Read records", "default": True},
        {"name": "write", "label": "", "default": False},
    ]
    assert method.config == {
        "authorize_url": "https://a.example/a",
        "token_url": "https://a.example/t",
        "revoke_url": "https://a.example/r",
        "token_auth": "client_secret_basic",
        "token_format": "form",
        "scope_delimiter": ",",
        "authorize_params": {"access_type": "offline"},
        "token_params": {"audience": "a=b"},
        "pkce": True,
    }
    assert [e.base_url for e in service.endpoints.all()] == ["https://stage.acme.example"]


BAD = [
    ("none", {"name": ""}, "name"),
    ("none", {"name": "x" * 81}, "name"),
    ("none", {"name": "a\x01b"}, "name"),
    ("none", {"slug": ""}, "slug"),
    ("none", {"slug": "Bad Slug"}, "slug"),
    ("none", {"slug": "new"}, "slug"),
    ("none", {"slug": "taken"}, "slug"),
    ("none", {"category": ""}, "category"),
    ("none", {"docs_url": "javascript:alert(1)"}, "docs_url"),
    ("none", {"base_url": ""}, "base_url"),
    ("none", {"base_url": "http://api.acme.example"}, "base_url"),
    ("none", {"base_url": "https://user:pw@api.acme.example"}, "base_url"),
    ("none", {"base_url": "https://0x7f.1/"}, "base_url"),
    ("none", {"base_url": "https://{host}/"}, "base_url"),
    ("none", {"base_url": "https://api.{domain}"}, "base_url"),
    ("none", {"base_url": "https://{Bad}.acme.example"}, "base_url"),
    ("none", {"base_url": "https://a.example/?x=1"}, "base_url"),
    ("none", {"endpoint_staging": "ftp://a.example"}, "endpoint_staging"),
    ("none", {"test_path": "me"}, "test_path"),
    ("none", {"test_path": "/a b"}, "test_path"),
    ("none", {"test_method": "DELETE"}, "test_method"),
    ("bearer", {"token_label": ""}, "token_label"),
    ("basic", {"username_label": ""}, "username_label"),
    ("basic", {"password_label": "x" * 61}, "password_label"),
    ("api_key", {"key_1_name": ""}, "key_1_name"),
    ("api_key", {"key_1_name": "X Key"}, "key_1_name"),
    ("api_key", {"key_1_name": "Host"}, "key_1_name"),
    ("api_key", {"key_1_name": "cookie"}, "key_1_name"),
    ("api_key", {"key_1_in": "path"}, "key_1_in"),
    ("api_key", {"key_1_prefix": "x" * 41}, "key_1_prefix"),
    ("oauth2_code", {"authorize_url": ""}, "authorize_url"),
    ("oauth2_code", {"token_url": "http://a.example"}, "token_url"),
    ("oauth2_code", {"refresh_url": "nonsense"}, "refresh_url"),
    ("oauth2_code", {"revoke_url": "//a.example"}, "revoke_url"),
    ("oauth2_code", {"token_auth": "guess"}, "token_auth"),
    ("oauth2_code", {"token_format": "xml"}, "token_format"),
    ("oauth2_code", {"scope_delimiter": "x"}, "scope_delimiter"),
    ("oauth2_code", {"scope_delimiter": ",", "scopes": "a,b"}, "scope_delimiter"),
    ("oauth2_code", {"scopes": "a\na"}, "scopes"),
    ("oauth2_code", {"scopes": "é"}, "scopes"),
    ("oauth2_code", {"authorize_params": "state=x"}, "authorize_params"),
    ("oauth2_code", {"authorize_params": "novalue"}, "authorize_params"),
    ("oauth2_code", {"token_params": "client_secret=x"}, "token_params"),
    ("oauth2_code", {"token_auth": "none", "pkce": ""}, "pkce"),
    ("oauth1", {"request_token_url": ""}, "request_token_url"),
    ("oauth1", {"request_token_url": "http://a.example"}, "request_token_url"),
    ("oauth1", {"authorize_url": ""}, "authorize_url"),
    ("oauth1", {"authorize_url": "javascript:alert(1)"}, "authorize_url"),
    ("oauth1", {"access_token_url": ""}, "access_token_url"),
    ("oauth1", {"access_token_url": "https://{host}/"}, "access_token_url"),
    ("oauth1", {"signature_method": "MD5"}, "signature_method"),
    ("oauth1", {"realm": "{Account}"}, "realm"),
    ("oauth1", {"realm": "a\x01b"}, "realm"),
    ("oauth1", {"authorize_params": "oauth_token=x"}, "authorize_params"),
    ("oauth1", {"expires_in_s": "0"}, "expires_in_s"),
    ("oauth1", {"expires_in_s": "soon"}, "expires_in_s"),
    ("oauth2_code", {"algorithm": "HS256"}, "algorithm"),
    ("oauth2_code", {"issuer": "https://a.example/?x"}, "issuer"),
    ("oauth2_code", {"expires_in_s": "1"}, "expires_in_s"),
    ("oauth2_code", {"apply_in": "form"}, "apply_in"),
    ("oauth2_code", {"apply_name": "Cookie"}, "apply_name"),
    ("oauth2_code", {"apply_prefix": "x" * 41}, "apply_prefix"),
    ("oauth2_code", {"token_url": "https://{client_secret}.a.example"}, "token_url"),
    ("none", {"headers": "Host=a"}, "headers"),
    ("none", {"headers": "Authorization=Bearer x"}, "headers"),
    ("none", {"headers": "X-A=é"}, "headers"),
    ("none", {"headers": "X-A=1\nx-a=2"}, "headers"),
    ("none", {"headers": "X-A={password}"}, "headers"),
    ("none", {"base_url": "https://{token}.acme.example"}, "base_url"),
    ("none", {"base_url": "https://10.0.0.1"}, "base_url"),
    ("oauth2_code", {"token_url": "https://[::1]/token"}, "token_url"),
    ("none", {"test_path": "/../other"}, "test_path"),
    ("none", {"test_path": "/a/%2E%2e?x"}, "test_path"),
    ("none", {"test_path": "", "test": "1"}, "test_path"),
    ("two_step", {"login_url": "http://a.example"}, "login_url"),
    ("two_step", {"login_url": "https://{password}.a.example"}, "login_url"),
    ("two_step", {"base_url": "https://{pin}.a.example", "field_1_name": "pin"}, "base_url"),
    ("two_step", {"login_method": "DELETE"}, "login_method"),
    ("two_step", {"login_method": "GET"}, "login_method"),
    ("none", {"allowed_methods": "TRACE"}, "allowed_methods"),
    ("none", {"allowed_paths": "orders"}, "allowed_paths"),
    ("none", {"allowed_paths": "/orders/"}, "allowed_paths"),
    ("none", {"allowed_paths": "/orders\n/"}, "allowed_paths"),
    ("none", {"allowed_paths": "/" + "x" * 4000}, "allowed_paths"),
    ("none", {"allowed_hosts": "https://acme.example"}, "allowed_hosts"),
    ("none", {"allowed_hosts": "*"}, "allowed_hosts"),
    ("none", {"allowed_hosts": "10.0.0.1"}, "allowed_hosts"),
    ("none", {"test_path": "/me", "allowed_paths": "/orders"}, "test_path"),
    ("none", {"test_path": "/me", "allowed_methods": "POST"}, "test_path"),
    ("two_step", {"login_format": "xml"}, "login_format"),
    ("two_step", {"login_format": "basic"}, "login_body"),
    ("two_step", {"login_body": "novalue"}, "login_body"),
    ("two_step", {"login_body": "from=connhub"}, "login_body"),
    ("two_step", {"field_1_name": ""}, "field_1_name"),
    ("two_step", {"field_1_name": "Pass word"}, "field_1_name"),
    ("two_step", {"field_1_label": "x" * 61}, "field_1_label"),
    ("two_step", {"rows": "2", "field_2_name": "password"}, "field_2_name"),
    ("two_step", {"rows": "2", "field_2_label": "Again"}, "field_2_name"),
    ("two_step", {"token_path": ""}, "token_path"),
    ("two_step", {"token_path": "a..b"}, "token_path"),
    ("two_step", {"expires_in_path": "a b"}, "expires_in_path"),
    ("two_step", {"expires_in_s": "x"}, "expires_in_s"),
    ("two_step", {"apply_in": "form"}, "apply_in"),
    ("two_step", {"apply_name": "X Y"}, "apply_name"),
    ("two_step", {"apply_prefix": "x" * 41}, "apply_prefix"),
    ("jwt_bearer", {"use": "both"}, "use"),
    ("jwt_bearer", {"token_url": ""}, "token_url"),
    ("jwt_bearer", {"algorithm": "none"}, "algorithm"),
    ("jwt_bearer", {"key_label": ""}, "key_label"),
    ("jwt_bearer", {"key_encoding": "hex"}, "key_encoding"),
    ("jwt_bearer", {"issuer_label": "x" * 61}, "issuer_label"),
    ("jwt_bearer", {"subject_label": "a\x01"}, "subject_label"),
    ("jwt_bearer", {"audience": "x" * 301}, "audience"),
    ("jwt_bearer", {"audience": "{private_key}"}, "audience"),
    ("jwt_bearer", {"claims": "exp=1"}, "claims"),
    ("jwt_bearer", {"claims": "key={private_key}"}, "claims"),
    ("jwt_bearer", {"lifetime_s": "0"}, "lifetime_s"),
    ("jwt_bearer", {"token_format": "xml"}, "token_format"),
    ("aws_sigv4", {"service": ""}, "service"),
    ("aws_sigv4", {"service": "S3"}, "service"),
    ("aws_sigv4", {"region": "{Region}"}, "region"),
    ("aws_sigv4", {"region": "eu-{region}"}, "region"),
]


@pytest.mark.parametrize(("kind", "typed", "field"), BAD)
def test_bad_input_is_named_and_makes_nothing(signed_in, kind, typed, field):
    ServiceFactory(slug="taken")

    answer = new(signed_in, kind, **typed)

    assert list(answer.context["form"].errors) == [field]
    assert not Service.objects.filter(slug="acme").exists()


def test_every_field_has_its_bad_input(db):
    fine_as_anything = {
        *("key_1_label", "key_1_secret", "rows", "help", "username_secret", "body_hash"),
        *("key_id", "field_1_secret", "subject_required"),
    }
    fields = {(kind, name) for kind, form in FORMS.items() for name in form().fields}
    token = set(FORMS["oauth2_client_credentials"]().fields)
    named = {(kind, field) for kind, _, field in BAD}

    unnamed = {
        name
        for kind, name in fields
        if (kind, name) not in named
        and ("none", name) not in named
        and not (name in token and ("oauth2_code", name) in named)
        and not name.startswith("endpoint_")
    }

    assert unnamed - fine_as_anything == set()


def test_several_parameters_are_added_one_by_one(signed_in):
    grown = new(signed_in, "api_key", add="1", rows="1")
    second = {"key_2_name": "secret", "key_2_in": "query", "key_2_label": "", "rows": "2"}
    new(signed_in, "api_key", **second)

    assert grown.context["form"].shown == 2
    assert grown.context["form"]["key_1_name"].value() == "X-Key"
    keys = Service.objects.get(slug="acme").auth_methods.get().config["keys"]
    assert [(key["in"], key["name"], key["secret"]) for key in keys] == [
        ("header", "X-Key", True),
        ("query", "secret", False),
    ]


def test_the_same_parameter_twice_is_named(signed_in):
    answer = new(
        signed_in, "api_key", rows="2", key_2_name="x-key", key_2_in="header", key_2_label="Again"
    )

    assert list(answer.context["form"].errors) == ["key_2_name"]


@pytest.mark.parametrize("rows", ["0", "-1", "99", "999999999", "x", "²"])
def test_a_strange_number_of_rows_is_no_error_of_ours(signed_in, rows):
    assert new(signed_in, "api_key", rows=rows).status_code in (200, 303)


def test_the_preview_shows_the_call_with_placeholders(signed_in):
    answer = new(signed_in, "api_key", HTMX, preview="1", key_1_prefix="Token ")

    assert "<html" not in answer.content.decode()
    assert answer.context["requests"] == [
        ("Each call", "GET https://api.acme.example/v1/me\nX-Key: Token ‹Key›")
    ]
    assert not Service.objects.filter(slug="acme").exists()


@pytest.mark.parametrize("kind", FORMS)
def test_the_preview_takes_anything(signed_in, kind):
    url = f"{reverse('services:new')}?type={kind}"
    nothing = signed_in.post(url, {"preview": "1"}, headers=HTMX)
    strange = dict.fromkeys(FORMS[kind]().fields, "{\x00}‹é\n=")

    assert nothing.status_code == 200
    assert signed_in.post(url, strange | {"preview": "1"}, headers=HTMX).status_code == 200
    assert signed_in.post(url, strange).status_code == 200


def test_the_preview_of_an_oauth_service_has_three_requests(signed_in):
    answer = new(signed_in, "oauth2_code", HTMX, preview="1", scopes="*read\nwrite")

    people, call, token = (text for _, text in answer.context["requests"])
    assert people.startswith("GET https://a.example/a?response_type=code&client_id=‹client id›")
    assert "scope=read&" in people
    assert call.endswith("Authorization: Bearer ‹access token›")
    assert token.startswith("POST https://a.example/t\nAuthorization: Basic ‹client id:client sec")


def test_a_service_is_duplicated_as_a_new_one(signed_in):
    AuthMethodFactory(service=ServiceFactory(slug="old", name="Old", base_url="https://o.example"))

    form = signed_in.get(reverse("services:new") + "?like=old").context["form"]

    assert form["name"].value() == "Old 2"
    assert form["slug"].value() in (None, "")
    assert form["base_url"].value() == "https://o.example"
    assert form["key_1_name"].value() == "X-Api-Key"


URLS = {"authorize_url": "https://a.example/a", "token_url": "https://{shop}.a.example/t"}
STORED = {
    "oauth2_code": URLS
    | {
        "token_auth": "private_key_jwt",
        "algorithm": "ES256",
        "key_id": True,
        "issuer": "https://a.example",
        "token_format": "json",
        "scope_delimiter": ",",
        "token_params": {"audience": "a"},
        "expires_in_s": 3600,
        "apply": {"in": "query", "name": "access_token", "prefix": ""},
        "headers": {"X-Client": "{client_id}"},
        "token_type": "bot",
        "pkce": False,
    },
    "oauth2_client_credentials": {
        "token_url": "https://a.example/t",
        "token_auth": "none",
        "token_format": "form",
        "scope_delimiter": " ",
        "help": "In the settings.",
        "parameters": [{"name": "account", "label": "Account"}],
    },
    "api_key": {"keys": [KEYS, KEYS | {"name": "X-App", "secret": False}]},
    "bearer": {"token_label": "Key", "help": "In the settings."},
    "basic": {
        "username_label": "Key",
        "password_label": "Password",
        "username_secret": True,
        "password_value": "x",
        "help": "",
    },
    "none": {"help": "", "headers": {"X-Account": "{account}"}},
    "two_step": {
        "fields": [
            {"name": "user", "label": "User", "secret": False, "pattern": "^.+$"},
            {"name": "pin", "label": "PIN", "secret": True},
        ],
        "login": {
            "url": "https://{shop}.a.example/login",
            "method": "POST",
            "format": "basic",
            "body": {"username": "{user}@acme", "password": "{pin}"},
            "token_path": "a.0.b",
            "expires_in_path": "ttl",
        },
        "apply": {"in": "header", "name": "X-Session", "prefix": ""},
    },
    "jwt_bearer": {
        "exchange": False,
        "algorithm": "HS256",
        "key_encoding": "hex",
        "key_label": "Key",
        "key_id": True,
        "subject_label": "User",
        "subject_required": False,
        "audience": "/{part}/",
        "claims": {"bid": "{part}-1"},
        "lifetime_s": 300,
        "scope_delimiter": " ",
    },
    "oauth1": {
        "request_token_url": "https://{shop}.a.example/r",
        "authorize_url": "https://a.example/a",
        "access_token_url": "https://a.example/t",
        "signature_method": "HMAC-SHA256",
        "realm": "{account}",
        "body_hash": True,
        "authorize_params": {"expiration": "never"},
        "expires_in_s": 3600,
        "help": "In the settings.",
    },
    "aws_sigv4": {
        "service": "s3",
        "region": "{region}",
        "help": "",
        "parameters": [{"name": "region", "label": "Region", "placeholder": "eu-west-1"}],
    },
}


@pytest.mark.parametrize("kind", FORMS)
def test_duplicate_of_a_default_service_is_like_it_in_everything(signed_in, kind):
    shop = {"name": "shop", "label": "Your shop", "pattern": "^[a-z]+$"}
    old = ServiceFactory(
        slug="old",
        origin="default",
        base_url="https://{shop}.a.example",
        parameters=[shop],
        test={"method": "GET", "path": "/me", "expect": [200]},
    )
    scopes = [{"name": "read", "label": "Read", "default": True}] if "oauth2" in kind else []
    AuthMethodFactory(service=old, kind=kind, label="Ours", config=STORED[kind], scopes=scopes)
    url = reverse("services:new") + "?like=old"
    form = signed_in.get(url).context["form"]
    shown = {name: form[name].value() for name in form.fields}

    typed = {name: value for name, value in shown.items() if value not in (None, False)}
    answer = signed_in.post(url, typed | {"slug": "new-one"})

    assert answer.status_code == 303, answer.context["form"].errors
    new = Service.objects.get(slug="new-one")
    method = new.auth_methods.get()
    assert (method.kind, method.label, method.scopes) == (kind, "Ours", scopes)
    assert method.config == STORED[kind]
    assert (new.base_url, new.test) == (old.base_url, old.test)
    assert new.parameters[0] == shop
    declared = {p["name"] for p in method.config.get("parameters", [])}
    assert not declared & {p["name"] for p in new.parameters}


@pytest.fixture
def acme(ada):
    return custom.create(definition(), slug="acme", by=ada)


@pytest.mark.parametrize("name", ["edit", "delete"])
@pytest.mark.parametrize(
    ("who", "status"), [("ada", 200), ("bob", 403), ("eve", 403), ("root", 403)]
)
def test_a_service_is_changed_by_its_admins(client, request, acme, name, who, status):
    client.force_login(request.getfixturevalue(who))

    assert client.get(reverse(f"services:{name}", args=["acme"])).status_code == status


def test_a_refused_change_says_why_and_names_the_connections(signed_in, acme, ada):
    connect(ada, method=acme.auth_methods.get())
    url = reverse("services:edit", args=["acme"])

    answer = signed_in.post(url, DETAILS | KEY | {"base_url": "https://evil.example"})

    assert answer.status_code == 409
    assert custom.SecretsWouldMove.text in answer.content.decode()
    assert "/connections/billing/" in answer.content.decode()


@pytest.mark.parametrize(
    ("who", "status"), [("ada", 303), ("root", 303), ("bob", 403), ("eve", 403)]
)
def test_a_service_is_unlisted_by_its_admins_and_super_admins(client, request, acme, who, status):
    client.force_login(request.getfixturevalue(who))

    answer = client.post(reverse("services:listed", args=["acme"]), {"listed": "0"})

    assert answer.status_code == status
    assert Service.objects.get(slug="acme").listed == (status == 403)


def test_delete_leads_back_to_the_services(signed_in, acme):
    answer = signed_in.post(reverse("services:delete", args=["acme"]))

    assert (answer.status_code, answer.url) == (303, "/services/")


def test_the_page_of_a_service_names_only_connections_that_one_sees(client, acme, ada, eve):
    connect(ada, method=acme.auth_methods.get())
    seen = {}
    for who in (ada, eve):
        client.force_login(who)
        seen[who] = "/connections/billing/" in client.get("/services/acme/").content.decode()

    assert seen == {ada: True, eve: False}


def test_the_page_takes_as_many_queries_for_much_as_for_little(client, acme, root, ada):
    client.force_login(root)
    client.get("/services/acme/")
    with CaptureQueriesContext(database) as few:
        client.get("/services/acme/")
    for number in range(5):
        AuthMethodFactory(service=acme, label=f"Key {number}")
        acme.operations.create(method="GET", path=f"/{number}")
        connect(ada, method=acme.auth_methods.first(), link_name=f"c{number}")

    with CaptureQueriesContext(database) as many:
        client.get("/services/acme/")

    assert len(many) == len(few)


@pytest.mark.parametrize(("who", "shown"), [("ada", True), ("eve", False)])
@pytest.mark.parametrize("url", ["/services/", "/connections/new/"])
def test_the_gallery_offers_new_services_to_those_who_may(client, request, who, shown, url):
    client.force_login(request.getfixturevalue(who))

    assert ("Create New Service" in client.get(url).content.decode()) == shown


@pytest.fixture
def documented(acme):
    """Acme with more operations than a page shows."""
    for number in range(60):
        acme.operations.create(method="GET", path=f"/things/{number:03}", summary="Thing")
    acme.operations.create(method="POST", path="/orders", summary="Place an order")
    return acme


def shown(response) -> list[str]:
    return [str(each) for each in response.context["operations"].rows]


def test_many_operations_are_shown_page_by_page(signed_in, documented):
    first = signed_in.get("/services/acme/")
    older = first.context["operations"].older
    second = signed_in.get("/services/acme/", {"before": older})

    assert (len(shown(first)), shown(first)[0]) == (50, "POST /orders")
    assert (len(shown(second)), shown(second)[-1]) == (11, "GET /things/059")


@pytest.mark.parametrize(
    ("find", "found"),
    [
        ("order", ["POST /orders"]),
        ("post place", ["POST /orders"]),
        ("order\0", ["POST /orders"]),
        ("nothing", []),
    ],
)
def test_operations_are_looked_for_on_the_page_of_the_service(signed_in, documented, find, found):
    response = signed_in.get("/services/acme/", {"find": find})

    assert shown(response) == found


def test_htmx_gets_the_operations_alone(signed_in, documented):
    headers = {"HX-Request": "true"}
    response = signed_in.get("/services/acme/", {"find": "order"}, headers=headers)

    assert "<html" not in response.content.decode()
    assert "/orders" in response.content.decode()


# --- OAuth 1.0a -----------------------------------------------------------------------------------


def test_the_oauth1_form_keeps_all_it_was_told(signed_in):
    new(
        signed_in, "oauth1", base_url="https://{host_part}.acme.example", realm="{account}",
        signature_method="HMAC-SHA256", body_hash="on", expires_in_s="3600",
        authorize_params="expiration=never", help="Under Settings, Keys.",
    )  # fmt: skip

    service = Service.objects.get(slug="acme")
    assert service.auth_methods.get().config == {
        "request_token_url": "https://a.example/r",
        "authorize_url": "https://a.example/a",
        "access_token_url": "https://a.example/t",
        "signature_method": "HMAC-SHA256",
        "realm": "{account}",
        "body_hash": True,
        "authorize_params": {"expiration": "never"},
        "expires_in_s": 3600,
        "help": "Under Settings, Keys.",
    }
    assert [(p["name"], p["pattern"]) for p in service.parameters] == [
        ("host_part", custom.PARAMETER_PATTERN),
        ("account", custom.TEXT_PATTERN),
    ]


def test_without_urls_a_service_shows_its_token(signed_in):
    urls = dict.fromkeys(["request_token_url", "authorize_url", "access_token_url"], "")

    new(signed_in, "oauth1", **urls)

    config = Service.objects.get(slug="acme").auth_methods.get().config
    assert config == {"signature_method": "HMAC-SHA1", "help": ""}
    page = signed_in.get("/connections/new/acme/").content.decode()
    assert [label for label in ("Consumer key", "Token secret") if label not in page] == []


def test_the_preview_of_an_oauth1_service_has_four_requests(signed_in):
    answer = new(signed_in, "oauth1", preview="1", realm="Photos", authorize_params="a=b c")

    shown = dict(answer.context["requests"])
    assert list(shown) == [
        "Temporary credentials",
        "Where people sign in",
        "Token request",
        "Each call",
    ]
    assert shown["Where people sign in"] == (
        "GET https://a.example/a?oauth_token=‹temporary token›&a=b+c"
    )
    assert shown["Each call"] == (
        "GET https://api.acme.example/v1/me\n"
        'Authorization: OAuth realm="Photos", oauth_consumer_key="‹consumer key›", '
        'oauth_token="‹token›", oauth_signature_method="HMAC-SHA1", oauth_timestamp="…", '
        'oauth_nonce="…", oauth_version="1.0", oauth_signature="…"'
    )


@pytest.mark.parametrize(
    "change",
    [
        {"request_token_url": "https://evil.example/r"},
        {"authorize_url": "https://evil.example/a"},
        {"access_token_url": "https://evil.example/t"},
        {"signature_method": "PLAINTEXT"},
        {"realm": "other"},
    ],
)
def test_an_oauth1_service_that_holds_secrets_does_not_move(signed_in, ada, change):
    new(signed_in, "oauth1")
    service = Service.objects.get(slug="acme")
    method = service.auth_methods.get()
    connect(ada, method=method, secrets={}, client_id="k", client_secret="s")
    before = custom.definition_of(service)

    answer = signed_in.post("/services/acme/edit/", DETAILS | TYPED["oauth1"] | change)

    assert (answer.status_code, answer.context["refusal"].code) == (409, "secrets-would-move")
    assert custom.definition_of(service) == before


def test_the_page_of_an_oauth1_service_says_how_calls_are_signed(signed_in):
    new(signed_in, "oauth1", signature_method="HMAC-SHA256", realm="Photos")

    page = signed_in.get("/services/acme/").content.decode()

    shown = ["https://a.example/r", "https://a.example/t", "HMAC-SHA256", "Photos"]
    assert [text for text in shown if text not in page] == []


@pytest.mark.parametrize(
    ("slug", "shown"),
    [
        ("breezy-hr", ["https://api.breezy.hr/v3/signin"]),
        ("discogs", ["https://api.discogs.com/oauth/access_token", "HMAC-SHA1"]),
        ("amazon-s3", ["s3, {region}"]),
        ("twitch", ["Client-Id: {client_id}"]),
        ("ghost", ["Admin API key"]),
    ],
)
def test_page_of_a_default_service_shows_how_its_methods_work(signed_in, slug, shown):
    loader.load([entry for entry in loader.read() if entry.slug == slug])

    page = signed_in.get(reverse("services:detail", args=[slug])).content.decode()

    assert [text for text in shown if text not in page] == []
