import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from connhub.audit.log import record
from connhub.audit.sentences import sentence

LOG = reverse("audit:log")


@pytest.mark.parametrize(
    ("who", "status"), [("ada", 403), ("bob", 403), ("eve", 403), ("root", 200)]
)
def test_the_audit_log_is_for_super_admins(client, request, who, status):
    client.force_login(request.getfixturevalue(who))

    assert client.get(LOG).status_code == status


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", 4),
        ("revoked", 1),
        ("Ada", 2),
        ("ada", 2),
        ("%", 0),
        ("nothing", 0),
        ("\0", 4),
        ("'", 0),
    ],
)
def test_the_log_is_searched_by_action_and_person(client, root, ada, query, found):
    client.force_login(root)
    record("connection.revoked", by=ada)
    record("connection.renamed", by=ada)
    record("catalogue.loaded")

    page = client.get(LOG, {"q": query}).context["page"]

    assert len(page.rows) == found


def test_the_log_takes_as_many_queries_for_many_events_as_for_one(client, root, ada):
    client.force_login(root)
    record("connection.renamed", by=ada)
    with CaptureQueriesContext(connection) as few:
        client.get(LOG)
    for _ in range(20):
        record("connection.renamed", by=ada)

    with CaptureQueriesContext(connection) as many:
        client.get(LOG)

    assert len(many) == len(few)


@pytest.mark.parametrize(
    ("action", "outcome", "detail", "words"),
    [
        ("connection.renamed", "ok", {}, "Renamed"),
        ("connection.tested", "ok", {"took_ms": 42}, "Tested, 42 ms"),
        ("connection.tested", "failed", {"took_ms": 42}, "Tested, 42 ms, failed"),
        ("person.sign_in_failed", "failed", {}, "Failed to sign in"),
        ("connection.revoked_at_provider", "failed", {"said": "gone"},
         "Revocation at the service: gone, failed"),
        ("of.the.future", "ok", {}, "of.the.future"),
    ],
)  # fmt: skip
def test_an_event_reads_as_a_sentence(action, outcome, detail, words):
    assert sentence(action, outcome, detail) == words
