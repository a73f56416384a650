"""Popularity as of a moment never counts what is in its period or after."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.learning.data.counts_as_of import CountsAsOf, Periods

DAY_US = 86_400_000_000

events = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 99)), min_size=1, max_size=40)
"""(item, day) of each."""


@settings(deadline=None)
@given(events, st.integers(0, 3), st.integers(-5, 120))
def test_only_earlier_periods_count(log: list[tuple[int, int]], item: int, day: int) -> None:
    days = [at for _, at in log]
    periods = Periods.of(min(days) * DAY_US, max(days) * DAY_US)
    rows = np.asarray([row for row, _ in log])
    period = (np.asarray(days) * DAY_US - periods.start_us) // periods.length_us
    assert period.max() < periods.num <= 64
    counts = CountsAsOf(periods, rows, period, np.ones(len(log), np.int64))
    now = day * DAY_US + 5
    start = periods.start_us + (now - periods.start_us) // periods.length_us * periods.length_us
    before = [row for row, at in log if row == item and at * DAY_US < start]
    assert counts.log_counts(np.asarray([item]), np.asarray([now])) == pytest.approx(np.log1p(len(before)))


def test_items_and_moments_broadcast() -> None:
    counts = CountsAsOf(Periods(0, DAY_US, 3), np.asarray([1, 0, 1]), np.asarray([0, 1, 1]), np.asarray([2, 5, 1]))
    found = np.expm1(counts.log_counts(np.asarray([[0, 1, 2]]), np.asarray([[0], [DAY_US], [9 * DAY_US]])))
    assert found.round().tolist() == [[0, 0, 0], [0, 2, 0], [5, 3, 0]]
