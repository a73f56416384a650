"""Folding in solves the ridge regression of the paper, whichever of its two forms is the smaller."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from models.errors import BundleError
from models.index.vector_index import VectorIndex
from models.retrievers.als import ARRAYS_FILE, AlsSettings, FoldIn, turned
from models.retrievers.history import HistoryRetriever
from tests.models.retrievers.user_batches import users

NUM_ITEMS, DIM = 30, 4
SETTINGS = AlsSettings(alpha=3.0, regularization=0.02)


def fold_in() -> tuple[FoldIn, VectorIndex]:
    factors, spectrum = turned(np.random.default_rng(5).normal(size=(NUM_ITEMS, DIM)).astype(np.float32))
    index = VectorIndex.build(factors)
    return FoldIn(index, spectrum, SETTINGS), index


def solution(index: VectorIndex, items: list[int]) -> np.ndarray:
    """x = (YᵀY + 3 HᵀH + λ I)⁻¹ 4 Hᵀ1 with λ = 0.02 × 4 × (len(items) + 30 / 3), in double precision."""
    factors = index.vectors(np.arange(NUM_ITEMS)).astype(np.float64)
    held = factors[items]
    ridge = 0.02 * 4 * (len(items) + 10)
    system = factors.T @ factors + 3 * held.T @ held + ridge * np.eye(DIM)
    return np.linalg.solve(system, 4 * held.sum(axis=0))


def test_turning_keeps_every_inner_product() -> None:
    factors = np.random.default_rng(1).normal(size=(NUM_ITEMS, DIM)).astype(np.float32)
    other, spectrum = turned(factors)
    np.testing.assert_allclose(other @ other.T, factors @ factors.T, atol=1e-5)
    np.testing.assert_allclose(other.T @ other, np.diag(spectrum), atol=1e-4)


@pytest.mark.parametrize("items", [[3], [1, 2, 29], [0, 4, 8, 12], list(range(5)), list(range(8))])
def test_a_user_is_the_ridge_solution_of_their_items(items: list[int]) -> None:
    encoder, index = fold_in()
    np.testing.assert_allclose(encoder.encode(users(items))[0], solution(index, items), rtol=1e-4, atol=1e-6)


def test_a_batch_is_each_user_alone_and_a_repeat_counts_once() -> None:
    encoder, index = fold_in()
    found = encoder.encode(users([7, 7, 2, 7], [], [1, 2, 3, 4, 5, 6], [9]))
    expected = [solution(index, [2, 7]), np.zeros(DIM), solution(index, [1, 2, 3, 4, 5, 6]), solution(index, [9])]
    np.testing.assert_allclose(found, np.stack(expected), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("items", [[5, 9], [5, 9, 2, 7, 1, 8]])
def test_older_events_count_for_less_where_a_recency_is_set(items: list[int]) -> None:
    _, index = fold_in()
    encoder = FoldIn(index, turned(index.vectors(np.arange(NUM_ITEMS)))[1], replace(SETTINGS, recency_half_life=2.0))
    weights = 0.5 ** (np.arange(len(items))[::-1] / 2)
    factors = index.vectors(np.arange(NUM_ITEMS)).astype(np.float64)
    held, ridge = factors[items], 0.02 * 4 * (len(items) + 10)
    system = factors.T @ factors + 3 * (held.T * weights) @ held + ridge * np.eye(DIM)
    np.testing.assert_allclose(encoder.encode(users(items))[0], np.linalg.solve(system, 4 * weights @ held), rtol=1e-4)


def test_many_users_of_many_lengths_keep_their_places() -> None:
    encoder, index = fold_in()
    rng = np.random.default_rng(2)
    histories = [rng.permutation(NUM_ITEMS)[: rng.integers(0, 9)].tolist() for _ in range(200)]
    expected = np.stack([solution(index, items) if items else np.zeros(DIM) for items in histories])
    np.testing.assert_allclose(encoder.encode(users(*histories)), expected, rtol=1e-3, atol=1e-5)


def test_a_user_without_history_has_no_candidates() -> None:
    encoder, index = fold_in()
    rows, scores = HistoryRetriever(encoder, index).search(users([], [3]), 5)
    assert rows[0].tolist() == [-1] * 5
    assert scores[0].tolist() == [0.0] * 5
    assert len(set(rows[1])) == 5
    assert scores[1, 0] > 0


def test_a_saved_encoder_is_the_same_and_fits_its_index_alone(tmp_path: Path) -> None:
    encoder, index = fold_in()
    encoder.save(tmp_path)
    batch = users([1, 2], [3, 4, 5])
    np.testing.assert_array_equal(FoldIn.load(tmp_path, index).encode(batch), encoder.encode(batch))
    with pytest.raises(BundleError, match="is for 4 factors; the index has 5"):
        FoldIn.load(tmp_path, VectorIndex.build(np.zeros((NUM_ITEMS, 5), np.float32)))
    (tmp_path / ARRAYS_FILE).write_bytes((tmp_path / ARRAYS_FILE).read_bytes()[:-3])
    with pytest.raises(BundleError, match="unreadable"):
        FoldIn.load(tmp_path, index)
