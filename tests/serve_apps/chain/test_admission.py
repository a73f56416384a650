"""The bound on questions under way: it opens while answers are in time and closes while they are not."""

from __future__ import annotations

import asyncio
import time
from contextlib import ExitStack

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from serve_apps.chain import admission as bounds
from serve_apps.chain.admission import (
    LATE_S,
    MAX_UNDER_WAY,
    MIN_UNDER_WAY,
    MIN_WHEN_LATE,
    START_UNDER_WAY,
    Admission,
    BusyError,
)
from serve_apps.chain.loop_lag import LoopLag

TIME_S = 0.15


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


class Clock:
    """A clock that goes when it is told to."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def capacity(admission: Admission) -> int:
    """How many more it lets in, by trying; those tried leave at once."""
    with ExitStack() as stack:
        for number in range(MAX_UNDER_WAY + 1):
            if admission.full:
                return number
            stack.enter_context(admission.one(0.0))
    raise AssertionError("no bound")


def ask(admission: Admission, clock: Clock, num: int, took_s: float, error: Exception | None = None) -> None:
    """So many at once, all answered, or failed, after so long."""
    with ExitStack() as stack:
        for _ in range(num):
            stack.enter_context(admission.one(TIME_S))
        clock.now += took_s
        if error is not None:
            raise error


def test_one_too_many_is_turned_away_and_one_that_left_makes_room() -> None:
    admission = Admission(now=Clock())
    with ExitStack() as stack:
        for _ in range(START_UNDER_WAY):
            stack.enter_context(admission.one(TIME_S))
        assert admission.full
        with pytest.raises(BusyError, match="128 requests wait"), admission.one(TIME_S):
            raise AssertionError("let in")
    assert not admission.full


def test_a_failure_inside_leaves_too() -> None:
    admission = Admission(now=Clock())
    for _ in range(START_UNDER_WAY + 1):
        with pytest.raises(ZeroDivisionError), admission.one(TIME_S):
            raise ZeroDivisionError


def test_answers_that_take_most_of_their_time_close_it_down_to_the_least() -> None:
    clock = Clock()
    admission = Admission(now=clock)
    ask(admission, clock, 100, 0.9 * TIME_S)
    assert capacity(admission) == int(0.9 * START_UNDER_WAY)  # once for all that were under way together
    for _ in range(20):
        ask(admission, clock, MIN_UNDER_WAY, 0.9 * TIME_S)
    assert capacity(admission) == MIN_UNDER_WAY


def test_answers_in_time_open_it_only_when_it_is_in_use() -> None:
    clock = Clock()
    admission = Admission(now=clock)
    for _ in range(1_000):
        ask(admission, clock, 1, 0.1 * TIME_S)
    assert capacity(admission) == START_UNDER_WAY
    for _ in range(10):
        ask(admission, clock, START_UNDER_WAY, 0.1 * TIME_S)
    assert START_UNDER_WAY < capacity(admission) < 1.2 * START_UNDER_WAY


def test_a_gateway_that_is_late_itself_keeps_to_one_batch() -> None:
    lag_s = [0.0]
    admission = Admission(lambda: lag_s[0], Clock())
    assert capacity(admission) == START_UNDER_WAY
    lag_s[0] = 2 * LATE_S
    assert capacity(admission) == MIN_WHEN_LATE
    lag_s[0] = 0.0
    assert capacity(admission) == START_UNDER_WAY


@pytest.mark.anyio
async def test_the_lag_of_a_loop_is_how_long_it_did_not_turn() -> None:
    lag = LoopLag()
    lag()
    await asyncio.sleep(0.05)
    time.sleep(0.3)
    assert lag() > 0.25  # the tick is due and has not come
    await asyncio.sleep(0)
    assert lag() > 0.25  # it has come, and says how late
    for _ in range(100):
        await asyncio.sleep(0.05)
        if lag() < 0.02:
            return
    raise AssertionError("it is late for good")


def test_what_fails_at_once_does_not_open_it() -> None:
    clock = Clock()
    admission = Admission(now=clock)
    for _ in range(10):
        with pytest.raises(ZeroDivisionError):
            ask(admission, clock, START_UNDER_WAY, 0.0, ZeroDivisionError())
    assert capacity(admission) == START_UNDER_WAY


def test_what_fails_late_closes_it() -> None:
    clock = Clock()
    admission = Admission(now=clock)
    with pytest.raises(TimeoutError):
        ask(admission, clock, 100, TIME_S, TimeoutError())
    assert capacity(admission) == int(0.9 * START_UNDER_WAY)


def test_times_that_nobody_can_meet_teach_nothing() -> None:
    clock = Clock()
    admission = Admission(now=clock)
    for _ in range(50):
        with admission.one(0.01):
            clock.now += 0.05
    assert capacity(admission) == START_UNDER_WAY


LEAST, MOST = START_UNDER_WAY - 6, START_UNDER_WAY + 6
"""Bounds so near that a few rounds reach them."""


@given(st.lists(st.tuples(st.sampled_from([10, MOST]), st.sampled_from([0.0, 2 * TIME_S])), max_size=50))
@example([(MOST, 0.0)] * 50)
@example([(MOST, 2 * TIME_S)] * 50)
@example([(MOST, 0.0)] * 25 + [(MOST, 2 * TIME_S)] * 25)
def test_it_stays_within_its_bounds_whatever_comes(rounds: list[tuple[int, float]]) -> None:
    clock = Clock()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bounds, "MIN_UNDER_WAY", LEAST)
        patch.setattr(bounds, "MAX_UNDER_WAY", MOST)
        admission = Admission(now=clock)
        for num, took_s in rounds:
            ask(admission, clock, min(num, capacity(admission)), took_s)
            assert LEAST <= capacity(admission) <= MOST
        if rounds == [(MOST, 0.0)] * 50:
            assert capacity(admission) == MOST
