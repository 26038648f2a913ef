import pytest

from connhub.usage.problems import RateLimited
from connhub.usage.rates import Limit

START = 1_200_000.0  # seconds; the beginning of a minute


def taken(limit, *moments, who="key"):
    """How many of the calls pass."""
    passed = 0
    for moment in moments:
        try:
            limit.take(who, START + moment)
        except RateLimited:
            continue
        passed += 1
    return passed


def test_as_many_pass_as_the_limit_says():
    assert taken(Limit("3/minute"), *range(10)) == 3


def test_each_key_has_its_own_limit():
    limit = Limit("3/minute")

    assert (taken(limit, 1, 2, 3, 4), taken(limit, 1, 2, 3, 4, who="other")) == (3, 3)


def test_the_window_slides():
    limit = Limit("10/minute")

    taken(limit, *[59] * 10)

    assert taken(limit, *[60] * 10) == 0
    assert taken(limit, *[90] * 10) == 5


def test_after_two_windows_all_is_forgotten():
    limit = Limit("10/minute")

    taken(limit, *[0] * 10)

    assert taken(limit, *[121] * 20) == 10


@pytest.mark.parametrize("moment", [0, 30, 59.5, 61, 100])
def test_after_the_wait_there_is_room(moment):
    limit = Limit("10/minute")
    taken(limit, *[moment] * 10)

    with pytest.raises(RateLimited) as refused:
        limit.take("key", START + moment)

    assert taken(limit, moment + refused.value.wait_s) == 1


def test_counters_do_not_pile_up(monkeypatch):
    monkeypatch.setattr("connhub.usage.rates.MOST_COUNTERS", 100)
    limit = Limit("10/minute")

    for number in range(1000):
        taken(limit, 0, who=number)

    assert len(limit._counters) <= 100
