"""Popularity as of a moment never counts what is in its period or after."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import ray.data
from hypothesis import given, settings
from hypothesis import strategies as st

from models.events import EventType
from models.vocabulary import Vocabulary
from pipelines.learning.data.counts_as_of import CountsAsOf, Periods
from pipelines.learning.data.item_counts import counts_as_of
from pipelines.learning.data.sequences import SEQUENCE
from pipelines.learning.data.split import Split
from pipelines.learning.impressions.ranking_facts import RankingFacts
from pipelines.learning.objectives.ranker import log_popularity
from pipelines.learning.warm.refresh import refresh_split
from tests.pipelines.learning.test_refresh import hashes

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


def test_a_log_of_one_day_has_periods_too() -> None:
    noon = DAY_US // 2
    periods = Periods.of(noon, noon + 6_300)
    assert periods == Periods(noon, 99, 64)
    assert (noon + 6_300 - periods.start_us) // periods.length_us == 63


def dataset(*users: tuple[str, str, list[int]]) -> ray.data.Dataset:
    """Clicks of a user on items of one letter each, at so many µs."""
    rows = [
        {
            "user_id": user,
            "item_ids": list(items),
            "event_types": [EventType.CLICK.value] * len(items),
            "timestamps_us": moments,
            "countries": [None] * len(items),
        }
        for user, items, moments in users
    ]
    return ray.data.from_arrow([pa.Table.from_pylist([row], schema=SEQUENCE) for row in rows])


@pytest.mark.slow
def test_popularity_grows_within_a_day_and_not_within_a_moment(ray_session: None) -> None:
    items, a = Vocabulary(["a", "b"]), np.zeros(1, np.int64)
    counts = counts_as_of(dataset(("u", "ab", [50, 60]), ("v", "a", [90])), Split("none"), items)
    assert counts is not None
    moments = np.asarray([50, 51, 90, 91, 10**9])
    assert np.expm1(counts.log_counts(a, moments)).round().tolist() == [0, 1, 1, 2, 2]
    assert counts_as_of(dataset(("u", "ab", [50, 50]), ("v", "a", [50])), Split("none"), items) is None
    # Events that only test are of other moments, and count nothing.
    held_out = Split("time", validation_us=51, test_us=51)
    assert counts_as_of(dataset(("u", "ab", [50, 60]), ("v", "a", [50])), held_out, items) is None


@pytest.mark.slow
def test_what_an_incremental_run_does_not_repeat_counts_too(ray_session: None) -> None:
    split = refresh_split(Split("none"), Split("none"), hashes([("u", "b", 60)]))
    counts = counts_as_of(dataset(("u", "ab", [50, 60])), split, Vocabulary(["a", "b"]))
    assert counts is not None
    assert np.expm1(counts.log_counts(np.asarray([0, 1]), np.asarray([99]))).round().tolist() == [1, 1]


@pytest.mark.parametrize(("from_exposures", "expected"), [(True, [0.0, 0.0]), (False, [1.0, 2.0])])
def test_without_moments_a_total_is_shown_to_events_and_not_to_the_clicks_that_are_in_it(
    from_exposures: bool, expected: list[float]
) -> None:
    features: Any = SimpleNamespace(log_popularity=np.asarray([1.0, 2.0], np.float32))
    known: Any = SimpleNamespace(features=features, ranking=RankingFacts(10, from_exposures))
    assert log_popularity(known, np.asarray([0, 1]), np.zeros(2, np.int64)).tolist() == expected
    assert known.ranking.knows_popularity is not from_exposures
