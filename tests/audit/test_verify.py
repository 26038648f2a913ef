"""SECURITY 9.3: every kind of damage to the record is found."""

import os
import subprocess
import sys
from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.db.models import F

from connhub.audit import append_only
from connhub.audit.log import record
from connhub.audit.models import Event, Head
from connhub.audit.verify import verify
from connhub.vault.keyring import generate_entry

pytestmark = pytest.mark.django_db


@pytest.fixture
def chain(ada):
    """Ten events, and a database that its owner has opened for changes."""
    record("catalogue.loaded")
    for number in range(9):
        record("connection.renamed", by=ada, on=ada, fields=["name"], detail={"number": number})
    append_only.remove(connection)


def at(sequence):
    return Event.objects.filter(sequence=sequence)


def move(source, target):
    at(source).update(sequence=target)


def swap_two():
    move(4, 1000)
    move(5, 4)
    move(1000, 5)


def insert_in_between():
    for sequence in range(10, 4, -1):
        move(sequence, sequence + 1)
    event = at(4).get()
    event.sequence = 5
    event.save(force_insert=True)
    Head.objects.update(sequence=11)


def copy_to_the_end():
    event = at(10).get()
    event.sequence = 11
    event.save(force_insert=True)


def close_the_gap():
    at(5).delete()
    for sequence in range(6, 11):
        move(sequence, sequence - 1)
    Head.objects.update(sequence=9)


def cut_with_head():
    at(10).delete()
    Head.objects.update(sequence=9)


def swap_contents():
    first, second = at(4).get(), at(5).get()
    at(4).update(detail=second.detail, mac=second.mac)
    at(5).update(detail=first.detail, mac=first.mac)


CHANGED = "Event {} was changed, or an event before it was."
HEAD = "The chain ends at event {}, but its head says {}."


def test_a_whole_chain_holds(chain):
    verdict = verify()

    assert (verdict.events, verdict.problem) == (10, "")
    assert verdict.head == f"10:{at(10).get().mac}"


def test_an_empty_record_holds(db):
    assert verify() == (0, "0:", "")


@pytest.mark.parametrize(
    ("damage", "problem"),
    [
        (lambda: at(5).update(actor="Eve"), CHANGED.format(5)),
        (lambda: at(5).update(actor_id="999"), CHANGED.format(5)),
        (lambda: at(5).update(actor_type="integrationkey"), CHANGED.format(5)),
        (lambda: at(5).update(at=F("at") + timedelta(microseconds=1)), CHANGED.format(5)),
        (lambda: at(5).update(ip="192.0.2.1"), CHANGED.format(5)),
        (lambda: at(5).update(action="connection.tested"), CHANGED.format(5)),
        (lambda: at(5).update(kind="key"), CHANGED.format(5)),
        (lambda: at(5).update(object="Eve"), CHANGED.format(5)),
        (lambda: at(5).update(object_id="999"), CHANGED.format(5)),
        (lambda: at(5).update(object_type="connection"), CHANGED.format(5)),
        (lambda: at(5).update(outcome="failed"), CHANGED.format(5)),
        (lambda: at(5).update(fields=[]), CHANGED.format(5)),
        (lambda: at(5).update(detail={"number": 7}), CHANGED.format(5)),
        (lambda: at(5).update(request_id="x"), CHANGED.format(5)),
        (lambda: at(5).update(mac="0" * 64), CHANGED.format(5)),
        (lambda: at(5).update(mac=""), CHANGED.format(5)),
        (lambda: at(5).update(mac="ß"), CHANGED.format(5)),
        (
            lambda: at(5).update(key_id="ffffffff"),
            "Event 5 was signed with key ffffffff, which isn't in the key ring.",
        ),
        (
            lambda: at(5).update(key_id="nonsense"),
            "Event 5 was signed with key nonsense, which isn't in the key ring.",
        ),
        (lambda: at(5).delete(), "Event 5 is missing; the next one is 6."),
        (lambda: at(1).delete(), "Event 1 is missing; the next one is 2."),
        (close_the_gap, CHANGED.format(5)),
        (insert_in_between, CHANGED.format(5)),
        (copy_to_the_end, CHANGED.format(11)),
        (swap_two, CHANGED.format(4)),
        (swap_contents, CHANGED.format(4)),
        (lambda: at(10).delete(), HEAD.format(9, 10)),
        (lambda: Event.objects.all().delete(), HEAD.format(0, 10)),
        (cut_with_head, HEAD.format(9, 9)),
        (lambda: Head.objects.update(sequence=9), HEAD.format(10, 9)),
        (lambda: Head.objects.update(sequence=11), HEAD.format(10, 11)),
        (lambda: Head.objects.update(mac="0" * 64), HEAD.format(10, 10)),
        (lambda: Head.objects.all().delete(), HEAD.format(10, 0)),
    ],
)  # fmt: skip
def test_each_kind_of_damage_is_found(chain, damage, problem):
    damage()

    assert verify().problem == problem


def test_another_key_ring_does_not_hold_the_chain(chain, settings):
    settings.CONNHUB_KEYS = "0a0b0c0d:" + generate_entry().partition(":")[2]

    assert verify().problem == CHANGED.format(1)


def test_the_chain_goes_on_under_a_new_key(chain, settings):
    settings.CONNHUB_KEYS = f"{generate_entry()}\n{settings.CONNHUB_KEYS}"

    record("catalogue.loaded")

    assert (verify().events, verify().problem) == (11, "")


def test_the_command_says_that_the_chain_is_whole_and_gives_its_head(chain):
    out = StringIO()

    call_command("verify_audit", stdout=out)

    assert out.getvalue() == f"10 events, chain whole. Head 10:{at(10).get().mac}\n"


def test_the_command_ends_with_2_and_says_what_is_wrong(chain):
    at(5).update(actor="Eve")

    with pytest.raises(CommandError) as ended:
        call_command("verify_audit")

    assert ended.value.returncode == 2
    assert str(ended.value) == f"The audit log does not hold. {CHANGED.format(5)}"


def test_a_head_noted_earlier_must_still_be_there(chain):
    noted = verify().head
    record("catalogue.loaded")

    call_command("verify_audit", head=noted, stdout=StringIO())


@pytest.mark.parametrize("head", ["10:" + "0" * 64, "99:x", "²:x", ":", "x:10"])
def test_a_head_that_is_not_in_the_chain_is_a_cut(chain, head):
    with pytest.raises(CommandError) as ended:
        call_command("verify_audit", head=head)

    assert ended.value.returncode == 2
    assert str(ended.value) == "The audit log does not hold. The given head isn't in it."


WRITER = """
import django; django.setup()
from connhub.audit.log import record
for number in range(20): record("connection.renamed", detail={"number": number})
"""


@pytest.mark.django_db(transaction=True)
def test_processes_that_record_at_once_leave_one_whole_chain():
    writers = [subprocess.Popen([sys.executable, "-c", WRITER], env=same_database()) for _ in "abc"]

    problems = set()
    while any(writer.poll() is None for writer in writers):
        problems.add(verify().problem)

    verdict = verify()
    assert [writer.wait() for writer in writers] == [0, 0, 0]
    assert problems == {""}
    assert (verdict.events, verdict.problem) == (60, "")


def same_database():
    """An environment in which another process uses the database of this test."""
    name = connection.settings_dict["NAME"]
    if connection.vendor == "sqlite":
        url = f"sqlite:///{name}"
    else:
        url = os.environ["DATABASE_URL"].rpartition("/")[0] + f"/{name}"
    return os.environ | {"DATABASE_URL": url, "DJANGO_SETTINGS_MODULE": "tests.settings"}
