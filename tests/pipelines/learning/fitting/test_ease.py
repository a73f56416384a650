"""EASE solves what its paper says it solves, and keeps the largest weights."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.sparse import csr_matrix

from pipelines.learning.fitting import ease as module
from pipelines.learning.fitting.ease import ease


def random_log(seed: int, num_users: int, num_items: int) -> NDArray[np.float32]:
    return (np.random.default_rng(seed).random((num_users, num_items)) < 0.3).astype(np.float32)


def test_no_other_weights_rebuild_a_log_better() -> None:
    had = random_log(0, 30, 5).astype(np.float64)
    others = ~np.eye(5, dtype=bool)

    def loss(weights: NDArray[np.float64]) -> float:
        full = np.zeros((5, 5))
        full[others] = weights
        return float(((had - had @ full) ** 2).sum() + 2.0 * (full**2).sum())

    best = minimize(loss, np.zeros(20)).x
    found = ease(csr_matrix(had), 2.0, 5).toarray()
    np.testing.assert_allclose(found[others], best, atol=1e-4)
    assert not found.diagonal().any()


@settings(max_examples=30)
@given(st.integers(0, 1_000), st.integers(1, 8), st.integers(1, 5))
def test_the_largest_weights_of_each_item_are_kept(seed: int, num_items: int, kept: int) -> None:
    had = random_log(seed, 20, num_items)
    whole, cut = (ease(csr_matrix(had), 1.0, n).toarray() for n in (num_items, kept))
    for full, row in zip(whole, cut, strict=True):
        assert np.count_nonzero(row) <= kept
        assert np.all(row[row != 0] == full[row != 0])
        assert np.abs(full[row == 0]).max(initial=0) <= np.abs(row[row != 0]).min(initial=np.inf) or not full.any()


def test_an_item_without_events_says_nothing_and_nothing_is_said_for_it() -> None:
    had = random_log(1, 20, 6)
    had[:, [0, 4]] = 0
    found = ease(csr_matrix(had), 1.0, 6).toarray()
    assert not found[[0, 4]].any()
    assert not found[:, [0, 4]].any()
    assert found.any()
    assert ease(csr_matrix((3, 4)), 1.0, 2).nnz == 0


def test_blocks_of_rows_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    had = csr_matrix(random_log(2, 40, 11))
    at_once = ease(had, 3.0, 4).toarray()
    monkeypatch.setattr(module, "_ROWS_AT_A_TIME", 3)
    np.testing.assert_array_equal(ease(had, 3.0, 4).toarray(), at_once)
