"""Pages by key, compared with a plain sorted list."""

import base64
import json
from datetime import datetime, timedelta

import pytest
from django.db.models.functions import Lower
from django.http import QueryDict
from django.utils import timezone
from hypothesis import HealthCheck, given
from hypothesis import settings as examples
from hypothesis import strategies as st

from connhub.accounts.models import User
from connhub.paging import Order, page

pytestmark = pytest.mark.django_db

few = examples(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
names = st.lists(st.sampled_from(["", "a", "A", "b", "B", "ab", "c'", "d%"]), max_size=12)
sizes = st.integers(1, 5)

ORDERS = [
    Order("name", Lower("name"), "email"),
    Order("name", Lower("name"), "email", descending=True),
    Order("newest", "joined_at", "pk", descending=True),
    Order("oldest", "joined_at", "pk"),
    Order("number", "pk", "pk", descending=True),
]
START = timezone.make_aware(datetime(2030, 1, 1))


def people(names):
    User.objects.all().delete()
    User.objects.bulk_create(
        User(
            name=name,
            email=f"{number:02}@acme.example",
            joined_at=START + timedelta(days=len(name)),
        )
        for number, name in enumerate(names)
    )


def expected(order):
    """Everybody, sorted in Python."""
    key = {"email": lambda row: (row.name.lower(), row.email)}.get(order.unique)
    if order.key == "joined_at":
        key = lambda row: (row.joined_at, row.pk)  # noqa: E731
    rows = sorted(User.objects.all(), key=key or (lambda row: row.pk), reverse=order.descending)
    return [row.pk for row in rows]


def walk(order, size):
    """Every page from the first to the last, and back again."""
    forwards = [page(User.objects.all(), order, {}, size)]
    while forwards[-1].older:
        forwards.append(page(User.objects.all(), order, {"before": forwards[-1].older}, size))
    backwards = [forwards[-1]]
    while backwards[-1].newer:
        backwards.append(page(User.objects.all(), order, {"after": backwards[-1].newer}, size))
    return forwards, backwards[::-1]


def flat(pages):
    return [row.pk for one in pages for row in one.rows]


@pytest.mark.parametrize("order", ORDERS, ids=lambda order: f"{order.label}-{order.descending}")
@few
@given(names=names, size=sizes)
def test_a_walk_sees_every_row_once_there_and_back(order, names, size):
    people(names)

    forwards, backwards = walk(order, size)

    assert flat(forwards) == expected(order)
    assert flat(backwards) == expected(order)
    assert all(len(one.rows) <= size for one in forwards + backwards)


def test_the_first_page_has_none_before_it_and_the_last_none_after_it():
    people("abcde")

    forwards, _ = walk(ORDERS[0], 2)

    assert [(bool(one.newer), bool(one.older)) for one in forwards] == [
        (False, True), (True, True), (True, False),
    ]  # fmt: skip


def test_a_list_that_fits_on_a_page_has_no_neighbours():
    people("abc")

    only = page(User.objects.all(), ORDERS[0], {}, 3)

    assert (len(only.rows), only.newer, only.older) == (3, "", "")


def test_a_row_that_joins_or_goes_meanwhile_moves_no_other():
    people("abcdef")
    first = page(User.objects.all(), ORDERS[0], {}, 2)
    User.objects.filter(name="b").delete()
    User.objects.create(name="aa", email="new@acme.example")

    second = page(User.objects.all(), ORDERS[0], {"before": first.older}, 2)

    assert [row.name for row in second.rows] == ["c", "d"]


def cursor(value):
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


GARBAGE = [
    "",
    "x",
    "é",
    "\0",
    "====",
    "!" * 5000,
    cursor([]),
    cursor(["a"]),
    cursor(["a", "b", "c"]),
    cursor({"a": 1}),
    cursor([None, None]),
    cursor([["a"], "b"]),
    cursor([1.5, 2]),
    cursor(["a\0", "b"]),
    cursor(["a", "b\0"]),
    cursor(["\ud800", "b"]),
    "W1tb" * 3000,
]


@pytest.mark.parametrize("way", ["before", "after"])
@pytest.mark.parametrize("order", ORDERS, ids=lambda order: f"{order.label}-{order.descending}")
@pytest.mark.parametrize("garbage", GARBAGE, ids=range(len(GARBAGE)))
def test_a_cursor_that_makes_no_sense_gives_the_first_page(order, way, garbage):
    people("abcde")

    assert page(User.objects.all(), order, {way: garbage}, 2) == page(
        User.objects.all(), order, {}, 2
    )


@pytest.mark.parametrize("way", ["before", "after"])
@few
@given(
    text=st.text(max_size=60)
    | st.lists(
        st.text(max_size=5) | st.integers() | st.integers(2**62, 2**80) | st.booleans(),
        min_size=2,
        max_size=2,
    ).map(cursor)
)
def test_no_cursor_breaks_the_page(way, text):
    people("abc")

    for order in ORDERS:
        page(User.objects.all(), order, {way: text}, 2)


def test_with_both_cursors_one_of_them_counts():
    people("abcdef")
    second = page(
        User.objects.all(),
        ORDERS[0],
        {"before": page(User.objects.all(), ORDERS[0], {}, 2).older},
        2,
    )

    third = page(User.objects.all(), ORDERS[0], QueryDict(f"after=&before={second.older}"), 2)

    assert [row.name for row in third.rows] == ["e", "f"]
