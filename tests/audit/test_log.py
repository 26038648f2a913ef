"""SECURITY 9.1-9.3: what is done is on record, or it is not done."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import DatabaseError, connection, transaction
from hypothesis import HealthCheck, given
from hypothesis import settings as examples
from hypothesis import strategies as st

from connhub.accounts import people
from connhub.accounts.models import User
from connhub.audit import append_only
from connhub.audit.context import Context, current
from connhub.audit.log import (
    AuditUnavailable,
    Entry,
    record,
    record_all,
    record_egress_exception,
)
from connhub.audit.models import Event, Head
from connhub.audit.verify import verify
from tests.audit.test_fail_closed import break_record

pytestmark = pytest.mark.django_db


def test_an_event_says_who_did_what_to_what_and_from_where(ada, bob):
    token = current.set(Context("192.0.2.7", "f" * 32))

    event = record("person.renamed", by=ada, on=bob, fields=["name", "email"], detail={"n": 1})
    current.reset(token)

    event.refresh_from_db()
    assert (event.actor_type, event.actor_id, event.actor) == ("user", str(ada.pk), "Ada")
    assert (event.object_type, event.object_id, event.object) == ("user", str(bob.pk), "Bob")
    assert (event.ip, event.request_id) == ("192.0.2.7", "f" * 32)
    assert (event.action, event.outcome) == ("person.renamed", "ok")
    assert (event.fields, event.detail) == (["email", "name"], {"n": 1})


def test_what_connhub_does_by_itself_is_on_record_too():
    event = record("catalogue.loaded")

    assert (event.actor_type, event.actor, event.object) == ("system", "ConnHub", "")


def test_events_are_numbered_without_gaps():
    first, second, third = (record("catalogue.loaded") for _ in range(3))

    assert (second.sequence, third.sequence) == (first.sequence + 1, first.sequence + 2)
    assert Head.objects.get().sequence == third.sequence


def test_only_a_change_moves_the_counter_that_caches_look_at():
    record("catalogue.loaded")
    before = Head.objects.get().changes

    record("person.signed_in", change=False)
    record("connection.revoked")

    assert Head.objects.get().changes == before + 1


def test_the_event_is_rolled_back_with_the_change(ada):
    before = Event.objects.count()

    with pytest.raises(ZeroDivisionError), transaction.atomic():
        people.rename(ada, to="Ada Lovelace", by=ada)
        raise ZeroDivisionError

    assert Event.objects.count() == before
    assert User.objects.get(pk=ada.pk).name == "Ada"
    assert verify().problem == ""


def test_an_operation_that_cannot_be_put_on_record_is_not_done(ada):
    break_record("full")

    with pytest.raises(AuditUnavailable):
        people.rename(ada, to="Ada Lovelace", by=ada)

    assert User.objects.get(pk=ada.pk).name == "Ada"


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit_event SET actor = 'Eve'",
        "UPDATE audit_event SET sequence = sequence + 100",
        "DELETE FROM audit_event",
    ],
)
def test_the_database_refuses_to_change_or_delete_events(statement):
    record("connection.revoked")

    with (
        pytest.raises(DatabaseError, match="append-only"),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute(statement)


def test_the_models_cannot_change_or_delete_events_either(ada):
    event = record("connection.revoked", by=ada)

    event.actor = "Eve"
    for change in (event.save, event.delete, Event.objects.all().delete):
        with pytest.raises(DatabaseError, match="append-only"), transaction.atomic():
            change()

    assert Event.objects.get(pk=event.pk).actor == "Ada"


def test_a_person_may_go_while_their_events_stay(eve):
    record("person.renamed", by=eve, on=eve)
    eve.delete()

    assert Event.objects.filter(actor="Eve").count() == 1
    assert verify().problem == ""


def test_the_triggers_can_be_removed_and_put_back_by_a_migration():
    record("connection.revoked")

    append_only.remove(connection)
    append_only.install(connection)

    with pytest.raises(DatabaseError, match="append-only"), transaction.atomic():
        Event.objects.all().delete()


text = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=30)
details = st.dictionaries(
    text,
    st.recursive(
        st.none() | st.booleans() | st.integers(-(2**63), 2**63) | text,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(text | st.integers(), inner),
        max_leaves=5,
    ),
    max_size=4,
)


@examples(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(action=text, detail=details, fields=st.lists(text, max_size=4))
def test_whatever_an_event_says_the_chain_holds_when_it_is_read_back(action, detail, fields):
    record(action, detail=detail, fields=fields)

    assert verify().problem == ""


def test_what_the_operator_allows_is_on_record_when_it_is_used():
    record_egress_exception(None, host="10.0.0.5", port=443, entry="10.0.0.0/8:443")

    event = Event.objects.first()
    assert event.action == "egress.exception_used"
    assert event.detail == {"host": "10.0.0.5", "port": 443, "entry": "10.0.0.0/8:443"}


@pytest.mark.django_db(transaction=True)
def test_threads_that_record_at_once_leave_one_whole_chain():
    def work(number):
        try:
            for _ in range(5):
                record("connection.renamed", detail={"thread": number})
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, range(4)))

    verdict = verify()
    assert (verdict.events, verdict.problem) == (20, "")


def test_several_events_of_one_operation_go_into_the_chain_at_once(
    ada, bob, django_assert_num_queries
):
    before = record("catalogue.loaded").sequence
    entries = [
        Entry("person.renamed", ada, ["name"]),
        Entry("person.role_changed", bob, detail={"to": "admin"}),
    ]

    with django_assert_num_queries(3):
        record_all(entries, by=ada)
    with django_assert_num_queries(0):
        record_all([], by=ada)

    events = Event.objects.filter(sequence__gt=before).order_by("sequence")
    assert list(events.values_list("sequence", "action", "object", "fields", "detail")) == [
        (before + 1, "person.renamed", "Ada", ["name"], {}),
        (before + 2, "person.role_changed", "Bob", [], {"to": "admin"}),
    ]
    assert verify().problem == ""
    break_record("full")
    with pytest.raises(AuditUnavailable):
        record_all(entries, by=ada)
