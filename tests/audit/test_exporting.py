"""The log as a file: what the filters show, harmless in a spreadsheet, written while it is read."""

import csv
import io
import json
import tracemalloc

import pytest
from django.db import connection as database
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from connhub.audit import exporting
from connhub.audit.log import record, record_each
from connhub.audit.models import Event
from connhub.connections import lifecycle
from tests.audit.test_fail_closed import broken

pytestmark = pytest.mark.django_db


@pytest.fixture
def auditor(client, root):
    client.force_login(root)
    return client


def export(client, format, **filters) -> str:
    response = client.get(reverse("audit:export", args=[format]), filters)
    assert response.streaming
    return b"".join(response.streaming_content).decode()


def test_json_lines_hold_every_field_of_each_event_newest_first(auditor, ada, connection):
    lifecycle.rename(connection, to="Störung, “Q1”", by=ada)
    lifecycle.revoke(connection, by=ada)

    lines = [
        json.loads(line) for line in export(auditor, "jsonl", connection="billing").split("\n")[:-1]
    ]

    assert [line["sentence"] for line in lines] == [
        "Ada revoked Störung, “Q1”",
        "Ada renamed Störung, “Q1”",
        "Ada created Billing",
    ]
    event = Event.objects.get(action="connection.renamed")
    assert {name: lines[1][name] for name in exporting.SIGNED if name != "at"} == {
        name: getattr(event, name) for name in exporting.SIGNED if name != "at"
    }
    assert lines[1]["at"] == event.at.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def test_csv_holds_the_same(auditor, ada, connection):
    lifecycle.rename(connection, to='Two\nlines, "quoted"', by=ada)

    rows = list(csv.DictReader(io.StringIO(export(auditor, "csv", kind="connection.renamed"))))

    assert [(row["sentence"], row["fields"]) for row in rows] == [
        ('Ada renamed Two\nlines, "quoted"', "name")
    ]
    assert list(rows[0]) == [*exporting.SIGNED, "sentence"]


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t=", "\r=", " ="])
def test_no_cell_of_the_csv_is_a_formula(auditor, ada, connection, start):
    lifecycle.rename(connection, to=f"{start}cmd|' /C calc'!A0", by=ada)

    rows = csv.DictReader(
        io.StringIO(export(auditor, "csv", kind="connection.renamed"), newline="")
    )

    assert [row["object"][0] for row in rows] == ["'"]


@pytest.mark.parametrize("format", ["csv", "jsonl"])
def test_an_export_holds_all_events_but_no_more_than_fit(auditor, ada, monkeypatch, format):
    monkeypatch.setattr(exporting, "BATCH", 10)
    record_each("connection.edited", [(ada, [], {"n": n}) for n in range(35)], by=ada)
    record("connection.renamed", by=ada)

    lines = export(auditor, format, kind="connection.edited").splitlines()

    assert len(lines) == 35 + (format == "csv")


def test_nothing_fits_and_the_csv_has_its_heading_alone(auditor):
    assert len(export(auditor, "csv", outcome="failed").splitlines()) == 1
    assert export(auditor, "jsonl", outcome="failed") == ""


@pytest.mark.parametrize("url", ["csv?since=nonsense", "csv?person=nobody", "xlsx", "csv?kind=%00"])
def test_what_makes_no_sense_is_not_exported(auditor, url):
    assert auditor.get(f"/audit/export.{url}").status_code == 404


def test_memory_and_first_piece_do_not_grow_with_the_log(auditor, ada, monkeypatch):
    """What is kept is a batch: here a fiftieth of the events."""
    monkeypatch.setattr(exporting, "BATCH", 200)
    record_each("connection.edited", [(ada, ["name"], {"n": n}) for n in range(10_000)], by=ada)
    pieces = auditor.get(reverse("audit:export", args=["jsonl"])).streaming_content

    with CaptureQueriesContext(database) as queries:
        next(pieces)
    assert len(queries) == 1
    tracemalloc.start()
    size = sum(len(piece) for piece in pieces)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert size > 3_000_000
    assert peak < size / 2


@pytest.mark.django_db(transaction=True)
def test_an_export_that_cannot_be_put_on_record_is_not_made(auditor):
    with broken("full"):
        response = auditor.get(reverse("audit:export", args=["csv"]))

    assert (response.status_code, response.streaming) == (503, False)
