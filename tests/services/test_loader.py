"""Loading the catalogue into the database."""

from dataclasses import replace
from functools import partial

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import IntegrityError

from connhub.accounts.models import User
from connhub.audit.models import Event
from connhub.connections.access import prepare
from connhub.connections.forms import EditForm
from connhub.connections.models import Connection
from connhub.services import loader
from connhub.services.loader import CatalogueError, Changes, Entry, load, read
from connhub.services.models import AuthMethod, OAuthApp, Origin, Service
from tests.conftest import CANARY
from tests.factories import connect

pytestmark = pytest.mark.django_db

ACME = """
category: CRM
services:
  - slug: acme
    name: Acme
    monogram: Ac
    colour: "#123456"
    docs_url: https://docs.acme.example/
    parameters: [{name: site, label: Site, pattern: "^[a-z]+$"}]
    base_url: https://{site}.acme.example
    test: {method: GET, path: /me, expect: [200]}
    auth:
      - kind: oauth2_code
        authorize_url: https://{site}.acme.example/authorize
        token_url: https://{site}.acme.example/token
        token_auth: client_secret_post
        scopes: [{name: read, label: Read, default: true}, {name: write, label: Write}]
      - {kind: bearer, label: Personal token}
      - {kind: basic, label: API key, password_value: x}
      - {kind: api_key, keys: [{name: X-Key, in: header, label: Key}]}
"""
GLOBEX = """
category: Databases
services:
  - slug: globex
    name: Globex
    monogram: Gx
    colour: "#654321"
    docs_url: https://docs.globex.example/
    driver: redis
    auth: [{kind: database}]
"""


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "catalogue"
    folder.mkdir()
    (folder / "crm.yaml").write_text(ACME)
    (folder / "databases.yaml").write_text(GLOBEX)
    return folder


@pytest.fixture
def acme(folder) -> Entry:
    return read(folder)[0]


@pytest.fixture
def globex(folder) -> Entry:
    return read(folder)[1]


@pytest.fixture
def root(db) -> User:
    return User.objects.create_user("root@example.org", name="Root", role="super_admin")


def renamed(entry: Entry, name: str) -> Entry:
    return replace(entry, service=entry.service | {"name": name})


def without(entry: Entry, label: str) -> Entry:
    return replace(entry, methods=[m for m in entry.methods if m["label"] != label])


def method_ids(slug: str) -> dict[str, object]:
    methods = AuthMethod.objects.filter(service__slug=slug)
    return {f"{method.kind} {method.label}": method.pk for method in methods}


def on_record() -> list[dict]:
    events = Event.objects.filter(action="catalogue.loaded").order_by("sequence")
    return [event.detail for event in events]


def test_a_service_is_stored_with_every_default_filled_in(acme):
    load([acme])

    service = Service.objects.get()
    assert (service.slug, service.origin, service.listed) == ("acme", Origin.DEFAULT, True)
    assert (service.category, service.name, service.driver) == ("CRM", "Acme", "")
    assert service.base_url == "https://{site}.acme.example"
    assert service.test == {"method": "GET", "path": "/me", "expect": [200]}
    assert service.parameters == [
        {
            "name": "site",
            "label": "Site",
            "help": "",
            "pattern": "^[a-z]+$",
            "placeholder": "",
            "required": True,
            "default": "",
        }
    ]
    assert service.digest == acme.digest


def test_auth_methods_are_stored_in_the_file_s_order(acme):
    load([acme])

    oauth, bearer, basic, key = Service.objects.get().auth_methods.all()
    assert (oauth.kind, oauth.label) == ("oauth2_code", "OAuth 2.0")
    assert oauth.config == {
        "authorize_url": "https://{site}.acme.example/authorize",
        "token_url": "https://{site}.acme.example/token",
        "token_auth": "client_secret_post",
        "token_format": "form",
        "pkce": True,
        "scope_delimiter": " ",
    }
    assert oauth.scopes == [
        {"name": "read", "label": "Read", "default": True},
        {"name": "write", "label": "Write", "default": False},
    ]
    assert (bearer.kind, bearer.config) == (
        "bearer",
        {"token_label": "Personal token", "help": ""},
    )
    assert (key.label, key.config["keys"]) == (
        "API key",
        [{"name": "X-Key", "in": "header", "label": "Key", "prefix": "", "help": ""}],
    )
    assert basic.config["username_label"] == "User name"


def test_where_the_password_is_fixed_the_user_name_is_the_secret(acme):
    load([acme])

    basic = AuthMethod.objects.get(kind="basic")
    assert (basic.config["password_value"], basic.config["username_secret"]) == ("x", True)


def test_a_database_brings_its_driver_and_no_address(globex):
    load([globex])

    service = Service.objects.get()
    assert (service.driver, service.base_url, service.parameters) == ("redis", "", [])


def test_load_says_what_it_added_and_is_on_record(acme, globex, root):
    changes = load([acme, globex], by=root)

    assert changes == Changes(added=["acme", "globex"])
    assert on_record() == [{"added": 2, "changed": 0, "unlisted": 0, "moved": 0}]
    assert Event.objects.get(action="catalogue.loaded").actor_id == str(root.pk)


def test_loading_the_same_again_changes_nothing_and_is_not_on_record(acme, globex):
    load([acme, globex])
    before = list(Service.objects.values()), list(AuthMethod.objects.values())

    changes = load([acme, globex])

    assert changes == Changes(unchanged=["acme", "globex"])
    assert (list(Service.objects.values()), list(AuthMethod.objects.values())) == before
    assert len(on_record()) == 1


def test_nothing_changed_takes_few_queries(django_assert_max_num_queries):
    shipped = read()
    load(shipped)

    with django_assert_max_num_queries(3):  # one for the services; a savepoint around it
        load(shipped)


def test_a_changed_entry_changes_its_service_alone(acme, globex):
    load([acme, globex])

    changes = load([renamed(acme, "Acme Inc."), globex])

    assert changes == Changes(changed=["acme"], unchanged=["globex"])
    assert set(Service.objects.values_list("name", flat=True)) == {"Acme Inc.", "Globex"}
    assert on_record()[1:] == [{"added": 0, "changed": 1, "unlisted": 0, "moved": 0}]


def test_ids_stay_when_an_entry_changes(acme):
    load([acme])
    service, methods = Service.objects.get().pk, method_ids("acme")
    scopes = [{"name": "all", "label": "Everything", "default": True}]
    oauth = acme.methods[0] | {"scopes": scopes, "position": 3}

    load([replace(acme, methods=[*acme.methods[1:], oauth])])

    assert Service.objects.get().pk == service
    assert method_ids("acme") == methods
    moved = AuthMethod.objects.get(kind="oauth2_code")
    assert (moved.scopes, moved.position) == (scopes, 3)


def test_an_auth_method_that_is_gone_is_deleted(acme):
    load([acme])

    load([without(acme, "Personal token")])

    assert list(method_ids("acme")) == ["oauth2_code OAuth 2.0", "basic API key", "api_key API key"]


def test_an_auth_method_that_a_connection_uses_is_retired_instead(acme):
    load([acme])
    method = AuthMethod.objects.get(kind="bearer")
    connection = Connection.objects.create(
        name="CRM", link_name="crm", service=method.service, auth_method=method
    )
    modified_at = Connection.objects.get().modified_at

    load([without(acme, "Personal token")])

    connection.refresh_from_db()
    assert connection.auth_method.config == {
        "token_label": "Personal token",
        "help": "",
        "retired": True,
    }
    assert (connection.version, connection.modified_at) == (1, modified_at)


def test_a_retired_auth_method_that_comes_back_is_as_before(acme):
    load([acme])
    method = AuthMethod.objects.get(kind="bearer")
    Connection.objects.create(
        name="CRM", link_name="crm", service=method.service, auth_method=method
    )
    load([without(acme, "Personal token")])

    load([acme])

    again = AuthMethod.objects.get(kind="bearer")
    assert (again.pk, again.config) == (method.pk, {"token_label": "Personal token", "help": ""})


def test_a_service_that_is_gone_is_unlisted_once_and_keeps_its_methods(acme, globex):
    load([acme, globex])
    methods = method_ids("globex")

    first, second = load([acme]), load([acme])

    assert (first.unlisted, second.unlisted) == (["globex"], [])
    assert Service.objects.get(slug="globex").listed is False
    assert method_ids("globex") == methods
    assert on_record()[1:] == [{"added": 0, "changed": 0, "unlisted": 1, "moved": 0}]


def test_a_service_that_comes_back_is_listed_again_under_its_id(acme, globex):
    load([acme, globex])
    was = Service.objects.get(slug="globex").pk
    load([acme])

    changes = load([acme, globex])

    assert changes == Changes(changed=["globex"], unchanged=["acme"])
    service = Service.objects.get(slug="globex")
    assert (service.pk, service.listed) == (was, True)


def test_what_an_admin_unlisted_stays_unlisted(acme):
    load([acme])
    Service.objects.update(listed=False)

    load([renamed(acme, "Acme Inc.")])

    service = Service.objects.get()
    assert (service.name, service.listed) == ("Acme Inc.", False)


def test_custom_services_stay_as_they_are(acme, globex):
    Service.objects.create(slug="acme", name="Our Acme", origin=Origin.CUSTOM)
    Service.objects.create(slug="own", name="Our own", origin=Origin.CUSTOM)

    changes = load([acme, globex])

    assert changes == Changes(added=["globex"], left_out=["acme"])
    custom = Service.objects.filter(origin=Origin.CUSTOM).order_by("slug")
    assert [(s.name, s.listed, s.digest) for s in custom] == [
        ("Our Acme", True, ""),
        ("Our own", True, ""),
    ]


def test_a_load_that_fails_changes_nothing(acme, globex):
    load([acme])
    twice = replace(globex, methods=globex.methods * 2)

    with pytest.raises(IntegrityError):
        load([renamed(acme, "Acme Inc."), twice])

    assert list(Service.objects.values_list("name", flat=True)) == ["Acme"]


def test_the_digest_follows_everything_that_is_stored(acme):
    changed = [
        renamed(acme, "Acme Inc."),
        without(acme, "Personal token"),
        replace(acme, methods=list(reversed(acme.methods))),
    ]

    digests = {entry.digest for entry in [acme, *changed]}

    assert len(digests) == 4


def test_the_command_loads_the_shipped_catalogue(capsys):
    call_command("load_catalogue")
    call_command("load_catalogue")

    count = Service.objects.filter(listed=True).count()
    assert capsys.readouterr().out.splitlines() == [
        f"Catalogue: {count} services, {count} added, 0 changed, 0 unlisted.",
        f"Catalogue: {count} services, 0 added, 0 changed, 0 unlisted.",
    ]


def test_the_command_names_what_may_surprise(folder, monkeypatch, capsys):
    monkeypatch.setattr(loader, "read", partial(read, folder))
    call_command("load_catalogue")
    (folder / "crm.yaml").write_text(ACME.replace("name: Acme", "name: Acme Inc."))
    (folder / "databases.yaml").write_text(GLOBEX.replace("slug: globex", "slug: hooli"))
    Service.objects.create(slug="hooli", name="Ours", origin=Origin.CUSTOM)
    capsys.readouterr()

    call_command("load_catalogue")

    assert capsys.readouterr().out == (
        "Catalogue: 2 services, 0 added, 1 changed (acme), 1 unlisted (globex), "
        "1 left out for a custom one (hooli).\n"
    )


def test_the_command_says_in_one_line_what_is_wrong_and_exits_with_2(folder, monkeypatch):
    monkeypatch.setattr(loader, "read", partial(read, folder))
    (folder / "crm.yaml").write_text(ACME.replace("token_url: https", "token_url: http"))

    with pytest.raises(CommandError) as caught:
        call_command("load_catalogue")

    assert str(caught.value) == (
        "catalogue/crm.yaml: services[0] (acme).auth[0].token_url: must start with https://"
    )
    assert caught.value.returncode == 2
    assert list(Service.objects.all()) == []


# --- Secrets stay where they are ------------------------------------------------------------------


def elsewhere(entry: Entry, **config) -> Entry:
    """The entry, its methods with other values."""
    methods = [method | {"config": method["config"] | config} for method in entry.methods]
    return replace(entry, methods=methods)


def at_home(entry: Entry, base_url: str) -> Entry:
    return replace(entry, service=entry.service | {"base_url": base_url})


@pytest.fixture
def connection(acme, ada):
    """A connection to Acme that holds a token."""
    load([acme])
    return connect(
        ada,
        method=AuthMethod.objects.get(kind="bearer"),
        parameters={"site": "acme"},
        secrets={"token": CANARY},
    )


def call_of(connection):
    """Where its calls go, and with which header."""
    fresh = Connection.objects.get(pk=connection.pk)
    access = prepare(fresh, None)
    return access.base_url, dict(access.injection.headers), dict(access.injection.defaults)


@pytest.mark.parametrize(
    "change",
    [
        lambda entry: at_home(entry, "https://{site}.evil.example"),
        lambda entry: elsewhere(entry, headers={"X-Version": "2"}),
        lambda entry: replace(
            at_home(entry, "https://evil.example"),
            service=entry.service | {"base_url": "https://evil.example", "parameters": []},
        ),
    ],
    ids=["another host", "another header", "an address without its parameter"],
)
def test_stored_secrets_go_where_they_always_went(acme, connection, change):
    before = call_of(connection)

    changes = load([change(acme)])

    assert (changes.changed, changes.moved) == (["acme"], ["acme"])
    assert on_record()[-1]["moved"] == 1
    assert call_of(connection) == before
    fresh = Connection.objects.get(pk=connection.pk)
    assert (fresh.auth_method.label, "retired" in fresh.auth_method.config) == (
        "Personal token (before 1)",
        True,
    )
    offered = fresh.service.auth_methods.offered().get(kind="bearer")
    assert offered.label == "Personal token"


def test_form_of_a_connection_that_stayed_asks_what_it_was_made_with(acme, connection, ada):
    moved = replace(
        acme, service=acme.service | {"base_url": "https://new.example", "parameters": []}
    )
    load([moved])

    form = EditForm(connection=Connection.objects.get())

    assert [name for name in form.fields if name.startswith("p_")] == ["p_site"]


def test_words_and_tests_may_change_freely(acme, connection):
    method = connection.auth_method_id

    changes = load([elsewhere(acme, token_label="Token", help="Under Settings.")])

    assert (changes.changed, changes.moved) == (["acme"], [])
    assert Connection.objects.get().auth_method_id == method


def test_definition_that_comes_back_gets_a_row_of_its_own_again(acme, connection):
    before = call_of(connection)
    load([at_home(acme, "https://{site}.new.example")])
    load([at_home(acme, "https://{site}.newer.example")])

    load([acme])

    assert call_of(connection) == before


def test_method_that_is_gone_keeps_the_address_it_was_made_for(acme, connection):
    before = call_of(connection)

    load([at_home(without(acme, "Personal token"), "https://{site}.new.example")])

    assert call_of(connection) == before


def test_method_that_nobody_holds_secrets_for_is_simply_changed(acme, connection):
    ids = method_ids("acme")
    del ids["bearer Personal token"]

    load([at_home(acme, "https://{site}.new.example")])

    after = method_ids("acme")
    assert {name: after[name] for name in ids} == ids


def test_shared_oauth_app_is_not_offered_at_other_addresses(acme, root, ada):
    load([acme])
    service = Service.objects.get()
    app = OAuthApp(service=service, shared=True, client_id="id")
    app.client_secret.put(CANARY)
    app.save()
    oauth = service.auth_methods.get(kind="oauth2_code")
    made = connect(ada, method=oauth, parameters={"site": "acme"}, secrets={})

    changes = load([elsewhere(acme, revoke_url="https://evil.example/revoke")])

    assert changes.moved == ["acme"]
    assert (made.oauth_app, OAuthApp.objects.get().shared) == (app, False)
    assert "revoke_url" not in Connection.objects.get().auth_method.config
    assert Event.objects.filter(action="oauth_app.withdrawn").count() == 1


def test_shared_oauth_app_that_nothing_uses_is_destroyed(acme):
    load([acme])
    app = OAuthApp(service=Service.objects.get(), shared=True, client_id="id")
    app.client_secret.put(CANARY)
    app.save()

    load([elsewhere(acme, revoke_url="https://evil.example/revoke")])

    assert not OAuthApp.objects.exists()


def test_driver_cannot_change_under_stored_secrets(globex, ada):
    load([globex])
    connect(
        ada,
        method=AuthMethod.objects.get(),
        parameters={"host": "db.example", "port": "6379"},
        secrets={"password": CANARY},
    )

    with pytest.raises(CatalogueError) as refused:
        load([replace(globex, service=globex.service | {"driver": "mysql"})])

    assert str(refused.value) == "globex.driver: can't change while connections hold secrets"
    assert Service.objects.get().driver == "redis"


def test_headers_of_a_service_are_in_each_of_its_methods(folder):
    text = ACME.replace("    auth:", "    headers: {Accept: text/x, X-Site: '{site}'}\n    auth:")
    text = text.replace("label: Personal token}", "label: Personal token, headers: {Accept: b}}")
    (folder / "crm.yaml").write_text(text)

    oauth, bearer, *_ = read(folder)[0].methods

    assert oauth["config"]["headers"] == {"Accept": "text/x", "X-Site": "{site}"}
    assert bearer["config"]["headers"] == {"Accept": "b", "X-Site": "{site}"}
