"""Trying a service before it is saved, as its form stands, with credentials kept nowhere."""

import threading

import pytest
from django.apps import apps
from django.urls import reverse

from connhub.audit.models import Event
from connhub.connections import testing
from connhub.services import custom
from connhub.services.custom import Definition, MethodDefinition
from connhub.services.models import Service
from tests.conftest import CANARY
from tests.factories import ServiceFactory
from tests.services.test_views import DETAILS, KEY, TYPED

pytestmark = pytest.mark.django_db

HTMX = {"HX-Request": "true"}
URL = reverse("connections:try_service")
WAY = [
    ("Parameters", "ok"),
    ("Name resolution", "ok"),
    ("Egress policy", "ok"),
    ("TCP", "ok"),
    ("TLS", "skipped"),
]


@pytest.fixture
def signed_in(client, ada):
    client.force_login(ada)
    return client


@pytest.fixture
def keyed(upstream, allow):
    """What is typed about a service whose test wants the API key of `upstream`."""
    allow(upstream.port)
    return (
        DETAILS | KEY | {"key_1_name": "X-Api-Key", "base_url": upstream.url, "test_path": "/key"}
    )


def attempt(client, typed, *, kind="api_key", query="", headers=None, **sample):
    """Press Test on the form and, with a sample given, in the pop-up too."""
    given = {f"try_{name}": value for name, value in sample.items()}
    run = {"run": "1"} if given else {}
    url = f"{URL}?type={kind}{query}"
    return client.post(url, typed | {"test": "1"} | given | run, headers=headers)


def steps(answer) -> list[tuple[str, str]]:
    return [(step.name, step.outcome) for step in answer.context["report"].steps]


def rows() -> dict[str, int]:
    """How many there are of everything that an admin could have made."""
    stored = [m for m in apps.get_models() if m._meta.app_label in ("services", "connections")]
    return {model.__name__: model.objects.count() for model in stored}


def test_credentials_are_asked_as_a_connection_would_ask_them(signed_in, keyed):
    typed = keyed | {"base_url": "https://{shop}.acme.example"}

    answer = attempt(signed_in, typed, headers=HTMX)

    form = answer.context["form"]
    assert [(name, field.label) for name, field in form.fields.items()] == [
        ("try_shop", "Shop"),
        ("try_key_1", "Key"),
    ]
    assert answer.context["report"] is None
    assert ("base_url", "https://{shop}.acme.example") in answer.context["kept"]
    assert "<html" not in answer.content.decode()


def test_service_is_tried_as_it_is_typed_and_nothing_is_stored(signed_in, keyed, upstream):
    before = rows()

    answer = attempt(signed_in, keyed, key_1=upstream.api_key)

    assert steps(answer) == [*WAY, ("Authentication", "ok"), ("Sample call", "ok")]
    assert rows() == before
    assert upstream.api_key not in answer.content.decode()


def test_what_was_entered_comes_back_nowhere(signed_in, keyed, caplog):
    answer = attempt(signed_in, keyed, key_1=CANARY)

    assert steps(answer)[-1] == ("Sample call", "failed")
    assert CANARY not in answer.content.decode() + str(answer.headers) + caplog.text
    assert CANARY not in str(list(Event.objects.values()))
    assert CANARY not in str(dict(signed_in.session))


def test_try_is_on_record_without_values(signed_in, keyed, ada):
    attempt(signed_in, keyed, key_1=CANARY)

    event = Event.objects.latest("sequence")
    assert (event.action, event.actor, event.outcome) == ("service.tested", "Ada", "failed")
    assert event.detail.keys() == {"kind", "took_ms"}


@pytest.mark.parametrize(("who", "status"), [("ada", 200), ("root", 200), ("eve", 403)])
def test_services_are_tried_by_those_who_may_make_them(client, request, who, status):
    client.force_login(request.getfixturevalue(who))

    assert attempt(client, DETAILS | KEY).status_code == status


@pytest.mark.parametrize(("who", "status"), [("ada", 200), ("bob", 403), ("eve", 403)])
def test_stored_service_is_tried_by_those_who_may_change_it(client, request, ada, who, status):
    methods = [MethodDefinition("api_key", "API key", {"keys": [{"name": "a", "in": "query"}]})]
    definition = Definition("Acme", "CRM", "https://a.example", methods)
    custom.create(definition, slug="acme", by=ada)
    client.force_login(request.getfixturevalue(who))
    typed = {name: value for name, value in (DETAILS | KEY).items() if name != "slug"}

    assert attempt(client, typed, query="&service=acme").status_code == status


@pytest.mark.parametrize("query", ["?type=nonsense", "", "?type=none&service=gone"])
def test_what_there_is_no_form_for_is_not_there(signed_in, query):
    assert signed_in.post(URL + query, DETAILS).status_code == 404


def test_bad_input_is_named_on_the_forms_own_page(signed_in):
    typed = DETAILS | KEY | {"base_url": "http://a.example"}

    answer = signed_in.post(f"{URL}?type=api_key", typed | {"test": "1"})
    page = signed_in.post(answer.url, typed | {"test": "1"}, headers=HTMX)

    assert (answer.status_code, answer.url) == (307, "/services/new/?type=api_key")
    assert list(page.context["form"].errors) == ["base_url"]
    assert (page.headers["HX-Retarget"], page.headers["HX-Reselect"]) == ("#main", "#main")
    assert not Service.objects.filter(slug="acme").exists()


def test_one_goes_back_to_the_form_without_losing_what_was_typed(signed_in, keyed):
    tried = attempt(signed_in, keyed, key_1=CANARY)
    back = dict(tried.context["kept"]) | {"preview": "1"}

    page = signed_in.post(tried.context["page"], back)

    form = page.context["form"]
    assert {name: form[name].value() for name in keyed} == keyed | {"key_1_secret": True}
    assert CANARY not in str(back)


@pytest.mark.parametrize("address", ["https://localhost", "https://127.0.0.1.nip.invalid"])
def test_addresses_that_the_guard_refuses_are_not_called(signed_in, keyed, address):
    answer = attempt(signed_in, keyed | {"base_url": address}, key_1=CANARY)

    assert answer.context["report"].failure
    assert CANARY not in answer.content.decode()


def test_without_credentials_the_test_runs_at_once(signed_in, keyed):
    answer = attempt(signed_in, keyed | {"test_path": "/echo"}, kind="none")

    assert steps(answer) == [*WAY, ("Authentication", "ok"), ("Sample call", "ok")]


def test_sign_in_request_is_made_first(signed_in, token_endpoint):
    base = token_endpoint.url.removesuffix("/token")
    typed = TYPED["two_step"] | {
        "login_url": f"{base}/login",
        "token_path": "access_token",
        "base_url": base,
        "test_method": "POST",
    }

    answer = attempt(signed_in, DETAILS | typed, kind="two_step", password=CANARY)

    assert steps(answer) == [*WAY, ("Authentication", "ok"), ("Sample call", "ok")]
    login, call = token_endpoint.asked
    assert (login.path, login.json) == ("/login", {"password": CANARY})
    assert (call.path, call.headers["Authorization"]) == ("/me", "Bearer t0ken")


def test_four_tests_run_at_once_and_no_more(signed_in, keyed, monkeypatch):
    monkeypatch.setattr(testing, "QUEUE_S", 0.01)
    monkeypatch.setattr(testing, "_slots", threading.BoundedSemaphore(1))
    with testing.turn():
        answer = attempt(signed_in, keyed, key_1="x")

    assert answer.status_code == 503


def test_edit_never_borrows_a_stored_secret(signed_in, keyed, ada, upstream):
    service = ServiceFactory(slug="own", base_url=upstream.url)
    service.auth_methods.create(kind="api_key", config={"keys": [{"name": "a", "in": "query"}]})

    answer = attempt(signed_in, keyed, query="&like=own")

    assert answer.context["report"] is None
    assert answer.context["form"].fields["try_key_1"].required


# --- OAuth: what can be checked without a person -----------------------------------------------------


@pytest.fixture
def code(oauth_server, allow):
    allow(oauth_server.port)
    return (
        DETAILS
        | TYPED["oauth2_code"]
        | {
            "base_url": oauth_server.api_url,
            "authorize_url": oauth_server.authorize_url,
            "token_url": oauth_server.token_url,
            "revoke_url": oauth_server.revoke_url,
            "test_path": "",
        }
    )


def try_code(client, typed, client_id="nobody", client_secret=CANARY):
    sample = {"client_id": client_id, "client_secret": client_secret}
    return attempt(client, typed, kind="oauth2_code", **sample)


def test_everything_but_signing_in_is_checked(signed_in, code, oauth_server, settings):
    app = oauth_server.register(settings.CONNHUB_URL + "/oauth/callback/acme/")

    answer = try_code(signed_in, code, app.client_id, app.client_secret)

    assert steps(answer) == [
        ("Addresses", "ok"),
        ("Authorize URL", "ok"),
        ("Token URL", "ok"),
        ("Signing in", "skipped"),
    ]
    assert [r.status for r in oauth_server.token_requests] == [400]
    said = answer.context["report"].steps[2].said
    assert said.startswith("127.0.0.1 refused a made-up code (invalid_grant), as it should.")
    assert app.client_secret not in answer.content.decode()


def test_client_that_the_service_does_not_know_is_told(signed_in, code):
    answer = try_code(signed_in, code)

    said = "127.0.0.1 did not accept the client id and secret. Check both."
    assert answer.context["report"].failure.said == said
    assert CANARY not in answer.content.decode()


@pytest.mark.parametrize(
    ("wrong", "step"),
    [
        ({"authorize_url": "/nowhere"}, "Authorize URL"),
        ({"token_url": "/nowhere"}, "Token URL"),
        ({"token_url": "/api/me"}, "Token URL"),
    ],
)
def test_address_that_is_not_oauths_is_told(signed_in, code, oauth_server, wrong, step):
    wrong = {name: oauth_server.base_url + path for name, path in wrong.items()}

    answer = try_code(signed_in, code | wrong)

    failure = answer.context["report"].failure
    assert (failure.name, failure.outcome) == (step, "failed")
    assert failure.hint


@pytest.mark.parametrize("name", ["base_url", "authorize_url", "token_url", "revoke_url"])
def test_no_address_may_be_a_forbidden_one(signed_in, code, oauth_server, name):
    answer = try_code(signed_in, code | {name: "https://localhost/x"})

    assert steps(answer) == [("Addresses", "failed")]
    assert oauth_server.token_requests == []


def test_token_for_a_made_up_code_is_a_failure(
    signed_in, code, token_endpoint, allow, oauth_server
):
    allow(token_endpoint.port, oauth_server.port)

    answer = try_code(signed_in, code | {"token_url": token_endpoint.url})

    failure = answer.context["report"].failure
    assert failure.said == "127.0.0.1 gave a token for a code that was made up."
    assert "t0ken" not in answer.content.decode()
