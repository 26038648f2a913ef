"""Events read as whole sentences; which there are stands in one place, and in the documentation."""

import ast
import re
from pathlib import Path

import pytest

from connhub.accounts.permissions import TABLE
from connhub.audit.models import Event
from connhub.audit.sentences import KINDS, SENTENCES, kind_of
from connhub.sharing.kinds import kinds

HOUSE = Path(__file__).parent.parent.parent
ACTION = re.compile(r"[a-z_]+\.[a-z_]+")
ROW = re.compile(r"^\| `([a-z_]+\.[a-z_]+)` \| (.+?) \|", re.MULTILINE)


@pytest.mark.parametrize(
    ("action", "outcome", "detail", "said"),
    [
        ("connection.revoked", "ok", {}, "Ben revoked Salesforce production"),
        ("connection.restored", "ok", {}, "Ben restored Salesforce production, without its secret"),
        ("connection.tested", "ok", {"took_ms": 42}, "Ben tested Salesforce production (42 ms)"),
        ("connection.tested", "failed", {"took_ms": 42},
         "Ben tested Salesforce production (42 ms), which failed"),
        ("connection.revoked_at_provider", "failed", {"said": "gone"},
         "Ben asked the service to revoke Salesforce production, which failed: gone"),
        ("connection.user_disconnected", "ok", {"user": "ada@acme.example"},
         "Ben removed a sign-in to Salesforce production (ada@acme.example)"),
        ("credential.read", "denied", {},
         "Ben fetched the credential of Salesforce production, which was denied"),
        ("credential.read", "denied", {"times": 5},
         "Ben fetched the credential of Salesforce production (5 times), which was denied"),
        ("access.denied", "denied", {"path": "/x/"}, "Ben was kept from Salesforce production (/x/)"),
        ("connection.call_tried", "ok", {"method": "GET", "path": "/pets"},
         "Ben tried a GET call over Salesforce production (/pets)"),
        ("person.signed_in", "ok", {}, "Ben signed in"),
        ("of.the.future", "ok", {}, "Ben of.the.future"),
    ],
)  # fmt: skip
def test_an_event_reads_as_a_sentence(action, outcome, detail, said):
    event = Event(
        actor="Ben", action=action, object="Salesforce production", outcome=outcome, detail=detail
    )

    assert event.sentence == said


def test_what_has_no_name_is_called_something():
    assert Event(actor="ConnHub", action="person.sign_in_failed", outcome="failed").sentence == (
        "ConnHub refused a sign-in to an unknown account"
    )


# --- The inventory: what the code records, what has words, what docs/audit.md lists ----------------


def recorded(source: str) -> set[str]:
    """Every action in a module that puts something on record, and what is named by a constant."""
    tree = ast.parse(source)
    if not re.search(r"\brecord(_each|_all)?\b", source):
        return set()
    texts = {n.value for n in ast.walk(tree) if isinstance(n, ast.Constant)}
    # What is shared is on record under the name of its kind: f"{kind}.shared".
    for call in recordings(tree):
        if isinstance(call.args[0], ast.JoinedStr):
            texts |= {f"{kind}{call.args[0].values[-1].value}" for kind in kinds}
    return {
        text
        for text in texts
        if isinstance(text, str)
        and ACTION.fullmatch(text)
        and kind_of(text) in KINDS
        and text not in TABLE  # what somebody may do, not what they did
    }


def recordings(tree: ast.AST) -> list[ast.Call]:
    calls = [n for n in ast.walk(tree) if isinstance(n, ast.Call) and n.args]
    ways = ("record", "record_each", "Entry")
    return [c for c in calls if ast.unparse(c.func).rpartition(".")[2] in ways]


def recorded_anywhere() -> set[str]:
    modules = (HOUSE / "connhub").rglob("*.py")
    return {
        action
        for path in modules
        if path.name != "sentences.py" and "migrations" not in path.parts
        for action in recorded(path.read_text())
    }


def unworded(source: str) -> set[str]:
    """The actions given to record() as they stand that have no sentence, whatever their kind."""
    names = {
        n.value
        for call in recordings(ast.parse(source))
        for n in ast.walk(call.args[0])
        if isinstance(n, ast.Constant) and isinstance(n.value, str) and ACTION.fullmatch(n.value)
    }
    return {name for name in names if name not in SENTENCES}


def test_whatever_is_recorded_has_a_sentence_and_every_sentence_is_recorded():
    assert recorded_anywhere() == set(SENTENCES)


def test_no_call_of_record_names_an_action_without_a_sentence():
    found = {
        path.name: names
        for path in (HOUSE / "connhub").rglob("*.py")
        if (names := unworded(path.read_text()))
    }

    assert found == {}


@pytest.mark.parametrize(
    "source", ['record("of.nobody", by=ada)', 'log.record("a.b" if x else "connection.revoked")']
)
def test_an_action_without_a_sentence_is_found(source):
    assert unworded(source) != set()


def test_every_kind_of_event_has_a_name_of_its_own():
    assert {kind_of(action) for action in SENTENCES} == set(KINDS)


def test_the_documentation_lists_every_event_with_its_sentence():
    listed = dict(ROW.findall((HOUSE / "docs" / "audit.md").read_text()))

    assert listed == {action: words.replace("{}", "…") for action, words in SENTENCES.items()}
