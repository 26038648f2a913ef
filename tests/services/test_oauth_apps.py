import pytest
from django.core.exceptions import PermissionDenied
from django.urls import reverse

from connhub.accounts import environments
from connhub.audit.models import Event
from connhub.connections import lifecycle
from connhub.connections.create_form import CreateForm
from connhub.services import oauth_apps
from connhub.services.models import OAuthApp
from tests.conftest import CANARY
from tests.factories import AuthMethodFactory, ServiceFactory, connect

pytestmark = pytest.mark.django_db

CONFIG = {"authorize_url": "https://a.example/a", "token_url": "https://a.example/t"}
CONSUMER = {
    "request_token_url": "https://a.example/r",
    "authorize_url": "https://a.example/a",
    "access_token_url": "https://a.example/t",
}


@pytest.fixture
def method():
    return AuthMethodFactory(
        service=ServiceFactory(slug="acme", name="Acme"), kind="oauth2_code", config=CONFIG
    )


@pytest.fixture
def app(method, root) -> OAuthApp:
    return put(method.service, root)


def put(service, by, client_id="ours", client_secret=CANARY, environment=None) -> OAuthApp:
    return oauth_apps.put(
        service, client_id=client_id, client_secret=client_secret, environment=environment, by=by
    )


def test_the_app_is_sealed_and_on_record(app, root):
    assert OAuthApp.objects.get().client_secret.open().reveal() == CANARY
    assert (app.created_by, app.changed_by, app.shared) == (root, root, True)
    event = Event.objects.latest("sequence")
    assert (event.action, event.fields) == ("oauth_app.created", ["client_id", "client_secret"])


def test_there_is_one_for_all_and_one_for_each_environment(app, method, root):
    own = put(method.service, root, "staging", environment=environments.lowest())
    put(method.service, root, "ours")

    assert [each.pk for each in oauth_apps.shared(method.service)] in (
        [app.pk, own.pk],
        [own.pk, app.pk],
    )


def test_a_blank_secret_stays_and_a_new_one_replaces_it(app, method, root):
    put(method.service, root, client_secret="")
    kept = OAuthApp.objects.get().client_secret.open().reveal()
    put(method.service, root, client_secret="another")

    assert kept == CANARY
    assert OAuthApp.objects.get().client_secret.open().reveal() == "another"


def test_another_client_id_takes_its_own_secret(app, method, root):
    with pytest.raises(oauth_apps.SecretNeeded):
        put(method.service, root, "theirs", client_secret="")

    assert OAuthApp.objects.get().client_id == "ours"


def test_only_super_admins_set_and_remove_apps(app, method, ada):
    with pytest.raises(PermissionDenied):
        put(method.service, ada)
    with pytest.raises(PermissionDenied):
        oauth_apps.remove(app, by=ada)

    assert OAuthApp.objects.count() == 1


@pytest.mark.parametrize(
    ("kind", "config", "shareable"),
    [
        ("oauth2_code", CONFIG, True),
        ("oauth2_code", CONFIG | {"token_url": "https://a.example/{tenant}/t"}, True),
        ("oauth2_code", CONFIG | {"token_url": "https://{hostname}/t"}, False),
        ("oauth2_code", CONFIG | {"token_url": "https://{shop}.a.example/t"}, False),
        ("oauth2_code", CONFIG | {"retired": True}, False),
        ("api_key", {"keys": []}, False),
        ("oauth1", CONSUMER, True),
        ("oauth1", CONSUMER | {"access_token_url": ""}, False),
        ("oauth1", CONSUMER | {"access_token_url": "https://{shop}.a.example/t"}, False),
        ("oauth1", CONSUMER | {"request_token_url": "https://{shop}.a.example/r"}, False),
        ("oauth1", CONSUMER | {"signature_method": "PLAINTEXT"}, False),
    ],
)
def test_an_app_is_shared_where_the_server_is_one_for_all(root, kind, config, shareable):
    service = AuthMethodFactory(kind=kind, config=config).service

    assert oauth_apps.is_shareable(service) == shareable
    if not shareable:
        with pytest.raises(oauth_apps.NotShareable):
            put(service, root)


def test_remove_is_refused_with_the_number_while_connections_use_it(app, method, ada, root):
    connection = connect(ada, method=method)

    with pytest.raises(oauth_apps.StillInUse, match=r"^1 connection uses this") as refused:
        oauth_apps.remove(app, by=root)

    assert refused.value.links == [("Billing", connection.get_absolute_url())]
    assert [each.uses for each in oauth_apps.shared(method.service)] == [1]


def test_remove_forgets_the_app_when_its_connections_are_deleted(app, method, ada, root):
    lifecycle.delete(connect(ada, method=method), by=ada)

    oauth_apps.remove(app, by=root)

    assert not OAuthApp.objects.exists()
    assert Event.objects.latest("sequence").action == "oauth_app.removed"


# --- The pages --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("first", "second"), [("oauth2_code", "oauth1"), ("oauth1", "oauth2_code")]
)
def test_where_people_sign_in_two_ways_the_app_is_for_the_first(root, ada, first, second):
    service = ServiceFactory()
    configs = {"oauth2_code": CONFIG, "oauth1": CONSUMER}
    methods = [
        AuthMethodFactory(service=service, kind=kind, config=configs[kind], position=position)
        for position, kind in enumerate((first, second))
    ]
    app = put(service, root)

    uses = [
        connect(ada, method=method, link_name=f"c{n}", secrets={}).oauth_app
        for n, method in enumerate(methods)
    ]

    assert uses == [app, None]
    assert "client_id" not in CreateForm(method=methods[0], by=ada).fields
    assert "client_id" in CreateForm(method=methods[1], by=ada).fields


@pytest.mark.parametrize(
    ("signature_method", "label", "is_area"),
    [("HMAC-SHA1", "Consumer secret", False), ("RSA-SHA1", "Private key", True)],
)
def test_the_page_asks_for_a_consumer_in_the_words_of_oauth1(
    client, root, signature_method, label, is_area
):
    method = AuthMethodFactory(
        kind="oauth1", config=CONSUMER | {"signature_method": signature_method}
    )
    client.force_login(root)

    form = client.get(reverse("services:app", args=[method.service.slug])).context["form"]

    assert (form["client_id"].label, form["client_secret"].label) == ("Consumer key", label)
    assert ("<textarea" in str(form["client_secret"])) == is_area


@pytest.mark.parametrize(("who", "status"), [("root", 200), ("ada", 403), ("eve", 403)])
@pytest.mark.parametrize("name", ["app", "remove_app"])
def test_the_pages_are_for_super_admins(client, request, app, who, status, name):
    client.force_login(request.getfixturevalue(who))

    assert client.get(reverse(f"services:{name}", args=["acme"])).status_code == status


def test_the_page_sets_the_app_and_never_shows_its_secret(client, method, root):
    client.force_login(root)
    url = reverse("services:app", args=["acme"])

    answer = client.post(url, {"client_id": "ours", "client_secret": CANARY})
    shown = client.get(url).content.decode() + client.get("/services/acme/").content.decode()

    assert (answer.status_code, answer.url) == (303, "/services/acme/")
    assert OAuthApp.objects.get().client_id == "ours"
    assert CANARY not in shown
    assert "http://127.0.0.1:8000/oauth/callback/acme/" in shown


def test_the_page_says_how_many_connections_use_the_app(client, app, method, ada, root):
    connect(ada, method=method)
    client.force_login(root)

    page = client.get(reverse("services:app", args=["acme"])).content.decode()

    assert "1 connection uses it" in page


@pytest.mark.parametrize(
    ("typed", "field"),
    [
        ({"client_id": ""}, "client_id"),
        ({"client_id": "x" * 301}, "client_id"),
        ({"client_id": "a\nb"}, "client_id"),
        ({"client_id": "other", "client_secret": ""}, "client_secret"),
        ({"client_id": "ours", "client_secret": "x" * 4001}, "client_secret"),
    ],
)
def test_bad_input_is_named(client, app, root, typed, field):
    client.force_login(root)

    answer = client.post(reverse("services:app", args=["acme"]), typed)

    assert list(answer.context["form"].errors) == [field]


def test_the_app_of_one_environment_is_set_apart(client, app, method, root):
    client.force_login(root)
    url = reverse("services:app", args=["acme"])

    client.post(f"{url}?environment=staging", {"client_id": "stage", "client_secret": "s"})
    missing = client.get(f"{url}?environment=nowhere")

    assert OAuthApp.objects.get(environment__slug="staging").client_id == "stage"
    assert missing.status_code == 404
