"""What a page can change about connections, a call of the admin API can; or else it says why not."""

import inspect

import pytest

from connhub.usage.api.admin.api import api
from tests.every_url import patterns

from .conftest import ROOT

CONNECTION = "/connections/{link_name}"
# By the page's URL name: the calls that do the same.
CALLS = {
    "connections:new": ["post /connections", "post /rehearsals"],
    "connections:bulk_action": ["post /connections-bulk"],
    "connections:bulk_test": ["post /tests"],
    "connections:edit": [f"patch {CONNECTION}"],
    "connections:rename": [f"patch {CONNECTION}"],
    "connections:test": [f"post {CONNECTION}/test"],
    "connections:revoke": [f"post {CONNECTION}/revoke"],
    "connections:disable": [f"post {CONNECTION}/disable"],
    "connections:enable": [f"post {CONNECTION}/enable"],
    "connections:duplicate": [f"post {CONNECTION}/duplicate"],
    "connections:reconnect": [f"post {CONNECTION}/reconnect"],
    "connections:authorize": [f"post {CONNECTION}/reconnect"],
    "connections:rotate": [
        f"put {CONNECTION}/rotation", f"post {CONNECTION}/rotation/test",
        f"post {CONNECTION}/rotation/switch", f"post {CONNECTION}/rotation/roll-back",
        f"delete {CONNECTION}/rotation",
    ],
    "connections:restore": ["post /deleted-connections/{link_name}/restore"],
    "connections:environment": [f"put {CONNECTION}/environments/{{slug}}"],
    "connections:drop_environment": [f"delete {CONNECTION}/environments/{{slug}}"],
    "connections:remove_sign_in": [f"delete {CONNECTION}/sign-ins/{{pk}}"],
    "connections:send_connect_link": [f"post {CONNECTION}/connect-links"],
    "connections:withdraw_connect_link": [f"delete {CONNECTION}/connect-links/{{pk}}"],
    "connections:delete": [f"delete {CONNECTION}"],
    "connection_share:add": [f"post {CONNECTION}/admins"],
    "connection_share:remove_person": [f"delete {CONNECTION}/admins/people/{{public_id}}"],
    "connection_share:remove_team": [f"delete {CONNECTION}/admins/teams/{{public_id}}"],
    "connection_share:to_self": [f"post {CONNECTION}/admins/myself"],
    "connection_share:undo": [f"delete {CONNECTION}/admins/myself"],
    "connection_replace": [f"post {CONNECTION}/replacement"],
    "connection_availability": [f"put {CONNECTION}/availability"],
    "usage:register": ["put /integrations/{slug}/connections/{link_name}"],
    "usage:deregister": ["delete /integrations/{slug}/connections/{link_name}"],
}  # fmt: skip
VIEWS = "It changes only what one's own pages look like."
IN_PERSON = "It belongs to a sign-in at the service, which a person makes in a browser."
TRIED = "It changes nothing here. Programs call services over the runtime API's proxy."
NOT_CONNECTIONS = "It is about something else than connections."
WITHOUT = {
    "connections:saved_views": VIEWS,
    "connections:delete_view": VIEWS,
    "connections:columns": VIEWS,
    "connections:export": "A file with secrets takes somebody who has just shown who they are; it is "
    "made on the page, or by the command export_connections.",
    "connections:import": "Made on the page, where its preview is looked at, or by a command.",
    "connections:one_import": "Made on the page, where its preview is looked at, or by a command.",
    "connections:try_operation": TRIED,
    "connections:try_call": TRIED,
    "connections:try_service": NOT_CONNECTIONS,
    "other_account": IN_PERSON,
    "connect_link": IN_PERSON,
    "sign_in_to": "One's own credential is given in person, under Your sign-ins.",
    "remove_sign_in": "One's own credential is removed in person, under Your sign-ins.",
    "leaving_act": "Off-boarding is about a person.",
}
# Whatever is below these is about something else: people, services, integrations and flows.
ELSEWHERE = ("accounts:", "admin:", "api-1:", "admin-api:", "audit:", "services:", "flows:",
             "apps:", "functions:", "projects:", "service_share:", "integration_share:", "home")  # fmt: skip
OF_INTEGRATIONS = {
    "usage:create", "usage:edit", "usage:delete", "usage:attach_flow", "usage:detach_flow",
    *(f"usage:{act}_{noun}" for act in ("new", "edit", "delete") for noun in ("flow", "app", "function")),
    "usage:add_member", "usage:remove_member", "usage:issue_key", "usage:rotate_key",
    "usage:revoke_key",
}  # fmt: skip


def changing() -> set[str]:
    """The names of all pages that take a POST and may be about connections."""
    return {
        name
        for _, name, pattern in patterns()
        if not name.startswith(ELSEWHERE) and takes_post(pattern.callback)
    } - OF_INTEGRATIONS


def takes_post(view) -> bool:
    """Whether one of the decorators around a view lets it through."""
    while view is not None:
        allowed = inspect.getclosurevars(view).nonlocals.get("request_method_list")
        if allowed is not None:
            return "POST" in allowed
        view = getattr(view, "__wrapped__", None)
    return True


def calls() -> set[str]:
    paths = api.get_openapi_schema()["paths"]
    return {f"{m} {path.removeprefix(ROOT)}" for path, found in paths.items() for m in found}


def test_every_page_that_changes_connections_has_a_call_or_a_reason():
    undeclared = changing() - CALLS.keys() - WITHOUT.keys()

    assert undeclared == set(), "Add a call to the admin API, or say why there is none."


def test_nothing_is_declared_that_there_is_not():
    assert (CALLS.keys() | WITHOUT.keys()) - changing() == set()
    assert CALLS.keys() & WITHOUT.keys() == set()


@pytest.mark.parametrize("page", CALLS)
def test_the_calls_that_are_declared_are_there(page):
    assert set(CALLS[page]) - calls() == set()
