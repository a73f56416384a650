"""Each expected number is worked out beside it."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.metrics import catalogue_coverage, hit_rate, ndcg, ranks_of_relevant, recall, reciprocal_rank


def ranks(*values: int) -> np.ndarray:
    return np.asarray(values, dtype=np.int64)


def test_ranks_count_a_repeated_item_once() -> None:
    assert ranks_of_relevant(["a", "b", "b", "c"], {"b", "c"}).tolist() == [1, 3]


def test_hit_rate_looks_at_the_first_k_only() -> None:
    assert hit_rate(ranks(9), 10) == 1.0
    assert hit_rate(ranks(10), 10) == 0.0
    assert hit_rate(ranks(-1), 10) == 0.0


def test_recall_is_a_share_of_all_relevant() -> None:
    # Two of four relevant items are among the first three.
    assert recall(ranks(0, 2, 7), 4, 3) == pytest.approx(0.5)


def test_ndcg_by_hand() -> None:
    # Hits at ranks 0 and 2: 1/log2(2) + 1/log2(4) = 1.5; ideal for two: 1 + 1/log2(3) = 1.63093.
    assert ndcg(ranks(0, 2), 2, 10) == pytest.approx(1.5 / (1 + 1 / math.log2(3)))


def test_reciprocal_rank_takes_the_best() -> None:
    assert reciprocal_rank(ranks(4, 1), 10) == pytest.approx(0.5)
    assert reciprocal_rank(ranks(), 10) == 0.0


def test_coverage_counts_distinct_items_of_the_first_k() -> None:
    assert catalogue_coverage([["a", "b"], ["a", "c"]], 4, 1) == pytest.approx(0.25)


@given(st.lists(st.integers(0, 50), unique=True, min_size=1, max_size=20), st.integers(1, 30))
def test_bounds_and_monotony(positions: list[int], k: int) -> None:
    found = ranks(*sorted(positions))
    n = len(positions)
    for value in (hit_rate(found, k), recall(found, n, k), ndcg(found, n, k), reciprocal_rank(found, k)):
        assert 0.0 <= value <= 1.0
    assert recall(found, n, k) <= recall(found, n, k + 1)
    assert hit_rate(found, k) >= recall(found, n, k)
