"""Metrics of scored pairs. Each expected number is worked out beside it."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.metrics import (
    against_the_model,
    auc,
    expected_calibration_error,
    log_loss,
    mean,
    reliability,
    sigmoid,
    user_auc,
)

NAN = float("nan")


def labels(text: str) -> np.ndarray:
    return np.asarray([letter == "+" for letter in text], bool)


def scores(*values: float) -> np.ndarray:
    return np.asarray(values, np.float64)


def test_auc_by_hand() -> None:
    # Positives 0.8 and 0.3, negatives 0.5 and 0.3: 0.8 wins twice, 0.3 loses once and ties once: 2.5 of 4.
    assert auc(labels("+-+-"), scores(0.8, 0.5, 0.3, 0.3)) == pytest.approx(2.5 / 4)
    assert auc(labels("--++"), scores(1, 2, 3, 4)) == 1.0
    assert auc(labels("+-+-"), scores(7, 7, 7, 7)) == 0.5


def test_auc_of_one_class_or_of_nothing_is_none() -> None:
    assert math.isnan(auc(labels("++"), scores(1, 2)))
    assert math.isnan(auc(labels(""), scores()))


def test_group_auc_weighs_users_by_their_pairs_and_leaves_out_users_of_one_class() -> None:
    # User 0: + above −: 1. User 1: one of two wins, 1/2, three pairs. User 2: positives only. User 3: no pair.
    found = user_auc(labels("+-+--++"), scores(2, 1, 5, 6, 4, 1, 1), np.asarray([0, 0, 1, 1, 1, 2, 2]), 4)
    assert found == pytest.approx([1.0, 0.5, NAN, NAN], nan_ok=True)
    # (2·1 + 3·0.5) / 5
    assert mean(found, np.asarray([2.0, 3.0, 2.0, 0.0])) == pytest.approx(3.5 / 5)


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 4)), min_size=1, max_size=30))
def test_auc_is_the_share_of_pairs_won(pairs: list[tuple[bool, int]]) -> None:
    positive = [score for label, score in pairs if label]
    negative = [score for label, score in pairs if not label]
    won = [1.0 if p > n else 0.5 if p == n else 0.0 for p in positive for n in negative]
    expected = sum(won) / len(won) if won else NAN
    found = auc(np.asarray([label for label, _ in pairs]), scores(*(score for _, score in pairs)))
    assert found == pytest.approx(expected, nan_ok=True)


def test_missing_scores_are_worse_than_any_and_worse_than_chance() -> None:
    missing = np.full(4, NAN, np.float32)
    assert auc(labels("+-+-"), against_the_model(labels("+-+-"), missing)) == 0.0
    assert against_the_model(labels("+-+"), np.asarray([NAN, NAN, 2], np.float32)).tolist() == [-np.inf, np.inf, 2.0]


def test_log_loss_by_hand() -> None:
    # −ln 0.8 for what happened, −ln(1 − 0.25) for what did not.
    assert log_loss(labels("+-"), scores(0.8, 0.25)) == pytest.approx([-math.log(0.8), -math.log(0.75)])
    # A certain mistake costs −ln 1e-7 and no more.
    assert log_loss(labels("+"), sigmoid(scores(-np.inf))) == pytest.approx([-math.log(1e-7)])


def test_sigmoid_of_the_extremes() -> None:
    assert sigmoid(scores(-np.inf, -1_000, 0, math.log(3), np.inf)) == pytest.approx([0, 0, 0.5, 0.75, 1])


def test_calibration_error_by_hand() -> None:
    # Two bins. Lower: 0.1 and 0.3, one of two happened: |1/2 − 0.2| = 0.3. Upper: 0.9, happened: 0.1.
    bins = reliability(labels("-++"), scores(0.1, 0.3, 0.9), num_bins=2)
    assert bins.num_pairs == (2, 1)
    assert bins.probability == pytest.approx((0.2, 0.9))
    assert bins.share_positive == (0.5, 1.0)
    assert expected_calibration_error(bins) == pytest.approx((2 * 0.3 + 1 * 0.1) / 3)


def test_bins_take_their_edges_and_leave_out_the_empty() -> None:
    # 0 in the first bin, 0.5 in the third, 1 in the last; the gaps are 0, 1/2, 0.
    bins = reliability(labels("-++"), scores(0.0, 0.5, 1.0), num_bins=4)
    assert bins.num_pairs == (1, 1, 1)
    assert expected_calibration_error(bins) == pytest.approx(0.5 / 3)
    assert math.isnan(expected_calibration_error(reliability(labels(""), scores())))
