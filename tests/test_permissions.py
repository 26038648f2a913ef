"""SECURITY 7.1: the table of permissions, every URL held against it, and the page that prints it."""

import ast
import re
from collections.abc import Iterator
from contextlib import contextmanager
from http.cookies import SimpleCookie
from pathlib import Path
from typing import NamedTuple

import pytest
from django.core.exceptions import PermissionDenied
from django.db import connection as database
from django.db import transaction
from django.db.models import Model
from django.http import HttpResponse
from django.test import Client
from django.urls import resolve
from django.utils import timezone
from django.views import defaults

from connhub import context, urls
from connhub.accounts import admin_tokens, environments, invitations
from connhub.accounts.models import AdminToken, Invitation, Role, Team, User
from connhub.accounts.permissions import IN_WORDS, TABLE, Rule, Who, may, require
from connhub.audit.models import Event, Head
from connhub.connections import lifecycle, listing, login_users
from connhub.connections.bulk_tests import testing as bulk
from connhub.connections.connect_links import making
from connhub.connections.models import Connection, SavedView
from connhub.services.models import OAuthApp, Origin, Service
from connhub.sharing import roles
from connhub.sharing.kinds import kinds
from connhub.usage import (
    data_objects,
    declaring,
    flows,
    functions,
    grouping,
    keys,
    projects,
    registration,
)
from connhub.usage import policies as usage_policies
from connhub.usage.models import App, Flow, Function, Integration, Project

from .every_url import Page, pages, patterns
from .factories import AuthMethodFactory, IntegrationFactory, UserFactory, connect

HOUSE = Path(__file__).parent.parent
ASKING = ("may", "require", "require_now", "locked_for")
METHODS = ("get", "head", "post", "put", "patch", "delete", "options")

# --- The table --------------------------------------------------------------------------------------


def test_what_the_table_does_not_name_is_denied(ada):
    assert not may(ada, "connection.eat")
    with pytest.raises(PermissionDenied):
        require(ada, "connection.eat")


def test_nobody_who_is_deactivated_may_do_anything(ada, connection):
    ada.is_active = False

    assert not any(may(ada, action, connection) for action in TABLE)


@pytest.mark.parametrize(
    ("rule", "state", "holds"),
    [
        (Rule(Who.EVERYBODY), {"revoked"}, True),
        (Rule(Who.EVERYBODY), {"revoked", "deleted"}, False),
        (Rule(Who.EVERYBODY, only=("deleted",)), {"revoked", "deleted"}, True),
        (Rule(Who.EVERYBODY, only=("deleted",)), {"revoked"}, False),
        (Rule(Who.EVERYBODY, never=("revoked",)), {"revoked"}, False),
        (Rule(Who.EVERYBODY, never=("revoked",)), {"connected"}, True),
        (Rule(Who.EVERYBODY, of="lowest"), {"lowest"}, True),
        (Rule(Who.EVERYBODY, of="lowest"), set(), False),
    ],
)
def test_a_rule_holds_in_some_states(rule, state, holds):
    assert rule.holds_in(frozenset(state)) == holds


def test_what_passes_with_time_denies_nobody_and_offers_nothing(ada, connection):
    require(ada, "connection.enable", connection)

    assert not may(ada, "connection.enable", connection)


def test_to_what_is_deleted_nothing_is_done_but_restoring(ada, connection):
    connection.deleted_at = timezone.now()

    assert [action for action in TABLE if action.startswith("connection.")
            and may(ada, action, connection)] == ["connection.restore"]  # fmt: skip
    with pytest.raises(PermissionDenied):
        require(ada, "connection.rename", connection)


def asked_for() -> set[str]:
    """Every action that the code asks the table for."""
    return {action for path in (HOUSE / "connhub").rglob("*.py") for action in asked_in(path)}


def asked_in(path: Path) -> Iterator[str]:
    # The admin API finds connections as their pages do.
    is_usage = "usage" in path.parts and "api" not in path.parts
    kind = "integration" if is_usage else "connection"
    shared = kinds if "sharing" in path.relative_to(HOUSE).parts else ()
    for node in ast.walk(ast.parse(path.read_text())):
        if not isinstance(node, ast.Call):
            continue
        name = getattr(node.func, "id", getattr(node.func, "attr", ""))
        if name in ASKING and isinstance(node.args[1], ast.Constant):
            yield node.args[1].value
        if name in ASKING and isinstance(node.args[1], ast.JoinedStr):
            yield from (f"{each}{node.args[1].values[-1].value}" for each in shared)
        if name == "administered":
            yield from (
                f"{kind}.{k.value.value}"
                for k in node.keywords
                if k.arg == "to" and isinstance(k.value, ast.Constant)
            )


def test_the_code_asks_for_nothing_but_what_the_table_names():
    assert asked_for() - TABLE.keys() == set()


def test_the_table_names_nothing_that_nobody_asks_for():
    assert TABLE.keys() - asked_for() - set(HELD_BY_QUERYSETS) == set()


# --- Querysets that hold a rule -----------------------------------------------------------------------

HELD_BY_QUERYSETS = {
    "connection.see": lambda person: Connection.objects.visible_to(person),
    "connection.export": lambda person: Connection.objects.administered_by(person),
    "connection.use": lambda person: usage_policies.usable_connections(person),
    "connection.find_usage": lambda person: usage_policies.traceable_by(person),
    "integration.see": lambda person: Integration.objects.visible_to(person),
    "standalone.see": lambda person: usage_policies.standing_alone(Flow, person),
    "project.see": lambda person: Project.objects.visible_to(person),
    "account.audit": lambda person: Event.objects.filter(pk=0),  # by the view alone
}


@pytest.mark.parametrize("action", [a for a in HELD_BY_QUERYSETS if a != "account.audit"])
def test_querysets_say_what_the_table_says(cast, things, action):
    for person in cast.values():
        held = HELD_BY_QUERYSETS[action](person)
        everything = held.model._default_manager.all()
        allowed = {thing for thing in everything if may(person, action, thing)}
        if person.is_active:
            assert set(held) == allowed, f"{action} of {person}"


# --- Every URL, every subject, every method -----------------------------------------------------------


@pytest.fixture
def cast(ada, bob, eve, root, connection):
    """People who are something else each to what there is."""
    team = Team.objects.create(name="Sales")
    cast = {
        "owner": ada,
        "other admin": bob,
        "team's member": UserFactory(name="Ted"),
        "super admin": root,
        "super admin with it": UserFactory(name="Rita", role=Role.SUPER_ADMIN),
        "integration's member": UserFactory(name="Ines"),
        "role admin": UserFactory(name="Alan", role=Role.ADMIN),
        "member": eve,
        "deactivated": UserFactory(name="Dora", role=Role.SUPER_ADMIN, is_active=False),
    }
    cast["team's member"].groups.add(team)
    for grantee in (team, cast["super admin with it"], cast["deactivated"]):
        roles.grant(connection, grantee, by=ada)
    return cast


@pytest.fixture
def things(cast, ada, connection):
    """What the URLs lead to, by the argument."""
    ines = cast["integration's member"]
    integration = IntegrationFactory(slug="invoices")
    for grantee in (ada, Team.objects.get()):
        roles.grant(integration, grantee, by=ada)
    registration.register(integration, [connection], by=ada)
    projects.add_member(integration, ines, by=ada)
    key, token = keys.issue(integration, environments.lowest(), name="Nightly", by=ada)
    service = connection.service
    OAuthApp.objects.create(service=service, shared=True, client_id="shared")
    default = AuthMethodFactory(service__slug="default", service__origin=Origin.DEFAULT).service
    own = connect(ada, name="Own", link_name="own_keys", secrets={}, login_user=True)
    theirs = login_users.sign_in(own, {"key_1": "k"}, by=ada)
    for link_name in OTHER_STATES:
        other = connect(ada, method=connection.auth_method, name=link_name, link_name=link_name)
        for grantee in (cast["other admin"], Team.objects.get(), cast["super admin with it"]):
            roles.grant(other, grantee, by=ada)
        registration.register(integration, [other], by=ada)
    lifecycle.set_disabled(Connection.objects.get(link_name="paused"), True, by=ada)
    lifecycle.delete(other, by=ada)
    link, _ = making.make(connection, environment=None, by=ada)
    invitations.invite("new@acme.example", role="member", by=cast["super admin"])
    flows.create("alone", name="Alone", steps=[], integration=None, by=ada)
    flows.create("nightly", name="Nightly", steps=[], integration=integration, by=ada)
    for place in (integration, None):
        key_of = "inside" if place else "alone"
        for sort in (data_objects.SORT, functions.SORT):
            declaring.create(sort, key_of, name=key_of, uses=[], integration=place, by=ada)
    grouping.create("Empty", by=ada)
    run = bulk.start(Connection.objects.administered_by(ada), by=ada, enqueue=lambda *_: None)
    return {
        "link_name": ["billing", *OTHER_STATES],
        "profile/.link_name": ["own_keys"],
        "connections:remove_sign_in.link_name": ["own_keys"],
        "connections:sign_ins.link_name": ["own_keys"],
        "connections:remove_sign_in.pk": [theirs.pk],
        "integrations/.slug": ["invoices"],
        "integrations/<slug:slug>/flows/.key": ["nightly"],
        "integrations/<slug:slug>/apps/.key": ["inside"],
        "integrations/<slug:slug>/functions/.key": ["inside"],
        **{f"{noun}s/.key": ["alone"] for noun in ("flow", "app", "function")},
        "projects/.slug": [integration.project.slug, Project.objects.get(name="Empty").slug],
        "environments/.slug": ["development"],
        "connections:environment.slug": ["development"],
        "connections:drop_environment.slug": ["development"],
        "services:remove_app.slug": [service.slug],
        "slug": [service.slug, default.slug],
        "service": [service.slug, default.slug],
        "connections/try/.pk": [service.operations.create(method="GET", path="/me").pk],
        "connections:delete_view.public_id": [
            SavedView.objects.create(user=ada, name="A", query="q=a").public_id
        ],
        "connections:one_bulk_test.pk": [run.pk],
        "connections:one_import.pk": [NOTHING],
        "connections:withdraw_connect_link.link_name": ["billing"],
        "connections:withdraw_connect_link.pk": [link.pk],
        "usage:deregister.link_name": ["billing", "paused"],
        "connect_link.pk": [NOTHING],
        "people/.public_id": [cast["member"].public_id],
        "people/invitations/.public_id": [Invitation.objects.get().public_id],
        "token": ["nothing"],
        "ref": ["nothing"],
        "link_token": ["chl_nothing"],
        "other_account.pk": [NOTHING],
        "connections/.key": ["billing", *OTHER_STATES],
        "services/.key": [service.slug, default.slug],
        "integrations/.key": ["invoices"],
        "connection_share:remove_person.public_id": [User.objects.get(name="Bob").public_id],
        "connection_share:remove_team.public_id": [Team.objects.get().public_id],
        "integration_share:remove_person.public_id": [ada.public_id],
        "integration_share:remove_team.public_id": [Team.objects.get().public_id],
        "public_id": [NOTHING],
        "teams/.public_id": [Team.objects.get().public_id],
        "person": [cast["team's member"].public_id],
        "usage:remove_member.public_id": [ines.public_id],
        "person_access.public_id": [ines.public_id],
        "usage:revoke_key.pk": [key.pk],
        "usage:rotate_key.pk": [key.pk],
        "api/v1/admin/.pk": [NOTHING],
        "token of the key": [token],
        "accounts:revoke_admin_token.pk": [admin_tokens.issue("Nightly", by=ada)[0].pk],
        **{name: ["anything"] for name in ("name", "app", "url", "rest")},
        **{name: ["1"] for name in (".pk", "pk", "object_id", "content_type_id")},
        "app_label": ["connections"],
        "code": ["unauthorized"],
        "sequence": [Event.objects.latest("sequence").sequence],
        "format": ["csv"],
    }


OTHER_STATES = ("paused", "gone")  # disabled, and deleted
NOTHING = "00000000-0000-0000-0000-000000000000"
# Answered without asking who somebody is; or asked for a key instead of a person.
OPEN = {
    "accounts:setup", "accounts:sign_in", "accounts:sign_in_code", "accounts:sso_failed",
    "accounts:forgotten_password", "accounts:invitation_link", "accounts:reset_link", "healthz",
    "problem", "problems", "readyz",
}  # fmt: skip
# Nothing here, for anybody: single sign-on is not set up, and the session is none of theirs.
NOT_HERE = {"accounts:sso", "accounts:sso_callback", "accounts:end_session"}
# For those whom somebody sent a link; to everybody else, they say that it can't be used.
BY_LINK = {
    "open_connect_link", "connect_link", "accounts:invitation", "accounts:new_password",
}  # fmt: skip
APIS = ("api-1", "admin-api")
DOCS, DOCUMENTS = ({f"{api}:openapi-{kind}" for api in APIS} for kind in ("view", "json"))
PROGRAMS = {name for _, name, _ in patterns() if name.partition(":")[0] in APIS}
PROGRAMS_WITHOUT_DOCS = PROGRAMS - DOCS - DOCUMENTS
EVENT = {"audit_event", "audit_head"}
# For everybody who is signed in: what they show is what the person may see.
EVERYBODY = {
    "accounts:sessions", "accounts:end_other_sessions", "accounts:second_factor",
    "accounts:confirm_second_factor", "accounts:recovery_codes", "accounts:second_factor_off",
    "accounts:letters", "accounts:admin_tokens", "accounts:issue_admin_token", "home", "accounts:sign_out", "accounts:settings", "accounts:profile", "accounts:password",
    "accounts:environments", "connections:list", "connections:gallery", "connections:new",
    "connections:bulk_action", "connections:bulk_test", "connections:saved_views",
    "connections:columns", "connections:keys", "connections:export", "connections:import",
    "connections:deleted", "connections:unused", "connections:try_operation", "oauth_callback", "readiness", "expiry",
    "services:list", "services:detail", "usage:integrations", "profile_connections", "sign_ins",
    "profile_access", "flows:list", "apps:list", "functions:list", "projects:list",
}  # fmt: skip
# Only the one who began it finds it; here that is nobody, or the owner.
OWN = {
    "connections:delete_view", "connections:one_import", "connections:one_bulk_test",
    "other_account",
}  # fmt: skip
# One who may do it finds it; nobody else does, whatever they see.
FOUND_BY = {
    "accounts:revoke_admin_token": "admin_token.revoke",
    "sign_in_to": "connection.use",
    "remove_sign_in": "connection.use",
    "connection_usage": "connection.find_usage",
    "connections:restore": "connection.restore",
}
DEMANDED = {
    "accounts:add_environment": "environment.change",
    "accounts:rename_environment": "environment.change",
    "accounts:move_environment": "environment.change",
    "accounts:remove_environment": "environment.change",
    "accounts:sign_in_rules": "account.administer",
    "accounts:vault_keys": "account.administer",
    "accounts:rotate_vault_keys": "account.administer",
    "accounts:people": "account.administer",
    "accounts:person": "account.administer",
    "accounts:invite": "account.administer",
    "accounts:send_invitation": "account.administer",
    "accounts:withdraw_invitation": "account.administer",
    "accounts:admin_tokens_of": "account.administer",
    "accounts:change_role": "account.administer",
    "accounts:deactivate": "account.administer",
    "accounts:reactivate": "account.administer",
    "accounts:reset_password": "account.administer",
    "accounts:reset_factor": "account.administer",
    "accounts:teams": "team.change",
    "accounts:new_team": "team.change",
    "accounts:team": "team.change",
    "accounts:rename_team": "team.change",
    "accounts:add_team_members": "team.change",
    "accounts:remove_team_member": "team.change",
    "accounts:delete_team": "team.change",
    "team_shares": "team.change",
    "audit:log": "account.audit",
    "audit:event": "account.audit",
    "audit:export": "account.audit",
    "connection_calls": "connection.see",
    "connection_latency": "connection.see",
    "connection_access": "connection.see",
    "person_access": "account.administer",
    "leaving": "account.administer",
    "leaving_act": "account.administer",
    "connection_replace": "connection.replace",
    "connection_availability": "connection.make_available",
    "connections:summary": "connection.see",
    "connections:guide": "connection.see",
    "connections:try_call": "connection.try",
    "connections:activity": "connection.see",
    "connections:edit": "connection.edit",
    "connections:rename": "connection.rename",
    "connections:authorize": "connection.reconnect",
    "connections:test": "connection.test",
    "connections:sign_ins": "connection.see",
    "connections:remove_sign_in": "connection.remove_sign_in",
    "connections:send_connect_link": "connection.send_connect_link",
    "connections:withdraw_connect_link": "connection.send_connect_link",
    "connections:revoke": "connection.revoke",
    "connections:disable": "connection.disable",
    "connections:enable": "connection.enable",
    "connections:duplicate": "connection.duplicate",
    "connections:reconnect": "connection.reconnect",
    "connections:rotate": "connection.rotate",
    "connections:environment": "connection.set_environment",
    "connections:drop_environment": "connection.set_environment",
    "connections:delete": "connection.delete",
    "connections:try_service": "service.create",
    "services:new": "service.create",
    "services:register": "service.create",
    "services:edit": "service.edit",
    "services:listed": "service.list",
    "services:delete": "service.delete",
    "services:app": "service.set_app",
    "services:remove_app": "service.set_app",
    "usage:create": "integration.create",
    "usage:connections": "integration.see",
    "usage:register": "integration.register",
    "usage:deregister": "integration.register",
    "usage:edit": "integration.edit",
    "usage:delete": "integration.delete",
    "usage:attach_flow": "integration.declare",
    "usage:detach_flow": "integration.undeclare",
    "projects:new": "project.create",
    "projects:project": "project.see",
    "projects:rename": "project.rename",
    "projects:delete": "project.delete",
    "usage:calls": "integration.see",
    "usage:members": "integration.see",
    "usage:add_member": "integration.change_members",
    "usage:remove_member": "integration.change_members",
    "usage:keys": "integration.see",
    "usage:issue_key": "integration.issue_key",
    "usage:revoke_key": "integration.revoke_key",
    "usage:rotate_key": "integration.issue_key",
}
for _noun in ("flow", "app", "function"):
    DEMANDED |= {
        f"usage:{_noun}s": "integration.see",
        f"usage:{_noun}": "integration.see",
        f"usage:new_{_noun}": "integration.declare",
        f"usage:edit_{_noun}": "integration.declare",
        f"usage:delete_{_noun}": "integration.undeclare",
        f"{_noun}s:new": "standalone.create",
        f"{_noun}s:{_noun}": "standalone.see",
        f"{_noun}s:edit": "standalone.save",
        f"{_noun}s:delete": "standalone.delete",
    }
for _kind in kinds:
    DEMANDED |= {
        f"{_kind}_share:admins": f"{_kind}.see_admins",
        f"{_kind}_share:add": f"{_kind}.share",
        f"{_kind}_share:remove_person": f"{_kind}.share",
        f"{_kind}_share:remove_team": f"{_kind}.share",
        f"{_kind}_share:to_self": f"{_kind}.share_to_self",
        f"{_kind}_share:undo": f"{_kind}.see_admins",
    }
# The connection there is for all environments, so its credentials take more than being its admin.
FOR_ALL_ENVIRONMENTS = {
    *("connections:authorize", "connections:reconnect", "connections:rotate"),
    "connections:send_connect_link",
}
# What a page is asked for, where it finds nothing without.
QUERY = {"connections:try_service": "?type=api_key"}


def thing_at(page: Page, things: dict[str, list]) -> Model | None:
    """What the page is about, as far as rules go."""
    kind = DEMANDED.get(page.name, FOUND_BY.get(page.name, "")).partition(".")[0]
    found = resolve(page.url).kwargs
    if kind == "connection" and (name := found.get("link_name", found.get("key"))):
        return Connection.objects.get(link_name=name)
    if kind == "admin_token" and (pk := found.get("pk")):
        return AdminToken.objects.get(pk=pk)
    if kind == "standalone" and (key := found.get("key")):
        model = {each.PAGE: each for each in (Flow, App, Function)}[found["kind"]]
        return model.objects.get(**{model.KEY: key, "integration": None})
    if kind == "project" and (slug := found.get("slug")):
        return Project.objects.get(slug=slug)
    if kind == "integration" and (slug := found.get("slug", found.get("key"))):
        return Integration.objects.get(slug=slug)
    if kind == "service" and (slug := found.get("slug", found.get("key"))):
        return Service.objects.get(slug=slug)
    return None


def expected(page: Page, person: User | None, things: dict[str, list]) -> set[int]:
    """The statuses that the table leads to for somebody; empty: any that refuses nothing."""
    if page.name in PROGRAMS_WITHOUT_DOCS:
        return {401, 404, 405}
    if page.name in OPEN | DOCUMENTS:
        return set()
    if page.name in BY_LINK:
        return {410}
    if page.name == "accounts:end_session" and (person is None or not person.is_active):
        return {302}
    if page.name in NOT_HERE:
        return {404}
    if person is None or not person.is_active:
        return {302}
    if page.name.startswith("admin:"):
        return in_admin(page) if may(person, "account.administer") else {404}
    if page.name in OWN:
        owns = person.email == "ada@acme.example" and NOTHING not in page.url
        return set() if owns else {404}
    thing = thing_at(page, things)
    if page.name.startswith("service_share:") and thing.origin == Origin.DEFAULT:
        return {404}  # shared are those that admins made
    if page.name in FOUND_BY:
        return set() if may(person, FOUND_BY[page.name], thing) else {404}
    if page.name in FOR_ALL_ENVIRONMENTS and may(person, DEMANDED[page.name], thing):
        return set() if may(person, "environment.connect_in") else {403}
    if page.name in DEMANDED:
        return refusal(person, DEMANDED[page.name], thing)
    assert page.name in EVERYBODY | DOCS, f"Declare who may open {page.name}."
    return set()


def in_admin(page: Page) -> set[int]:
    """Django admin is for looking: nothing is added or deleted there."""
    return {403} if page.name.endswith(("_add", "_delete")) else {200, 302, 403, 404}


def refusal(person, action, thing) -> set[int]:
    kind = action.partition(".")[0]
    if thing is not None and f"{kind}.see" in TABLE and not may(person, f"{kind}.see", thing):
        return {404}
    try:
        require(person, action, thing)
    except PermissionDenied:
        return {403}
    return set()


# What the key gets of the API, by method.
BY_KEY = {
    "api-1:get_connection": {"get": {200, 404}},  # of three, one is deleted
    **{
        f"api-1:list_{what}": {"get": {200}}
        for what in ("connections", "flows", "data_objects", "functions")
    },
    # There is none of that name, and to declare one none was sent.
    **{
        f"api-1:get_{what}": {"get": {404}, "put": {422}, "delete": {404}}
        for what in ("flow", "data_object", "function")
    },
}


def expected_of_key(page: Page, method: str, things: dict[str, list]) -> set[int]:
    """What the API does for it; every page takes it for nobody."""
    if page.name in BY_KEY:
        answers = BY_KEY[page.name]
        answers |= {"head": answers["get"]} if "get" in answers else {}
        return answers.get(method, {405})
    if page.name.startswith("admin-api:"):
        return expected(page, None, things)
    return {404} if page.name in PROGRAMS_WITHOUT_DOCS else expected(page, None, things)


# Reads that are events themselves (SECURITY 9.1), or note that a key was used; by page.
READS = {
    "audit:log": EVENT,
    "audit:event": EVENT,
    "audit:export": EVENT,
    "connections:activity": EVENT,
    "admin:audit_event_changelist": EVENT,
    "admin:audit_event_change": EVENT,
    "open_connect_link": EVENT,  # one that can't be used
    "oauth_callback": EVENT,
    "readyz": {"vault_keycheck"},  # a write that finds no row
    **{key: {"usage_integrationkey"} for key in BY_KEY},
}


class Answer(NamedTuple):
    method: str
    status: int
    written: set[str]  # the tables
    has_changed: bool  # as the record counts changes


WRITING = re.compile(r'(?:INSERT INTO|UPDATE|DELETE FROM) "(\w+)"')


@contextmanager
def written() -> Iterator[set[str]]:
    """The tables that are written to meanwhile."""
    tables = set()

    def watch(execute, sql, params, many, context):
        if found := WRITING.match(sql):
            tables.add(found[1])
        return execute(sql, params, many, context)

    with database.execute_wrapper(watch):
        yield tables


def changes() -> int:
    return Head.objects.values_list("changes", flat=True).get()


def answers(browser: Client, page: Page) -> Iterator[Answer]:
    """By method; whatever a request changed is taken back, in the browser, too."""
    cookies, before = dict(browser.cookies), changes()
    # What can be done with a connection in another state is asked by these alone.
    is_other = any(f"/{name}/" in page.url for name in OTHER_STATES)
    for method in ("get", "post") if is_other else METHODS:
        browser.cookies = SimpleCookie(cookies)
        with transaction.atomic(), written() as tables:
            response = getattr(browser, method)(page.url + QUERY.get(page.name, ""))
            if response.streaming:
                list(response.streaming_content)
            has_changed = bool(tables) and changes() != before
            transaction.set_rollback(True)
        yield Answer(method, response.status_code, tables, has_changed)
    browser.cookies = SimpleCookie(cookies)


def has_only_looked(answer: Answer, page: Page) -> bool:
    """Whether no more was written than that somebody looked or was denied it, and their session."""
    allowed = READS.get(page.name, set())
    allowed = allowed | EVENT if answer.status in (401, 403, 404) else allowed
    return not answer.has_changed and answer.written <= {*allowed, "accounts_session"}


def plain_errors(monkeypatch) -> None:
    """Error pages take half the time of the walk: only for a GET they are what people see."""
    for status, view in ((403, defaults.permission_denied), (404, defaults.page_not_found)):

        def handler(request, exception, status=status, view=view):
            is_get = request.method == "GET"
            return view(request, exception) if is_get else HttpResponse(status=status)

        monkeypatch.setattr(urls, f"handler{status}", handler, raising=False)


@pytest.mark.parametrize(
    "who",
    [
        "nobody", "integration key", "owner", "other admin", "team's member", "super admin",
        "super admin with it", "integration's member", "role admin", "member", "deactivated",
    ],
)  # fmt: skip
def test_every_url_answers_as_the_table_says(cast, things, who, monkeypatch, caplog):
    caplog.set_level("ERROR", "django.request")  # not of each that is denied
    # A third of the time, and no part of an answer.
    nothing = {listing.URL_NAME: lambda request: Connection.objects.none()}
    monkeypatch.setattr(context, "counted", nothing)
    plain_errors(monkeypatch)
    person, browser = cast.get(who), Client(raise_request_exception=False)
    (token,) = things["token of the key"]
    if person:
        browser.force_login(person)
    elif who == "integration key":
        browser.defaults["HTTP_AUTHORIZATION"] = f"Bearer {token}"

    wrong = []
    for page in pages(things):
        statuses = expected(page, person, things)
        for answer in answers(browser, page):
            method, status = answer.method, answer.status
            if who == "integration key":
                statuses = expected_of_key(page, method, things)
            refused = status in (401, 403, 404) or status >= 500
            fine = status in statuses or status == 405 if statuses else not refused
            if not fine and not (method == "options" and status in (200, 204)):
                wrong.append(f"{method} {page.url} ({page.name}): {status}, not {statuses}")
            if method in ("get", "head") and not has_only_looked(answer, page):
                wrong.append(f"{method} {page.url} ({page.name}): wrote {answer.written}")

    assert wrong == [], "\n".join(wrong)


# --- The documentation ----------------------------------------------------------------------------------


def test_the_documentation_prints_the_table():
    printed = (HOUSE / "docs" / "permissions.md").read_text()

    assert as_markdown() in printed, f"Put this into docs/permissions.md:\n{as_markdown()}"


def as_markdown() -> str:
    rows = ["| action | who | to which, and when |", "|---|---|---|"]
    for action, rules in TABLE.items():
        rows += [f"| `{action}` | {words(rule.who)} | {condition(rule)} |" for rule in rules]
    return "\n".join(rows)


def words(who: Who) -> str:
    return " or ".join(IN_WORDS[subject] for subject in who)


def condition(rule: Rule) -> str:
    parts = [f"{rule.of} ones" if rule.of else ""]
    parts += [f"while {' or '.join(rule.only)}"] if rule.only else []
    parts += [f"unless {' or '.join(rule.never)}"] if rule.never else []
    return ", ".join(part for part in parts if part)
