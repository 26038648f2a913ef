"""What every refusal of the runtime API comes with: its page, and where it is mended."""

import asyncio
import json
from html import unescape
from urllib.parse import urlsplit

import pytest
from django.urls import reverse

from connhub.accounts import environments
from connhub.asgi import application
from connhub.audit.log import AuditUnavailable
from connhub.connections import access, refresh
from connhub.connections.auth import oauth1
from connhub.connections.calling import refusals
from connhub.errors import Refusal
from connhub.usage import (
    data_objects,
    declaring,
    flows,
    functions,
    keys,
    problems,
    registration,
    revision,
    selecting,
)
from connhub.usage.api.runtime import api
from connhub.usage.reasons import BY_CODE, mend_url, type_of

# Modules whose refusals are all the runtime API's, and refusals of others that it can give.
WHOLLY = {each.__name__ for each in (access, oauth1, problems, refusals, revision)}
BESIDES = {
    AuditUnavailable, data_objects.AppSlugTaken, data_objects.NoSuchDataObject,
    data_objects.TooManyDataObjects, declaring.Changed, flows.FlowSlugTaken, flows.NoSuchFlow,
    functions.NoSuchFunction, selecting.NotOfTheApp,
    refresh.RenewalFailed, registration.NotRegistered, registration.RegistrationNotOffered,
}  # fmt: skip
# Answered to whatever is not in the OpenAPI document.
OF_NO_CALL = {"not-found"}


def all_kinds(of: type = Refusal):
    for kind in of.__subclasses__():
        if kind.__module__.startswith("connhub."):
            yield kind
        yield from all_kinds(kind)


def test_every_refusal_of_the_runtime_api_is_declared():
    reachable = {kind for kind in all_kinds() if kind.__module__ in WHOLLY} | BESIDES

    assert {kind for reason in BY_CODE.values() for kind in reason.kinds} == reachable
    assert [code for code in BY_CODE if len({k.code for k in BY_CODE[code].kinds}) > 1] == []


def test_every_code_is_answered_by_some_call_and_no_call_answers_another():
    answered = {
        code
        for operations in api.get_openapi_schema()["paths"].values()
        for operation in operations.values()
        for answer in operation["responses"].values()
        for code in answer.get("headers", {}).get("X-ConnHub-Problem", {"schema": {"enum": []}})[
            "schema"
        ]["enum"]
    }

    assert answered | OF_NO_CALL == set(BY_CODE)
    assert answered & OF_NO_CALL == set()


def test_whoever_is_told_to_wait_is_told_how_long():
    waiting = [kind for kind in all_kinds() if kind.status in (429, 503)]
    waits = {kind for kind in waiting if kind.wait_s > 0}

    assert set(waiting) - waits == {problems.RateLimited}
    assert problems.RateLimited(7).wait_s == 7


@pytest.mark.parametrize("code", BY_CODE)
def test_every_code_has_a_page_for_anybody(client, db, code):
    response = client.get(urlsplit(type_of(code)).path)

    assert response.status_code == 200
    reason = response.context["reason"]
    assert reason.means in unescape(response.text)
    for call in response.context["calls"]:
        assert call.path in response.text


def test_all_codes_are_on_one_page_for_anybody(client, db):
    response = client.get(reverse("problems"))

    assert response.status_code == 200
    assert [code for code in BY_CODE if reverse("problem", args=[code]) not in response.text] == []


def test_pages_have_the_shell_for_somebody_signed_in(client, eve):
    client.force_login(eve)

    for url in (reverse("problems"), reverse("problem", args=["unauthorized"])):
        assert "ui/_side.html" in {each.name for each in client.get(url).templates}


def test_there_is_no_page_for_a_code_that_there_is_not(client, db):
    assert client.get("/api/v1/problems/eaten").status_code == 404


MENDS = {
    "unauthorized": "/integrations/",
    "not-registered": "/integrations/invoices/connections/",
    "credentials-not-allowed": "/connections/crm/edit/",
    "connection-revoked": "/connections/crm/reconnect/",
    "reconnect-needed": "/connections/crm/authorize/",
    "rate-limited": "/api/v1/docs",
    "no-such-flow": "/integrations/invoices/flows/",
    "database-away": "",
}


@pytest.mark.parametrize(("code", "page"), MENDS.items())
def test_mend_url_is_the_page_that_mends_it(settings, code, page):
    url = mend_url(code, link_name="crm", integration="invoices")

    assert url == (settings.CONNHUB_URL + page if page else "")


@pytest.mark.parametrize("code", BY_CODE)
def test_mend_url_names_nothing_that_the_caller_may_not_know_of(code):
    about_nothing = mend_url(code)

    assert about_nothing == "" or BY_CODE[code].page in ("api-1:openapi-view", "usage:integrations")


def test_call_for_a_connection_that_is_not_registered_leads_to_the_integration(
    client, ada, integration, connection
):
    """It is there, and not for this key: that is not said."""
    token = keys.issue(integration, environments.lowest(), name="laptop", by=ada)[1]
    document = client.get(
        "/api/v1/connections/billing", headers={"Authorization": f"Bearer {token}"}
    ).json()

    assert document["mend_url"].endswith(f"/integrations/{integration.slug}/connections/")


@pytest.mark.parametrize(
    ("path", "codes"), [(b"/api/v1/flows/x", ["request-incomplete"]), (b"/sign-in/", [])]
)
def test_program_that_stops_sending_gets_a_problem(path, codes):
    sent = []

    async def send(message):
        sent.append(message)

    async def nothing_comes():
        raise TimeoutError

    scope = {"type": "http", "raw_path": path, "headers": []}
    asyncio.run(application(scope, nothing_comes, send))

    headers = dict(sent[0]["headers"])
    assert (sent[0]["status"], headers[b"connection"]) == (408, b"close")
    said = [message["body"] for message in sent[1:] if message.get("body")]
    assert [json.loads(body)["type"].rpartition("/")[2] for body in said] == codes
