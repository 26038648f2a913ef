"""SECURITY 7.1: every call of the admin API, held against the table of permissions for each subject."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.test import Client
from django.utils import timezone

from connhub.accounts import admin_tokens, environments
from connhub.accounts.models import AdminToken, Role, Team, User
from connhub.accounts.permissions import TABLE, may, require
from connhub.connections import lifecycle, login_users, rotation
from connhub.connections.bulk_tests import testing as bulk
from connhub.connections.connect_links import making
from connhub.connections.models import Connection
from connhub.sharing import roles
from connhub.usage import keys, projects, registration
from connhub.usage.api.admin.api import api
from connhub.usage.models import Integration
from tests.factories import IntegrationFactory, UserFactory, connect

from .conftest import ROOT, problem

ANY, OWN = "", "own"
SECRETS = {"secrets": {"key_1": "new"}}
CONNECTION = "/connections/{link_name}"


class Declared(NamedTuple):
    """What a call asks the table for (ANY: it is for everybody), and a body that makes sense.

    `found_by`: to whom it is not allowed, it is not found. `everywhere`: it also takes being
    allowed to connect in all environments at once.
    """

    action: str
    body: Any = None
    found_by: bool = False
    everywhere: bool = False
    refused: int = 0  # what it answers whoever may


def asks(name: str, body: Any = None, **more: Any) -> Declared:
    return Declared(f"connection.{name}", body, **more)


NEW = {"service": "service-of-it", "name": "N", "link_name": "made", **SECRETS}
DECLARED: dict[tuple[str, str], Declared] = {
    ("get", "/services"): Declared(ANY),
    ("get", "/services/{slug}"): Declared(ANY),
    ("get", "/environments"): Declared(ANY),
    ("get", "/integrations"): Declared(ANY),
    ("get", "/connections"): Declared(ANY),
    ("get", "/deleted-connections"): Declared(ANY),
    ("post", "/connections"): Declared(ANY, NEW),
    ("post", "/rehearsals"): Declared(ANY, NEW),
    ("post", "/connections-bulk"): Declared(ANY, {"action": "enable", "link_names": ["billing"]}),
    ("post", "/tests"): Declared(ANY, {}),
    ("get", "/tests/{pk}"): Declared(OWN),
    ("post", "/deleted-connections/{link_name}/restore"): asks("restore", found_by=True),
    ("get", CONNECTION): asks("see"),
    ("patch", CONNECTION): asks("edit", {"name": "Other"}),
    ("delete", CONNECTION): asks("delete"),
    ("get", f"{CONNECTION}/activity"): asks("see"),
    ("get", f"{CONNECTION}/calls"): asks("see"),
    ("get", f"{CONNECTION}/impact"): asks("see"),
    ("get", f"{CONNECTION}/usage"): asks("find_usage", found_by=True),
    ("post", f"{CONNECTION}/test"): asks("test"),
    ("post", f"{CONNECTION}/disable"): asks("disable"),
    ("post", f"{CONNECTION}/enable"): asks("enable"),
    ("post", f"{CONNECTION}/revoke"): asks("revoke"),
    ("post", f"{CONNECTION}/duplicate"): asks("duplicate", {"name": "C", "link_name": "copy"}),
    ("post", f"{CONNECTION}/reconnect"): asks("reconnect", SECRETS, everywhere=True),
    ("put", f"{CONNECTION}/environments/{{slug}}"): asks("set_environment", SECRETS),
    ("delete", f"{CONNECTION}/environments/{{slug}}"): asks("set_environment"),
    ("get", f"{CONNECTION}/rotation"): asks("rotate", everywhere=True),
    ("put", f"{CONNECTION}/rotation"): asks("rotate", SECRETS, everywhere=True),
    ("delete", f"{CONNECTION}/rotation"): asks("rotate", everywhere=True),
    ("post", f"{CONNECTION}/rotation/test"): asks("rotate", everywhere=True),
    ("post", f"{CONNECTION}/rotation/switch"): asks("rotate", {}, everywhere=True),
    ("post", f"{CONNECTION}/rotation/roll-back"): asks("rotate", everywhere=True),
    ("get", f"{CONNECTION}/admins"): asks("see_admins"),
    ("post", f"{CONNECTION}/admins"): asks("share", {"people": ["eve@acme.example"]}),
    ("delete", f"{CONNECTION}/admins/people/{{public_id}}"): asks("share"),
    ("delete", f"{CONNECTION}/admins/teams/{{public_id}}"): asks("share"),
    ("post", f"{CONNECTION}/admins/myself"): asks("share_to_self", refused=403),
    ("delete", f"{CONNECTION}/admins/myself"): asks("see_admins"),
    ("get", f"{CONNECTION}/connect-links"): asks("send_connect_link"),
    ("post", f"{CONNECTION}/connect-links"): asks("send_connect_link", {}, everywhere=True),
    ("delete", f"{CONNECTION}/connect-links/{{pk}}"): asks("send_connect_link"),
    ("get", f"{CONNECTION}/sign-ins"): asks("see"),
    ("delete", f"{CONNECTION}/sign-ins/{{pk}}"): asks("remove_sign_in"),
    ("get", f"{CONNECTION}/availability"): asks("make_available"),
    ("put", f"{CONNECTION}/availability"): asks("make_available", {}),
    ("get", f"{CONNECTION}/replacement"): asks("replace"),
    ("post", f"{CONNECTION}/replacement"): asks("replace", {"to": "newer"}),
    ("get", "/integrations/{slug}/connections"): Declared("integration.see"),
    ("put", "/integrations/{slug}/connections/{link_name}"): Declared("integration.register"),
    ("delete", "/integrations/{slug}/connections/{link_name}"): Declared("integration.register"),
}
QUERY = {f"{CONNECTION}/replacement": "?to=newer"}


def calls() -> set[tuple[str, str]]:
    """Every call that the API's own description has."""
    paths = api.get_openapi_schema()["paths"]
    found = {(m, path.removeprefix(ROOT)) for path, each in paths.items() for m in each}
    return {(method, path) for method, path in found if method != "head"}


def test_every_call_is_declared():
    assert calls() == set(DECLARED)


@pytest.fixture
def cast(ada, bob, eve, root, connection) -> dict[str, User]:
    """People who are something else each to what there is."""
    team = Team.objects.create(name="Sales")
    cast = {
        "admin of it": ada,
        "other admin": bob,
        "team's member": UserFactory(name="Ted"),
        "super admin": root,
        "super admin with it": UserFactory(name="Rita", role=Role.SUPER_ADMIN),
        "integration's member": UserFactory(name="Ines"),
        "role admin": UserFactory(name="Alan", role=Role.ADMIN),
        "member": eve,
    }
    cast["team's member"].groups.add(team)
    for grantee in (team, cast["super admin with it"]):
        roles.grant(connection, grantee, by=ada)
    return cast


@pytest.fixture
def urls(cast, ada, connection) -> dict[str, str]:
    """The URL of each path, in a world where every call has something to do."""
    connection.service.slug = "service-of-it"
    connection.service.save()
    integration = IntegrationFactory(slug="invoices")
    roles.grant(integration, ada, by=ada)
    registration.register(integration, [connection], by=ada)
    projects.add_member(integration, cast["integration's member"], by=ada)
    method = connection.auth_method
    gone = connect(ada, method=method, name="Gone", link_name="gone")
    own = connect(ada, method=method, name="Own", link_name="own", secrets={}, login_user=True)
    newer = connect(ada, method=method, name="Newer", link_name="newer")
    for thing in (gone, own, newer):
        for grantee in (cast["other admin"], Team.objects.get(), cast["super admin with it"]):
            roles.grant(thing, grantee, by=ada)
    lifecycle.delete(gone, by=ada)
    rotation.give(connection, {"key_1": "next"}, by=ada)
    theirs = login_users.sign_in(own, {"key_1": "k"}, by=ada)
    run = bulk.start(Connection.objects.administered_by(ada), by=ada, enqueue=lambda *_: None)
    values = {
        f"{CONNECTION}/sign-ins": {"link_name": "own"},
        f"{CONNECTION}/sign-ins/{{pk}}": {"link_name": "own", "pk": theirs.pk},
        f"{CONNECTION}/connect-links/{{pk}}": {"pk": making.make(connection, by=ada)[0].pk},
        f"{CONNECTION}/admins/people/{{public_id}}": {"public_id": cast["other admin"].public_id},
        f"{CONNECTION}/admins/teams/{{public_id}}": {"public_id": Team.objects.get().public_id},
        f"{CONNECTION}/environments/{{slug}}": {"slug": "development"},
        "/deleted-connections/{link_name}/restore": {"link_name": "gone"},
        "/services/{slug}": {"slug": "service-of-it"},
        "/tests/{pk}": {"pk": run.pk},
    }
    usual = {"link_name": "billing", "slug": "invoices"}
    return {path: path.format(**usual | values.get(path, {})) for _, path in DECLARED}


def thing_at(action: str, url: str) -> Any:
    if action.startswith("integration."):
        return Integration.objects.get(slug="invoices")
    link_name = url.split("/")[2] if url.count("/") > 1 else ""
    return Connection.objects.filter(link_name=link_name).first()


def expected(declared: Declared, person: User, url: str) -> set[int]:
    """The statuses that the table leads to; empty: any that refuses nothing."""
    action = declared.action
    if action == ANY:
        return set()
    if action == OWN:
        return set() if person.name == "Ada" else {404}
    thing, kind = thing_at(action, url), action.partition(".")[0]
    if declared.found_by:
        return set() if may(person, action, thing) else {404}
    if f"{kind}.see" in TABLE and not may(person, f"{kind}.see", thing):
        return {404}
    try:
        require(person, action, thing)
    except PermissionDenied:
        return {403}
    if declared.everywhere and not may(person, "environment.connect_in"):
        return {403}
    return {declared.refused} if declared.refused else set()


def answers(text: str, urls: dict[str, str]) -> Iterator[tuple[str, str, Declared, Any]]:
    """Of every call with this token; whatever one changed is taken back."""
    client = Client(raise_request_exception=False)
    for (method, path), declared in DECLARED.items():
        send = {} if declared.body is None else {"data": declared.body}
        url = ROOT + urls[path] + QUERY.get(path, "")
        with transaction.atomic():
            response = getattr(client, method)(
                url,
                **send,
                headers={"Authorization": f"Bearer {text}"},
                **({"content_type": "application/json"} if method != "get" else {}),
            )
            transaction.set_rollback(True)
        yield method, path, declared, response


@pytest.mark.parametrize(
    "who",
    [
        "admin of it", "other admin", "team's member", "super admin", "super admin with it",
        "integration's member", "role admin", "member",
    ],
)  # fmt: skip
def test_every_call_answers_as_the_table_says(cast, urls, who, caplog):
    caplog.set_level("ERROR", "django.request")
    person = cast[who]
    _, text = admin_tokens.issue("walk", by=person)

    wrong = []
    for method, path, declared, response in answers(text, urls):
        statuses, status = expected(declared, person, urls[path]), response.status_code
        refused = status in (401, 403, 404, 405, 422) or status >= 500
        if status not in statuses if statuses else refused:
            wrong.append(f"{method} {path}: {status}, not {statuses}: {response.text[:200]}")

    assert wrong == [], "\n".join(wrong)


@pytest.mark.parametrize(
    "end",
    ["deactivated", "expired", "revoked", "integration key", "session"],
)
def test_no_call_answers_whom_the_api_does_not_know(cast, urls, end, caplog):
    caplog.set_level("ERROR", "django.request")
    token, text = admin_tokens.issue("walk", by=cast["admin of it"])
    match end:
        case "deactivated":
            User.objects.filter(pk=token.person.pk).update(is_active=False)
        case "expired":
            AdminToken.objects.update(expires_at=timezone.now())
        case "revoked":
            admin_tokens.revoke(token, by=token.person)
        case "integration key":
            integration = Integration.objects.get(slug="invoices")
            _, text = keys.issue(
                integration, environments.lowest(), name="k", by=cast["admin of it"]
            )
        case "session":
            text = ""

    for _, path, _, response in answers(text, urls):
        assert problem(response) == (401, "unauthorized"), path


def test_a_read_only_token_changes_nothing_anywhere(cast, urls, caplog):
    caplog.set_level("ERROR", "django.request")
    _, text = admin_tokens.issue("walk", by=cast["admin of it"], read_only=True)

    for method, path, _, response in answers(text, urls):
        if method == "get":
            assert response.status_code == 200, path
        else:
            assert problem(response) == (403, "read-only-token"), path
