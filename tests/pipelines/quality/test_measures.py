"""The parts of the data report: bounded samples of keys, and the index of drift."""

from __future__ import annotations

import math

import numpy as np
import polars as pl
import pytest

from pipelines.quality.drift import category_drift, popularity_drift, stability_index
from pipelines.quality.key_sample import KeySample


def keys(values: np.ndarray) -> pl.DataFrame:
    return pl.DataFrame({"id": values}).select(pl.col("id").hash(1).alias("key"), pl.lit(1, pl.Int64).alias("num"))


def test_few_keys_are_counted_exactly() -> None:
    sample = KeySample(["num"], max_keys=10)
    for _ in range(20):
        sample.add(keys(np.arange(10)))
    assert (sample.level, sample.num_keys) == (0, 10)
    assert sample.sums()["num"].to_list() == [20] * 10


def test_many_keys_are_sampled_with_all_that_is_theirs() -> None:
    """100,000 keys, of which every tenth comes twice, in any order, and room for 5,000."""
    values = np.random.default_rng(1).permutation(np.concatenate([np.arange(100_000), np.arange(0, 100_000, 10)]))
    sample = KeySample(["num"], max_keys=5_000)
    for some in np.array_split(values, 40):
        sample.add(keys(some))
    sums = sample.sums()
    assert len(sums) <= 5_000
    assert 1 << sample.level in (32, 64)
    assert sample.num_keys == pytest.approx(100_000, rel=0.08)
    assert (sums["num"] == 2).mean() == pytest.approx(0.1, abs=0.02)
    assert set(sums["num"]) == {1, 2}


def test_the_index_is_that_of_the_formula() -> None:
    # Shares 0.25, 0.75 against 0.5, 0.5 (half an event added to 10,000 does not show):
    # (0.25 - 0.5) ln(0.25 / 0.5) + (0.75 - 0.5) ln(0.75 / 0.5) = 0.25 ln 2 + 0.25 ln 1.5 = 0.25 ln 3
    assert stability_index(np.array([5_000, 5_000]), np.array([2_500, 7_500])) == pytest.approx(
        0.25 * math.log(3), abs=1e-3
    )
    assert stability_index(np.array([7, 3]), np.array([7, 3])) == 0.0
    assert math.isfinite(stability_index(np.array([0, 10]), np.array([10, 0])))


def test_categories_past_the_first_twenty_are_one() -> None:
    many = pl.DataFrame({"last_week": [1_000] * 20 + [1] * 500, "this_week": [1_000] * 20 + [1] * 500})
    moved = many.with_columns(this_week=pl.Series([1_000] * 20 + [2, 0] * 250))
    assert category_drift(many) == category_drift(moved) == 0.0
    assert category_drift(many.with_columns(this_week=pl.Series([0] * 10 + [2_000] * 10 + [1] * 500))) > 1


def test_items_are_compared_by_how_popular_they_were() -> None:
    before = [100, 50, 50] + [10] * 20  # 400 in all; the first buckets end at 100, 200, …
    same = pl.DataFrame({"earlier": before, "last_week": before, "this_week": before})
    assert popularity_drift(same) == 0.0
    # Items swap places within their bucket: nothing has changed.
    assert popularity_drift(same.with_columns(this_week=pl.Series([100, 50, 50] + [20, 0] * 10))) < 0.01
    new = pl.concat([same, pl.DataFrame({"earlier": [0], "last_week": [0], "this_week": [400]})])
    assert popularity_drift(new) > 1  # half of this week's events are of an item never seen before
