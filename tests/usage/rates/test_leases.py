"""Many processes with one limit, in every order that they may ask, be answered and be called in."""

from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connhub.usage.problems import RateLimited
from connhub.usage.rates import leases as module
from connhub.usage.rates.counting import Ask, Counter, Rate
from connhub.usage.rates.leases import Leases

START = 1_200_000.0  # of the shared clock; the beginning of a minute
KEY = "key"


@dataclass
class Process:
    """One whose own clock shows something else, and whose asks take their time."""

    leases: Leases
    ahead_s: float
    asks: list[tuple[Ask, float]] = field(default_factory=list)

    def clock(self, at: float) -> float:
        return at - START + self.ahead_s


class World:
    """Processes around one shared count; what they let through is noted by its true time."""

    def __init__(self, rate: Rate, ahead: list[float]) -> None:
        self.rate, self.counter, self.at = rate, Counter(), START
        self.processes = [Process(Leases("key", rate), s) for s in ahead]
        self.passed: list[float] = []

    def call(self, process: Process) -> None:
        now = process.clock(self.at)
        try:
            if process.leases.take(KEY, now):
                self.passed.append(self.at)
            else:
                process.asks.append((process.leases.ask(KEY, now), now))
        except RateLimited:
            pass

    def answer(self, process: Process, *, then: float, lost: bool) -> None:
        """The oldest ask reaches the count now, its answer comes some time later or never."""
        if not process.asks:
            return
        ask, asked_at = process.asks.pop(0)
        answer = self.counter.answer(ask, self.at)
        self.at += then
        if lost:
            process.leases.lost(KEY, ask)
        elif ask.wanted:
            process.leases.settle(KEY, answer, asked_at)

    def give_back(self, process: Process) -> None:
        now = process.clock(self.at)
        process.asks += [(ask, now) for _, ask in process.leases.give_back(now)]

    def in_window(self, window: int) -> int:
        return sum(int((at - START) // self.rate.window_s) == window for at in self.passed)


ACTS = st.tuples(
    st.sampled_from(["call", "call", "call", "answer", "answer", "lost", "give back"]),
    st.integers(0, 3),
    st.floats(0, 20),
)


@given(
    st.integers(1, 60),
    st.lists(st.floats(-1e6, 1e6), min_size=4, max_size=4),
    st.lists(ACTS, max_size=300),
)
def test_together_they_never_let_more_through_than_the_limit(amount, ahead, acts):
    world = World(Rate(amount, 60), ahead)
    for act, number, seconds in acts:
        process = world.processes[number]
        match act:
            case "call":
                world.call(process)
                world.at += seconds / 100
            case "answer" | "lost":
                world.answer(process, then=seconds, lost=act == "lost")
            case "give back":
                world.at += seconds
                world.give_back(process)

    windows = range(int((world.at - START) // 60) + 1)
    assert all(world.in_window(window) <= amount for window in windows)


@given(st.integers(1, 300), st.lists(st.integers(0, 3), min_size=1, max_size=30))
def test_together_they_let_through_all_that_the_limit_allows(amount, order):
    """Whoever is called, all are until all refuse: nothing is lost within a window."""
    world = World(Rate(amount, 60), [0.0, 5.0, -300.0, 1e5])
    for number in (order * 2000)[:2000]:
        world.call(world.processes[number])
        world.answer(world.processes[number], then=0.0, lost=False)
    for process in world.processes:
        for _ in range(2 * amount):
            world.call(process)
            world.answer(process, then=0.0, lost=False)

    assert world.in_window(0) == amount


def leased(amount: int = 1000, calls: int = 1) -> World:
    world = World(Rate(amount, 60), [0.0])
    for _ in range(2 * calls):
        world.call(world.processes[0])
        world.answer(world.processes[0], then=0.001, lost=False)
    return world


def test_a_block_is_taken_at_once_and_asked_for_again_when_half_of_it_is_used():
    leases = leased().processes[0].leases

    low = [leases.take(KEY, 1.0).is_low for _ in range(7)]

    assert low == [False, False, False, True, True, True, True]


def test_who_calls_more_gets_larger_blocks():
    world = World(Rate(100_000, 60), [0.0])
    process = world.processes[0]
    wanted = []
    for _ in range(4):
        world.call(process)
        wanted.append(process.asks[-1][0].wanted)
        world.answer(process, then=0.001, lost=False)
        while process.leases.take(KEY, process.clock(world.at)):
            world.at += 0.001

    assert wanted[0] == module.LEAST
    assert wanted[1] > 100
    assert wanted[3] == pytest.approx(1000, rel=0.1)


def test_leave_ends_with_its_window():
    leases = leased().processes[0].leases

    assert leases.take(KEY, 59.9) is not None
    assert leases.take(KEY, 60.0) is None


def test_what_is_not_used_is_given_back_and_then_all_is_forgotten():
    leases = leased().processes[0].leases

    early = leases.give_back(9)
    [(_, ask)] = leases.give_back(11)
    late = leases.give_back(11 + 3 * 60)

    assert (early, ask.wanted, ask.unused, late) == ([], 0, 7, [])
    assert not leases._leases


def test_refusal_says_when_there_is_room_and_the_count_is_asked_again_before_long():
    world = leased(amount=2, calls=4)
    leases = world.processes[0].leases

    with pytest.raises(RateLimited) as refused:
        leases.take(KEY, 1.0)

    assert refused.value.wait_s == 60
    assert leases.take(KEY, 6.0) is None  # somebody may have given some back


def test_alone_each_process_lets_its_share_through_and_owns_up_to_it(settings):
    settings.WEB_PROCESSES = 4
    leases = Leases("key", Rate(40, 3600))
    for _ in range(10):
        leases.take_alone(KEY)

    with pytest.raises(RateLimited):
        leases.take_alone(KEY)

    assert leases.ask(KEY, 0.0).spent == 10
    assert leases.ask(KEY, 0.0).spent == 0


def test_what_nobody_heard_of_is_said_again():
    leases = Leases("key", Rate(40, 3600))
    leases.take_alone(KEY)

    leases.lost(KEY, leases.ask(KEY, 0.0))

    assert leases.ask(KEY, 0.0).spent == 1
