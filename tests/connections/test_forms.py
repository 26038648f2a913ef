from datetime import UTC, datetime

import pytest

from connhub.accounts.models import Environment
from connhub.connections import lifecycle
from connhub.connections.create_form import CreateForm
from connhub.connections.edit_form import EditForm
from connhub.connections.forms import RenameForm
from connhub.connections.models import AccessMode, Credential
from connhub.services.models import OAuthApp
from tests.conftest import CANARY
from tests.factories import AuthMethodFactory, ServiceFactory, connect

pytestmark = pytest.mark.django_db

GOOD = {
    "name": "Billing",
    "link_name": "billing",
    "access_mode": "proxy",
    "environment": "",
    "s_key_1": CANARY,
}
LINK_NAME_RULE = "Use lower-case letters, digits and underscores, and start with a letter."
UNUSABLE = "This link name can't be used. Choose another."
ONE_LINE = "Use a single line of ordinary characters."
REQUIRED = "This field is required."
NOT_SERVED = "Enter it: no shared OAuth app serves this environment."
ASK_AGAIN = "Enter it again: it would be sent to a different place."


@pytest.fixture
def method():
    return AuthMethodFactory()


@pytest.fixture
def shop():
    """A service whose address has a part of the connection's own."""
    parameter = {
        "name": "shop",
        "label": "Shop",
        "help": "As in its address.",
        "pattern": "^[a-z.]+$",
    }
    service = ServiceFactory(base_url="https://{shop}.example/v1", parameters=[parameter])
    return AuthMethodFactory(service=service)


@pytest.fixture
def oauth():
    config = {"authorize_url": "https://a.example/a", "token_url": "https://a.example/t"}
    scopes = [{"name": "read", "label": "Read", "default": True}, {"name": "write", "label": ""}]
    return AuthMethodFactory(kind="oauth2_code", config=config, scopes=scopes)


def create(method, by, **changes):
    return CreateForm(GOOD | changes, method=method, by=by)


def errors(form) -> dict[str, list[str]]:
    return {name: list(found) for name, found in form.errors.items()}


# --- Create ---------------------------------------------------------------------------------------


def test_details_are_what_was_typed(ada, shop):
    form = create(shop, ada, description="All of it", access_mode="credentials", p_shop="acme")

    assert errors(form) == {}
    details = form.details
    assert (details.name, details.description) == ("Billing", "All of it")
    assert details.access_mode == AccessMode.CREDENTIALS
    assert (details.parameters, details.secrets) == ({"shop": "acme"}, {"key_1": CANARY})
    assert form.chosen_environment is None


@pytest.mark.parametrize(
    ("field", "typed", "text"),
    [
        ("name", "", REQUIRED),
        ("name", "x" * 81, "Ensure this value has at most 80 characters (it has 81)."),
        ("name", "a\x1bb", ONE_LINE),
        ("name", "a\x00b", "Null characters are not allowed."),
        ("description", "x" * 301, "Ensure this value has at most 300 characters (it has 301)."),
        ("description", "a\nb", ONE_LINE),
        ("link_name", "", REQUIRED),
        ("link_name", "Billing", LINK_NAME_RULE),
        ("link_name", "1a", LINK_NAME_RULE),
        ("link_name", "a-b", LINK_NAME_RULE),
        ("link_name", "new", UNUSABLE),
        ("link_name", "export", UNUSABLE),
        ("link_name", "import", UNUSABLE),
        ("link_name", "taken", UNUSABLE),
        ("access_mode", "", REQUIRED),
        ("access_mode", "all", "Select a valid choice. all is not one of the available choices."),
        ("environment", "no", "Select a valid choice. no is not one of the available choices."),
        ("s_key_1", "", REQUIRED),
        ("s_key_1", "x" * 20001, "Ensure this value has at most 20000 characters (it has 20001)."),
    ],
)
def test_bad_input_is_told_at_its_field(ada, method, field, typed, text):
    connect(ada, method=method, link_name="taken")

    found = errors(create(method, ada, **{field: typed}))

    assert set(found) == {field}
    assert text in found[field]


def test_deleted_connections_link_name_is_told_alike(ada, connection):
    lifecycle.delete(connection, by=ada)

    assert errors(create(connection.auth_method, ada)) == {"link_name": [UNUSABLE]}


@pytest.mark.parametrize(
    ("typed", "text"),
    [
        ("", REQUIRED),
        ("a/b", "This doesn't look right. As in its address."),
        ("a..b", "shop is missing or has characters that an address can't have there."),
    ],
)
def test_parameter_that_makes_no_address_is_told(ada, shop, typed, text):
    assert errors(create(shop, ada, p_shop=typed)) == {"p_shop": [text]}


def test_parameter_of_the_sign_in_address_alone_is_checked_too(ada, oauth):
    oauth.config["token_url"] = "https://{tenant}.example/t"
    oauth.service.parameters = [{"name": "tenant", "label": "Tenant"}]

    found = errors(create(oauth, ada, p_tenant="a b", client_id="x", client_secret="y"))

    text = "tenant is missing or has characters that an address can't have there."
    assert found == {"p_tenant": [text]}


def test_secret_parameter_of_a_service_is_sealed(ada, method):
    method.service.parameters = [{"name": "pin", "label": "PIN", "secret": True}]

    form = create(method, ada, s_pin="1234")

    assert errors(form) == {}
    assert (form.details.parameters, form.details.secrets["pin"]) == ({}, "1234")


def test_database_asks_what_its_driver_needs_and_gives_credentials(ada):
    service = ServiceFactory(driver="postgresql", base_url="")
    method = AuthMethodFactory(service=service, kind="database", label="Database", config={})
    typed = {"p_host": "db.example", "p_port": "5432", "p_database": "x", "p_user": "u"}

    form = create(method, ada, s_password="p", p_tls="verify-full", **typed)
    bad = create(method, ada, s_password="p", p_tls="verify-full", **typed | {"p_host": "a b"})

    assert errors(form) == {}
    assert "access_mode" not in form.fields
    assert form.details.access_mode == AccessMode.CREDENTIALS
    assert form.details.parameters["port"] == "5432"
    assert list(errors(bad)) == ["p_host"]


PINNED = "SHA256:" + "A" * 43
FILES = {"p_host": "files.example", "p_port": "22", "p_user": "u"}


@pytest.fixture
def files(db):
    service = ServiceFactory(slug="sftp", driver="sftp", base_url="")
    return AuthMethodFactory(service=service, kind="database", label="Sign-in", config={})


def test_host_key_is_asked_for_to_save_and_not_for_a_test_which_shows_it(ada, files):
    saved = create(files, ada, s_password="p", **FILES)
    tested = create(files, ada, s_password="p", test="1", **FILES)
    pinned = create(files, ada, s_password="p", p_host_key=PINNED, **FILES)

    asked = "Enter the server's host key fingerprint. Test Connection shows it."
    assert errors(saved) == {"p_host_key": [asked]}
    assert (errors(tested), errors(pinned)) == ({}, {})


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({"p_host_key": "SHA256:short"}, "p_host_key"),
        ({"p_port": "70000"}, "p_port"),
        ({"s_password": ""}, "s_password"),
    ],
)
def test_what_a_driver_cannot_use_is_named_next_to_its_field(ada, files, changes, name):
    typed = FILES | {"s_password": "p", "p_host_key": PINNED}

    assert list(errors(create(files, ada, **typed | changes))) == [name]


def test_edited_secrets_stay_or_go_along_to_a_new_place(ada, files):
    made = connect(
        ada,
        method=files,
        parameters={"host": "files.example", "port": "22", "user": "u", "host_key": PINNED},
        secrets={"password": CANARY},
    )
    same = GOOD | FILES | {"p_host_key": PINNED}

    stays = EditForm(same, connection=made)
    moved = EditForm(same | {"p_host": "new.example"}, connection=made)
    told = EditForm(same | {"p_host": "new.example", "s_password": "p"}, connection=made)

    again = ["Enter it again: it would be sent to a different place."]
    assert errors(stays) == {}
    assert errors(moved) == {"s_password": again, "s_private_key": again}
    assert errors(told) == {}


# --- Who may choose which environment -------------------------------------------------------------


def test_admins_choose_any_environment(ada, method):
    form = create(method, ada, environment="production")

    assert form.fields["environment"].choices == [
        ("", "Same for all"),
        ("development", "Development"),
        ("staging", "Staging"),
        ("production", "Production"),
    ]
    assert form.is_valid()
    assert form.chosen_environment == Environment.objects.get(slug="production")


def test_members_are_offered_the_lowest_alone(eve, method):
    form = create(method, eve, environment="development")

    environment = form.fields["environment"]
    assert environment.choices == [("development", "Development")]
    assert environment.help_text == "Credentials for other environments take the role admin."
    assert form.is_valid()
    assert errors(create(method, eve, environment="production")) == {
        "environment": ["Select a valid choice. production is not one of the available choices."]
    }


# --- OAuth ----------------------------------------------------------------------------------------


def test_scopes_come_from_the_list_and_from_what_is_typed(ada, oauth):
    app = {"client_id": "id", "client_secret": "secret"}

    form = create(oauth, ada, scopes=["write"], more_scopes="extra write  more", **app)

    assert errors(form) == {}
    assert form.details.scopes == ["write", "extra", "more"]
    assert form.fields["scopes"].initial == ["read"]
    assert (form.details.client_id, form.details.client_secret) == ("id", "secret")


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({"client_id": ""}, {"client_id": [REQUIRED]}),
        ({"client_secret": ""}, {"client_secret": [REQUIRED]}),
        ({"client_id": "a\nb"}, {"client_id": [ONE_LINE]}),
        ({"more_scopes": "a\nb"}, {"more_scopes": [ONE_LINE]}),
        (
            {"scopes": ["admin"]},
            {"scopes": ["Select a valid choice. admin is not one of the available choices."]},
        ),
    ],
)
def test_bad_input_about_the_client(ada, oauth, changes, found):
    app = {"client_id": "id", "client_secret": "secret"}

    assert errors(create(oauth, ada, **app | changes)) == found


def test_public_client_has_no_secret(ada, oauth):
    oauth.config["token_auth"] = "none"

    assert errors(create(oauth, ada, client_id="id")) == {}


@pytest.mark.parametrize(
    ("signature_method", "labels", "is_area"),
    [
        ("HMAC-SHA1", ["Consumer key", "Consumer secret"], False),
        ("RSA-SHA1", ["Consumer key", "Private key"], True),
    ],
)
def test_consumer_is_asked_for_in_the_words_of_oauth1(ada, signature_method, labels, is_area):
    config = {"request_token_url": "https://a.example/r", "signature_method": signature_method}

    form = create(AuthMethodFactory(kind="oauth1", config=config), ada)

    assert [form[name].label for name in ("client_id", "client_secret")] == labels
    assert ("<textarea" in str(form["client_secret"])) == is_area
    assert errors(form) == {"client_id": [REQUIRED], "client_secret": [REQUIRED]}


def test_token_is_asked_for_where_nobody_signs_in(ada):
    form = create(AuthMethodFactory(kind="oauth1", config={"realm": "x"}), ada, p_client_id="k")

    secrets = ("s_client_secret", "s_oauth_token", "s_oauth_token_secret")
    assert errors(form) == {name: [REQUIRED] for name in secrets}


def test_client_is_not_asked_for_where_the_service_has_one(ada, oauth):
    OAuthApp.objects.create(service=oauth.service, shared=True, client_id="shared")

    form = create(oauth, ada)

    assert {"client_id", "client_secret"} & set(form.fields) == set()
    assert errors(form) == {}


@pytest.fixture
def production():
    return Environment.objects.get(slug="production")


@pytest.fixture
def for_production(oauth, production):
    """A service whose only shared app is for production."""
    OAuthApp.objects.create(
        service=oauth.service, shared=True, client_id="prod", environment=production
    )
    return oauth


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({"environment": "production"}, {}),
        ({"environment": "production", "client_id": "own", "client_secret": "x"}, {}),
        ({"environment": "staging", "client_id": "own", "client_secret": "x"}, {}),
        ({"environment": ""}, {"client_id": [NOT_SERVED]}),
        ({"environment": "staging"}, {"client_id": [NOT_SERVED]}),
        ({"environment": "production", "client_secret": "x"}, {"client_id": [NOT_SERVED]}),
        (
            {"environment": "production", "client_id": "own"},
            {"client_secret": ["Enter the secret of this client id."]},
        ),
    ],
)
def test_an_app_for_one_environment_serves_no_other(ada, for_production, changes, found):
    assert errors(create(for_production, ada, **changes)) == found


def test_a_member_needs_an_app_where_only_a_higher_environment_has_one(eve, for_production):
    form = create(for_production, eve, environment="development")

    assert set(form.errors) == {"client_id", "client_secret"}


def test_edit_asks_for_a_client_only_where_nothing_serves_the_connection(
    ada, for_production, production
):
    options = {"method": for_production, "secrets": {}}
    served = connect(ada, link_name="served", environment=production, **options)
    unserved = connect(ada, link_name="unserved", **options)

    asked = ["client_id" in EditForm(connection=made).fields for made in (served, unserved)]

    assert (served.oauth_app.client_id, unserved.oauth_app) == ("prod", None)
    assert asked == [False, True]


# --- Never rendered back --------------------------------------------------------------------------


def test_typed_secrets_are_never_rendered_back(ada, shop, oauth):
    forms = [
        create(shop, ada, name="", p_shop="acme"),
        create(oauth, ada, name="", client_id="id", client_secret=CANARY),
    ]

    assert [form.is_valid() for form in forms] == [False, False]
    assert [CANARY in str(form) for form in forms] == [False, False]


def test_stored_secrets_are_never_rendered_but_their_day_is(ada, connection):
    Credential.objects.update(connected_at=datetime(2026, 3, 14, tzinfo=UTC))

    form = EditForm(connection=connection)

    assert CANARY not in str(form)
    assert form.fields["s_key_1"].help_text == "Stored on 14 Mar 2026. Leave blank to keep it."
    assert not form.fields["s_key_1"].required


def test_stored_client_secret_is_never_rendered_but_its_day_is(ada, oauth):
    made = connect(ada, method=oauth, secrets={}, client_id="id", client_secret=CANARY)
    OAuthApp.objects.update(created_at=datetime(2026, 3, 14, tzinfo=UTC))
    made.refresh_from_db()

    form = EditForm(connection=made)

    assert CANARY not in str(form)
    assert (
        form.fields["client_secret"].help_text == "Stored on 14 Mar 2026. Leave blank to keep it."
    )


# --- Edit -----------------------------------------------------------------------------------------


def test_edit_starts_from_what_is_stored(ada, oauth):
    made = connect(
        ada,
        method=oauth,
        name="CRM",
        description="Ours",
        secrets={},
        scopes=["write", "extra"],
        client_id="id",
        client_secret="x",
    )

    form = EditForm(connection=made)

    shown = {name: form[name].initial for name in form.fields}
    assert shown == {
        "version": 1,
        "name": "CRM",
        "description": "Ours",
        "tags": "",
        "access_mode": "proxy",
        "login_user": False,
        "client_id": "id",
        "client_secret": None,
        "client_secret_ends_on": None,
        "scopes": ["write"],
        "more_scopes": "extra",
    }


def test_neither_link_name_nor_environment_can_be_edited(connection):
    form = EditForm(GOOD | {"link_name": "other", "environment": "staging"}, connection=connection)

    assert form.is_valid()
    assert {"link_name", "environment"} & set(form.fields) == set()


def test_secret_is_asked_again_for_a_new_place(ada, shop):
    made = connect(ada, method=shop, parameters={"shop": "acme"})
    typed = {"name": "Billing", "access_mode": "proxy"}

    same = EditForm(typed | {"p_shop": "acme"}, connection=made)
    moved = EditForm(typed | {"p_shop": "evil"}, connection=made)
    given = EditForm(typed | {"p_shop": "evil", "s_key_1": "again"}, connection=made)

    assert [errors(form) for form in (same, moved, given)] == [{}, {"s_key_1": [ASK_AGAIN]}, {}]


def test_revoked_connection_wants_its_secret(ada, connection):
    lifecycle.revoke(connection, by=ada)

    form = EditForm({"name": "Billing", "access_mode": "proxy"}, connection=connection)

    assert errors(form) == {"s_key_1": [REQUIRED]}


def test_client_secret_is_asked_again_with_another_client(ada, oauth):
    made = connect(ada, method=oauth, secrets={}, client_id="id", client_secret="x")
    typed = {"name": "Billing", "access_mode": "proxy", "client_id": "other"}

    assert errors(EditForm(typed, connection=made)) == {
        "client_secret": ["Enter the secret of this client id."]
    }


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("", [REQUIRED]),
        ("   ", [REQUIRED]),
        ("x" * 81, ["Ensure this value has at most 80 characters (it has 81)."]),
        ("a\x07b", [ONE_LINE]),
        ("Rechnungen – 2026", []),
    ],
)
def test_rename(name, found):
    assert errors(RenameForm({"name": name})).get("name", []) == found


# --- Parameters of one method ---------------------------------------------------------------------

ACCOUNT = {"name": "account", "label": "Account", "pattern": "^[0-9]+$"}


@pytest.fixture
def robot(shop):
    config = {
        "token_url": "https://{shop}.example/token",
        "token_params": {"account": "{account}"},
        "token_auth": "client_secret_post",
        "parameters": [ACCOUNT],
    }
    return AuthMethodFactory(
        service=shop.service, kind="oauth2_client_credentials", label="Robot", config=config
    )


def test_a_method_s_parameters_are_asked_for_that_method_alone(ada, shop, robot):
    assert "p_account" not in create(shop, ada).fields
    form = create(robot, ada, p_shop="acme", p_account="7", p_client_id="id", s_client_secret="x")

    assert errors(form) == {}
    assert form.details.parameters == {"shop": "acme", "account": "7", "client_id": "id"}


def test_a_method_s_parameters_are_checked(ada, robot):
    typed = {"p_shop": "acme", "p_client_id": "id", "s_client_secret": "x"}

    assert list(errors(create(robot, ada, p_account="seven", **typed))) == ["p_account"]


def test_client_id_may_come_with_help(ada, oauth):
    oauth.config["help"] = "Under Apps."

    assert create(oauth, ada).fields["client_id"].help_text == "Under Apps."


# --- Tags -----------------------------------------------------------------------------------------


def test_tags_are_separated_by_commas_and_kept_once(method, ada):
    form = create(method, ada, tags=" eu west ,Finance,, finance")

    assert form.is_valid()
    assert form.details.tags == ["eu west", "Finance"]


@pytest.mark.parametrize("tags", ["x" * 31, ",".join(map(str, range(11)))])
def test_too_many_or_too_long_tags_are_refused_beside_the_field(method, ada, tags):
    assert errors(create(method, ada, tags=tags)) == {
        "tags": ["Use at most 10 tags of at most 30 ordinary characters."]
    }


def test_tags_that_came_in_larger_stay_while_they_are_left_alone(method, ada):
    connection = connect(ada, method=method, tags=["x" * 40])
    data = {"name": "Other", "access_mode": "proxy", "tags": "x" * 40}

    kept = EditForm(data, connection=connection)
    changed = EditForm(data | {"tags": "y" * 40}, connection=connection)

    assert kept.is_valid()
    assert kept.details.tags == ["x" * 40]
    assert not changed.is_valid()
