"""What a limit lets through, whoever asks and however the clock runs."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connhub.usage.rates.counting import Ask, Counter, Rate, read_rate

START = 1_200_000.0  # seconds; the beginning of a minute


def taken(counter, rate, *moments, wanted=1):
    """How many calls pass of those that are asked for at the moments."""
    asks = [(Ask("key", rate, wanted), START + moment) for moment in moments]
    return sum(counter.answer(ask, at).granted for ask, at in asks)


@pytest.mark.parametrize(
    ("text", "rate"), [("10/second", (10, 1)), ("6000/minute", (6000, 60)), ("1/day", (1, 86400))]
)
def test_rate_is_read_as_it_is_written(text, rate):
    assert read_rate(text) == Rate(*rate)


def test_as_many_pass_as_the_limit_says():
    assert taken(Counter(), Rate(10, 60), *range(50)) == 10


def test_the_window_slides():
    counter, rate = Counter(), Rate(10, 60)

    taken(counter, rate, *[59] * 10)

    assert taken(counter, rate, *[60] * 10) == 0
    assert taken(counter, rate, *[90] * 10) == 5


def test_after_two_windows_all_is_forgotten():
    counter, rate = Counter(), Rate(10, 60)

    taken(counter, rate, *[0] * 10)

    assert taken(counter, rate, *[121] * 20) == 10


@pytest.mark.parametrize("moment", [0, 30, 59.5, 61, 100])
def test_there_is_room_after_the_wait_and_not_before(moment):
    counter, rate = Counter(), Rate(10, 60)
    taken(counter, rate, *[moment] * 10)

    wait_s = counter.answer(Ask("key", rate, 1), START + moment).wait_s

    assert taken(counter, rate, moment + wait_s - 0.01) == 0
    assert taken(counter, rate, moment + wait_s + 0.01) == 1


def test_only_a_part_of_the_room_is_given_at_once_and_the_last_calls_singly():
    counter, rate = Counter(), Rate(1000, 60)

    first = taken(counter, rate, 0, wanted=1000)
    rest = [taken(counter, rate, 1, wanted=1000) for _ in range(200)]

    assert first == 62
    assert first + sum(rest) == 1000
    assert [each for each in rest if each][-16:] == [1] * 16


def test_what_is_given_back_can_be_had_by_others():
    counter, rate = Counter(), Rate(10, 60)
    taken(counter, rate, *[0] * 10)

    counter.answer(Ask("key", rate, 0, unused=3, window=int(START // 60)), START + 1)

    assert taken(counter, rate, *[2] * 10) == 3


def test_what_was_let_through_without_leave_counts():
    counter, rate = Counter(), Rate(10, 60)

    counter.answer(Ask("key", rate, 0, spent=7), START)

    assert taken(counter, rate, *[1] * 10) == 3


def test_clock_set_back_a_little_gives_no_second_window():
    counter, rate = Counter(), Rate(10, 60)

    taken(counter, rate, *[60] * 10)

    assert taken(counter, rate, *[59] * 10) == 0


@given(
    st.integers(1, 40),
    st.lists(st.tuples(st.floats(0, 400), st.integers(1, 50)), max_size=60),
)
def test_never_more_than_the_limit_in_a_window_nor_in_what_slides(amount, asked):
    counter, rate = Counter(), Rate(amount, 60)
    by_window: dict[int, int] = {}
    for moment, wanted in sorted(asked):
        window, gone = divmod(moment, 60)
        granted = taken(counter, rate, moment, wanted=wanted)
        by_window[window] = by_window.get(window, 0) + granted
        before = by_window.get(window - 1, 0) * (1 - gone / 60)

        assert by_window[window] <= amount
        assert not granted or by_window[window] + before < amount + 1 + 1e-6
