"""Metrics of ranked lists. Each expected number is worked out beside it."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.metrics import (
    average_precision,
    candidate_ranks,
    catalogue_coverage,
    category_vectors,
    gini,
    hit_matrix,
    hit_rate,
    hits_at,
    intra_list_diversity,
    ndcg,
    novelty,
    precision,
    recall,
    reciprocal_rank,
)

NAN = float("nan")


def hits(*positions: int, width: int = 20) -> np.ndarray:
    """One list with hits at the 0-based positions."""
    row = np.zeros((1, width), bool)
    row[0, list(positions)] = True
    return row


def num(*values: int) -> np.ndarray:
    return np.asarray(values, np.int64)


def test_a_repeated_or_seen_item_earns_nothing_but_takes_its_place() -> None:
    # b hits at 1, its repeat at 2 does not; d is relevant but was seen; c is hit at 4.
    found = hit_matrix([["a", "b", "b", "d", "c"]], [{"b", "c", "d"}], [{"d"}], width=5)
    assert found.tolist() == [[False, True, False, False, True]]


def test_hits_stop_at_the_width_and_at_the_end_of_a_short_list() -> None:
    assert hit_matrix([["a", "b"], ["b"]], [{"b"}, {"b"}], [set(), set()], width=1).tolist() == [[False], [True]]
    assert hit_matrix([], [], [], width=3).shape == (0, 3)


def test_hit_rate_looks_at_the_first_k_only() -> None:
    assert hit_rate(hits(9), 10).tolist() == [1.0]
    assert hit_rate(hits(10), 10).tolist() == [0.0]
    assert hit_rate(hits(), 10).tolist() == [0.0]


def test_recall_is_a_share_of_all_relevant() -> None:
    # Two of four relevant items are among the first three.
    assert recall(hits(0, 2, 7), num(4), 3).tolist() == [0.5]
    assert recall(hits(), num(0), 3).tolist() == [0.0]


def test_precision_is_a_share_of_the_positions() -> None:
    # Two of the first five positions; a list of two items asked for five has three empty ones.
    assert precision(hits(0, 2, 7), 5).tolist() == [2 / 5]
    assert precision(hits(0, 1, width=2), 5).tolist() == [2 / 5]


def test_ndcg_by_hand() -> None:
    # Hits at ranks 0 and 2: 1/log2(2) + 1/log2(4) = 1.5; ideal for two: 1 + 1/log2(3) = 1.63093.
    assert ndcg(hits(0, 2), num(2), 10)[0] == pytest.approx(1.5 / (1 + 1 / math.log2(3)))
    # Three relevant items but k = 2: the ideal is that of two.
    assert ndcg(hits(0, 1), num(3), 2)[0] == pytest.approx(1.0)
    assert ndcg(hits(), num(0), 10).tolist() == [0.0]


def test_reciprocal_rank_takes_the_best() -> None:
    assert reciprocal_rank(hits(1, 4), 10).tolist() == [0.5]
    assert reciprocal_rank(hits(10), 10).tolist() == [0.0]


def test_average_precision_by_hand() -> None:
    # Hits at 1-based ranks 1, 3, 6: precisions 1/1, 2/3, 3/6, sum 2.1667, over min(4, 10) = 4.
    assert average_precision(hits(0, 2, 5), num(4), 10)[0] == pytest.approx((1 + 2 / 3 + 1 / 2) / 4)
    # Five relevant items, k = 2, both positions hit: (1/1 + 2/2) / min(5, 2) = 1.
    assert average_precision(hits(0, 1), num(5), 2).tolist() == [1.0]


def test_coverage_is_a_share_of_the_catalogue() -> None:
    # Items 0 and 2 of four were shown.
    assert catalogue_coverage(num(3, 0, 1, 0)) == 0.5
    assert catalogue_coverage(num()) == 0.0


def test_gini_by_hand() -> None:
    assert gini(num(2, 2, 2, 2)) == 0.0
    # Sorted 0, 0, 0, 8; weights −3, −1, 1, 3: 3·8 / (4·8) = 3/4, the most that four items allow.
    assert gini(num(0, 8, 0, 0)) == 0.75
    # Sorted 1, 3; weights −1, 1: 2 / (2·4) = 1/4.
    assert gini(num(3, 1)) == 0.25
    assert gini(num(0, 0)) == 0.0


def test_novelty_is_mean_self_information() -> None:
    # Counts 3 and 0 of two items, smoothed: p = 4/5 and 1/5; information log2(5/4) and log2(5).
    rows = np.asarray([[0, 1], [1, -1], [-1, -1]])
    expected = [(math.log2(5 / 4) + math.log2(5)) / 2, math.log2(5), NAN]
    assert novelty(rows, num(3, 0), 2) == pytest.approx(expected, nan_ok=True)


def test_diversity_is_mean_distance_of_pairs() -> None:
    # Items 0 and 1 point the same way (lengths differ), item 2 is orthogonal: distances 0, 1, 1, mean 2/3.
    vectors = np.asarray([[1, 0], [5, 0], [0, 2], [0, 0]], np.float32)
    rows = np.asarray([[0, 1, 2], [0, 1, -1], [0, -1, -1], [0, 1, 3]])
    # The last list: 0 and 1 alike, the zero vector unlike both.
    assert intra_list_diversity(rows, vectors, 3) == pytest.approx([2 / 3, 0.0, NAN, 2 / 3], nan_ok=True)
    assert intra_list_diversity(rows, vectors, 2)[0] == pytest.approx(0.0)


def test_category_sets_stand_in_for_vectors() -> None:
    # {a} and {a, b}: cosine 1/√2.
    vectors = category_vectors([["a"], ["a", "b"], []])
    assert intra_list_diversity(np.asarray([[0, 1]]), vectors, 2)[0] == pytest.approx(1 - 1 / math.sqrt(2))


def test_ties_and_missing_scores_count_against_the_model() -> None:
    relevant = np.asarray([0.5, NAN, 0.5], np.float32)
    candidates = np.asarray([0.9, 0.5, 0.1, 0.3, NAN, NAN, 0.4], np.float32)
    owner = num(0, 0, 0, 1, 1, 2, 2)
    # First: 0.9 above and 0.5 tied. Second: no score, so both others come first, even the one without a score.
    # Third: neither the missing score nor 0.4 is above.
    assert candidate_ranks(relevant, candidates, owner).tolist() == [2, 2, 0]


def test_hits_of_one_rank() -> None:
    assert hits_at(num(0, 2, 9), 3).tolist() == [[True, False, False], [False, False, True], [False, False, False]]


@given(st.lists(st.integers(0, 19), unique=True, min_size=1, max_size=20), st.integers(1, 19))
def test_bounds_and_monotony(positions: list[int], k: int) -> None:
    found, n = hits(*positions), num(len(positions))
    values = {
        "hit_rate": hit_rate(found, k),
        "recall": recall(found, n, k),
        "precision": precision(found, k),
        "ndcg": ndcg(found, n, k),
        "mrr": reciprocal_rank(found, k),
        "map": average_precision(found, n, k),
    }
    for value in values.values():
        assert 0.0 <= value[0] <= 1.0 + 1e-12
    assert recall(found, n, k) <= recall(found, n, k + 1)
    assert values["hit_rate"] >= values["recall"]
    assert average_precision(hits(*range(k)), num(k + 5), k) == pytest.approx(1.0)
