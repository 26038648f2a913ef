from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from connhub.audit.context import NOWHERE
from connhub.audit.models import Event
from connhub.connections import lifecycle, tasks
from connhub.connections.bulk_tests import testing
from connhub.connections.bulk_tests.models import BulkTest, BulkTestRow
from connhub.connections.models import Connection
from tests.conftest import CANARY
from tests.connections.steps import actions
from tests.factories import AuthMethodFactory, ServiceFactory, connect

pytestmark = pytest.mark.django_db

URL = reverse("connections:bulk_test")
HTMX = {"HX-Request": "true"}
State = BulkTestRow.State


@pytest.fixture(autouse=True)
def enqueued(monkeypatch):
    """What was handed to the worker."""
    found = []
    monkeypatch.setattr(
        "connhub.connections.tasks.enqueue_bulk_test", lambda *what: found.append(what)
    )
    return found


@pytest.fixture
def keyed(upstream, allow):
    """An auth method of a service whose test wants the API key of `upstream`."""
    allow(upstream.port)
    service = ServiceFactory(base_url=upstream.url, test={"method": "GET", "path": "/key"})
    return AuthMethodFactory(service=service)


@pytest.fixture
def three(ada, keyed, upstream):
    """One that works, one whose key is wrong and one whose service has no test."""
    connect(ada, method=keyed, name="A", link_name="good", secret=upstream.api_key)
    connect(ada, method=keyed, name="B", link_name="wrong", secret=CANARY)
    connect(ada, name="C", link_name="untestable")
    return ["good", "wrong", "untestable"]


@pytest.fixture
def signed_in(client, ada):
    client.force_login(ada)
    return client


def work(enqueued):
    """Do what the worker would, until nothing is left."""
    while enqueued:
        testing.test_next(*enqueued.pop(0), enqueue=lambda *what: enqueued.append(what))


def started(client, callbacks, url=URL, **form):
    with callbacks(execute=True):
        answer = client.post(url, form)
    assert answer.status_code == 303
    return BulkTest.objects.get()


def results():
    rows = BulkTestRow.objects.select_related("connection")
    return {row.connection.link_name: row.state for row in rows}


def test_each_row_gets_its_result(
    signed_in, three, enqueued, django_capture_on_commit_callbacks, ada
):
    run = started(signed_in, django_capture_on_commit_callbacks, link_name=three)
    work(enqueued)

    page = signed_in.get(run.get_absolute_url()).content.decode()
    assert results() == {
        "good": State.WORKS,
        "wrong": State.FAILED,
        "untestable": State.NOT_TESTED,
    }
    assert "All done." in page and "hx-get=" not in page.split('id="progress"')[1]
    assert "GET /key answered 401." in page and "This service has no test." in page
    assert 'href="/connections/wrong/"' in page
    assert CANARY not in page
    assert Connection.objects.get(link_name="good").credentials.get().test_report["ok"]
    assert "connection.tested" in actions(Connection.objects.get(link_name="wrong"))
    assert Event.objects.filter(action="bulk_test.started").get().detail == {"connections": 3}


def test_progress_is_asked_for_until_all_is_done(
    signed_in, three, enqueued, django_capture_on_commit_callbacks
):
    run = started(signed_in, django_capture_on_commit_callbacks, link_name=three)
    testing.test_next(*enqueued[0], enqueue=lambda *_: None)

    fragment = signed_in.get(run.get_absolute_url(), headers=HTMX).content.decode()

    assert "<html" not in fragment
    assert "1 of 3 done" in fragment and 'value="1" max="3"' in fragment
    assert f'hx-get="{run.get_absolute_url()}"' in fragment
    assert "<noscript>" in fragment


def test_filter_of_the_listing_chooses(signed_in, three, django_capture_on_commit_callbacks):
    started(signed_in, django_capture_on_commit_callbacks, f"{URL}?q=wrong")

    assert results() == {"wrong": State.WAITING}


def test_what_only_a_super_admin_sees_is_not_tested(
    client, root, three, enqueued, upstream, django_capture_on_commit_callbacks
):
    client.force_login(root)
    started(client, django_capture_on_commit_callbacks, link_name=["good"])

    row = BulkTestRow.objects.get()
    assert (row.state, row.said, enqueued) == (State.NOT_TESTED, testing.NOT_YOURS, [])
    assert upstream.counts()["requests"] == 0


def test_connection_lost_meanwhile_is_not_tested(
    signed_in, three, enqueued, ada, upstream, django_capture_on_commit_callbacks
):
    started(signed_in, django_capture_on_commit_callbacks, link_name=["good"])
    lifecycle.revoke(Connection.objects.get(link_name="good"), by=ada)
    work(enqueued)

    assert results() == {"good": State.NOT_TESTED}
    assert upstream.counts()["requests"] == 0


def test_what_one_does_not_see_is_not_there(client, eve, three):
    client.force_login(eve)

    assert client.post(URL, {"link_name": three}).status_code == 404
    assert not BulkTest.objects.exists()


def test_run_is_for_who_started_it(
    signed_in, root, client, three, django_capture_on_commit_callbacks
):
    run = started(signed_in, django_capture_on_commit_callbacks, link_name=three)
    client.force_login(root)

    assert client.get(run.get_absolute_url()).status_code == 404


@pytest.mark.parametrize(("most", "query"), [(2, ""), (500, "?q=nothing-like-it")])
def test_none_and_too_many_are_refused(signed_in, three, monkeypatch, most, query):
    monkeypatch.setattr(testing, "MOST", most)

    assert signed_in.post(URL + query).status_code == 409
    assert not BulkTest.objects.exists()


def test_no_fifth_is_begun_while_four_run(ada, three, enqueued):
    run = testing.start(Connection.objects.all(), by=ada, enqueue=lambda *_: None)
    BulkTestRow.objects.update(state=State.RUNNING)
    extra = [connect(ada, link_name=f"extra_{number}") for number in range(2)]
    BulkTestRow.objects.create(run=run, connection=extra[0], state=State.RUNNING)
    BulkTestRow.objects.create(run=run, connection=extra[1])

    testing.test_next(str(run.pk), NOWHERE, enqueue=lambda *what: enqueued.append(what))

    assert (results()["extra_1"], enqueued) == (State.WAITING, [])


def test_stopped_run_goes_on_and_old_ones_are_forgotten(ada, three, enqueued):
    stopped, old = (
        testing.start(Connection.objects.all(), by=ada, enqueue=lambda *_: None) for _ in range(2)
    )
    long_ago = timezone.now() - testing.KEPT - timedelta(hours=1)
    BulkTest.objects.filter(pk=old.pk).update(started_at=long_ago)
    first = stopped.rows.first()
    stopped.rows.filter(pk=first.pk).update(state=State.RUNNING, began_at=long_ago)

    testing.look_after(lambda *what: enqueued.append(what))

    first.refresh_from_db()
    assert (first.state, first.said) == (State.NOT_TESTED, testing.STOPPED)
    assert [pk for pk, _ in enqueued] == [str(stopped.pk)]
    assert BulkTest.objects.get() == stopped


def test_page_takes_as_few_queries_however_long(
    signed_in, ada, three, django_assert_max_num_queries
):
    run = testing.start(Connection.objects.all(), by=ada, enqueue=lambda *_: None)

    with django_assert_max_num_queries(8):
        assert signed_in.get(run.get_absolute_url()).status_code == 200


def test_task_of_the_worker_tests_one_and_asks_for_the_next(ada, three, enqueued):
    run = testing.start(Connection.objects.all(), by=ada, enqueue=lambda *_: None)

    tasks.test_next.call_local(str(run.pk), "192.0.2.7", "r1")

    assert results()["good"] == State.WORKS
    assert Event.objects.filter(action="connection.tested").get().ip == "192.0.2.7"
    assert [pk for pk, _ in enqueued] == [str(run.pk)]
