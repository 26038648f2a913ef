"""A connection's life by the admin API: as on the pages, and refused where these refuse."""

import pytest
from django.core.cache import cache
from django.utils import timezone

from connhub.accounts.models import Environment
from connhub.audit.models import Event
from connhub.connections.models import Connection, Credential, Status
from connhub.sharing import roles
from connhub.usage import registration
from connhub.usage.models import CallDay
from tests.conftest import CANARY
from tests.factories import connect

from .conftest import problem

NEW = {"service": "ledger", "name": "Books", "link_name": "books",
       "parameters": {"region": "eu"}, "secrets": {"key_1": CANARY}}  # fmt: skip


def errors(response) -> dict[str, list[str]]:
    assert problem(response) == (422, "invalid-request")
    return response.json()["errors"]


def test_create_makes_what_the_form_makes(call, api_key):
    response = call("post", "/connections", NEW | {"tags": ["a", "b"], "description": "Of ours"})

    made = Connection.objects.get(link_name="books")
    assert response.status_code == 201
    assert response["Location"].endswith("/api/v1/admin/connections/books")
    assert response["ETag"] == f'"{made.version}"'
    assert (made.name, made.tags, made.standing) == ("Books", ["a", "b"], Status.CONNECTED)
    assert made.settings.get().parameters == {"region": "eu"}
    assert made.credentials.get().payload.open().reveal() == {"key_1": CANARY}
    assert response.json()["settings"][0]["parameters"] == {"region": "eu"}
    assert roles.is_admin(call.token.person, made)


def test_create_for_oauth_says_where_a_person_goes_on(call, oauth):
    body = {"service": "acme", "name": "CRM", "link_name": "crm", "client_id": "ours",
            "client_secret": CANARY, "scopes": ["write", "offline"]}  # fmt: skip

    response = call("post", "/connections", body)

    assert response.status_code == 201
    assert response.json()["status"] == "not_connected"
    assert response.json()["authorize_url"].endswith("/connections/crm/authorize/")
    assert Connection.objects.get().scopes == ["write", "offline"]
    call.client.force_login(call.token.person)
    assert call.client.get("/connections/crm/authorize/").status_code == 200


def test_defaults_are_those_that_the_form_shows(call, oauth):
    body = {"service": "acme", "name": "CRM", "link_name": "crm"}

    call("post", "/connections", body | {"client_id": "ours", "client_secret": CANARY})

    made = Connection.objects.get()
    assert (made.scopes, made.access_mode) == (["read"], "proxy")


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"name": ""}, "name"),
        ({"link_name": "Not Well Formed"}, "link_name"),
        ({"link_name": "billing"}, "link_name"),
        ({"parameters": {}}, "parameters.region"),
        ({"parameters": {"region": "eu", "colour": "red"}}, "parameters.colour"),
        ({"secrets": {}}, "secrets.key_1"),
        ({"secrets": {"key_1": 7}}, "secrets.key_1"),
        ({"secrets": {"key_1": CANARY, "pin": CANARY}}, "secrets.pin"),
        ({"access_mode": "both"}, "access_mode"),
        ({"environment": "moon"}, "environment"),
        ({"environments": {"moon": {}}}, "environments.moon"),
        ({"environments": {"production": {"parameters": {"region": "us"}}}},
         "environments.production.secrets.key_1"),
        ({"service": "nothing"}, "service"),
        ({"auth_method": "oauth1"}, "auth_method"),
        ({"available_to": {"project": "moon"}}, "available_to"),
        ({"ends_on": "2020-01-01"}, "ends_on"),
        ({"ends_on": "never"}, "ends_on"),
        ({"scopes": ["read"]}, "scopes"),
        ({"colour": "red"}, "colour"),
        ({"tags": ["a,b"]}, "tags.0"),
        ({"name": "a\0b"}, "name"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_of_each_field_and_nothing_is_made(
    call, api_key, connection, wrong, field
):
    said = errors(response := call("post", "/connections", NEW | wrong))

    assert field in said
    assert all(isinstance(text, str) for texts in said.values() for text in texts)
    assert CANARY not in response.text
    assert Connection.objects.count() == 1


def test_a_body_that_is_no_json_is_refused(call):
    response = call.client.post(
        "/api/v1/admin/connections",
        data="{",
        content_type="application/json",
        headers={"Authorization": f"Bearer {call.text}"},
    )

    assert problem(response) == (422, "invalid-request")


def test_members_create_for_the_lowest_environment_alone(program, eve, api_key):
    call = program(eve)

    low = call("post", "/connections", NEW)
    high = call("post", "/connections", NEW | {"link_name": "high", "environment": "production"})

    assert low.status_code == 201
    assert Connection.objects.get().settings.get().environment.slug == "development"
    assert "environment" in errors(high)


def test_environments_may_have_their_own_from_the_start(call, api_key):
    own = {"parameters": {"region": "us"}, "secrets": {"key_1": "other"}, "base_url": ""}

    response = call("post", "/connections", NEW | {"environments": {"production": own}})

    places = {each["environment"]: each["parameters"] for each in response.json()["settings"]}
    assert places == {None: {"region": "eu"}, "production": {"region": "us"}}
    assert Credential.objects.count() == 2


def test_a_failing_test_makes_nothing_unless_told_to(call, api_key, settings):
    settings.CONNHUB_EGRESS_ALLOW = []
    api_key.service.test = {"method": "GET", "path": "/me"}
    api_key.service.base_url, api_key.service.parameters = "https://127.0.0.1:1", []
    api_key.service.save()
    body = {name: value for name, value in NEW.items() if name != "parameters"}

    rehearsed = call("post", "/rehearsals", body)
    refused = call("post", "/connections", body)
    made = call("post", "/connections", body | {"anyway": True})

    assert rehearsed.json()["ok"] is False
    assert problem(refused) == (409, "test-failed")
    assert refused.json()["tests"][0]["steps"][-1]["outcome"] == "failed"
    assert CANARY not in refused.text + rehearsed.text
    assert made.status_code == 201
    assert Connection.objects.get().standing == Status.FAILING


def test_made_inside_an_integration_it_is_registered_there(call, api_key, integration):
    response = call("post", f"/connections?integration={integration.slug}", NEW)

    assert response.status_code == 201
    assert integration.registrations.get().connection.link_name == "books"


# --- Changing -------------------------------------------------------------------------------------


def test_a_change_leaves_alone_what_it_does_not_name(call, api_key):
    call("post", "/connections", NEW | {"description": "Of ours"})

    response = call(
        "patch", "/connections/books", {"name": "Ledger", "tags": ["x"]}, If_Match='"1"'
    )

    made = Connection.objects.get()
    assert response.status_code == 200
    assert (made.name, made.description, made.tags) == ("Ledger", "Of ours", ["x"])
    assert made.credentials.get().payload.open().reveal() == {"key_1": CANARY}
    assert response["ETag"] == f'"{made.version}"' == '"2"'


@pytest.mark.parametrize("tag", ['"7"', "nonsense", '"0"', 'W/"1"'])
def test_a_change_meant_for_another_version_is_refused(call, connection, tag):
    response = call("patch", "/connections/billing", {"name": "Other"}, If_Match=tag)

    assert problem(response) == (412, "edited-meanwhile")
    assert Connection.objects.get().name == "Billing"


@pytest.mark.parametrize("tag", ["*", '"1"'])
def test_a_change_meant_for_this_version_is_made(call, connection, tag):
    assert call("patch", "/connections/billing", {"name": "X"}, If_Match=tag).status_code == 200


def test_a_secret_that_would_go_elsewhere_has_to_be_sent_again(call, api_key):
    call("post", "/connections", NEW)

    moved = call("patch", "/connections/books", {"parameters": {"region": "us"}})
    again = call("patch", "/connections/books",
                 {"parameters": {"region": "us"}, "secrets": {"key_1": "new"}})  # fmt: skip

    assert list(errors(moved)) == ["secrets.key_1"]
    assert again.status_code == 200
    assert Credential.objects.get().payload.open().reveal() == {"key_1": "new"}


def test_a_change_that_takes_a_sign_in_waits_for_it(call, oauth):
    body = {"service": "acme", "name": "CRM", "link_name": "crm", "client_id": "ours"}
    call("post", "/connections", body | {"client_secret": CANARY})
    made = Connection.objects.get()
    credential = made.credentials.create(status=Status.CONNECTED)
    credential.payload.put({"access_token": CANARY})
    credential.save()

    response = call("patch", "/connections/crm", {"scopes": ["read", "write"]})

    made.refresh_from_db()
    assert response.status_code == 202
    assert made.scopes == ["read"]
    call.client.force_login(call.token.person)
    page = call.client.get(response.json()["authorize_url"])
    assert page.context["scopes"] == ["read", "write"]


def test_duplicate_copies_all_but_the_secret(call, connection):
    response = call("post", "/connections/billing/duplicate", {"name": "Copy", "link_name": "copy"})
    taken = call("post", "/connections/billing/duplicate", {"name": "C", "link_name": "copy"})

    assert response.status_code == 201
    assert response["Location"].endswith("/connections/copy")
    assert not Connection.objects.get(link_name="copy").credentials.exists()
    assert list(errors(taken)) == ["link_name"]


# --- The end and the way back ---------------------------------------------------------------------


def test_disable_enable_revoke_delete_and_restore(call, connection):
    acts = [
        ("post", "/connections/billing/disable"), ("post", "/connections/billing/enable"),
        ("post", "/connections/billing/revoke"), ("delete", "/connections/billing"),
        ("get", "/deleted-connections"), ("post", "/deleted-connections/billing/restore"),
    ]  # fmt: skip

    responses = [call(*act) for act in acts]

    assert [response.status_code for response in responses] == [200, 200, 200, 204, 200, 200]
    assert [response.json()["disabled"] for response in responses[:2]] == [True, False]
    assert responses[2].json()["status"] == "revoked"
    assert [each["link_name"] for each in responses[4].json()["connections"]] == ["billing"]
    assert Event.objects.filter(detail__admin_token=str(call.token)).count() == 5


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("post", "/connections/billing/disable"),
        ("post", "/connections/billing/revoke"),
        ("delete", "/connections/billing"),
    ],
)
def test_what_production_used_lately_wants_the_link_name(
    call, connection, integration, method, path
):
    CallDay.objects.create(
        day=timezone.localdate(), connection=connection, integration=integration, ok=1,
        environment=Environment.objects.get(slug="production"), last_at=timezone.now(),
    )  # fmt: skip
    cache.clear()

    assert call("get", "/connections/billing/impact").json()["confirm"] is True
    assert list(errors(call(method, path))) == ["confirm"]
    assert list(errors(call(method, f"{path}?confirm=bill"))) == ["confirm"]
    assert call(method, f"{path}?confirm=billing").status_code in (200, 204)


def test_what_is_in_use_is_not_deleted_and_says_where_to_look(call, connection, integration, ada):
    registration.register(integration, [connection], by=ada)
    flow = integration.flows.create(slug="nightly", name="Nightly")
    flow.steps.create(kind="export", name="read", connection=connection)

    response = call("delete", "/connections/billing")

    assert problem(response) == (409, "still-in-use")
    assert response.json()["links"][0]["url"].endswith("/connections/billing/usage/")
    assert Event.objects.latest("sequence").action == "change.refused"


def test_testing_says_step_by_step_what_it_did(call, connection):
    assert problem(call("post", "/connections/billing/test")) == (409, "no-test")


# --- Credentials ----------------------------------------------------------------------------------


def test_reconnect_takes_new_secrets_alone(call, connection):
    wrong = call("post", "/connections/billing/reconnect", {"secrets": {"pin": "1"}})
    response = call("post", "/connections/billing/reconnect", {"secrets": {"key_1": "new"}})

    assert errors(wrong).keys() == {"secrets.key_1", "secrets.pin"}
    assert response.status_code == 200
    assert Credential.objects.get().payload.open().reveal() == {"key_1": "new"}


def test_reconnecting_where_people_sign_in_names_the_page(call, oauth, ada):
    connect(ada, method=oauth, name="CRM", link_name="crm", secrets={}, client_id="ours",
            client_secret=CANARY)  # fmt: skip

    response = call("post", "/connections/crm/reconnect?environment=staging", {})

    assert response.status_code == 202
    assert response.json()["authorize_url"].endswith("/crm/authorize/?environment=staging")


def test_an_environment_gets_its_own_and_gives_it_back(call, connection):
    place = "/connections/billing/environments/production"

    given = call("put", place, {"secrets": {"key_1": "of production"}})
    dropped = call("delete", place)

    assert {each["environment"] for each in given.json()["credentials"]} == {None, "production"}
    assert {each["environment"] for each in dropped.json()["credentials"]} == {None}
    assert problem(call("delete", place)) == (409, "nothing-own")
    assert problem(call("put", "/connections/billing/environments/moon", {})) == (404, "not-found")


def test_a_secret_is_rotated(call, connection):
    there = "/connections/billing/rotation"

    nothing = call("get", there)
    given = call("put", there, {"secrets": {"key_1": "next"}})
    switched = call("post", f"{there}/switch", {"hours": 1})
    during = Credential.objects.get().payload.open().reveal()
    back = call("post", f"{there}/roll-back")
    ended = call("delete", there)

    assert problem(nothing) == (404, "not-found")
    assert given.json()["phase"] == "next"
    assert (switched.json()["phase"], during) == ("old", {"key_1": "next"})
    assert back.json()["phase"] == "next"
    assert ended.status_code == 204
    assert Credential.objects.get().payload.open().reveal() == {"key_1": CANARY}
    assert "hours" in errors(call("post", f"{there}/switch", {"hours": 2}))
