"""Vectors of texts: means of histories, and items of which nothing is said behind all others."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from models.index.vector_index import VectorIndex
from models.retrievers.content import ContentRetriever, HistoryMean, load_content, save_content, with_last
from tests.models.retrievers.user_batches import users

VECTORS = np.asarray([[1, 0], [0.6, 0.8], [0, 0], [-1, 0]], np.float32)
"""Item 2 has no text, item 3 is the opposite of item 0."""


def retriever(half_life: float = 0.0) -> ContentRetriever:
    index = VectorIndex.build(with_last(VECTORS))
    return ContentRetriever(HistoryMean(index, half_life), index)


def test_an_item_without_text_comes_last_even_behind_the_opposite() -> None:
    rows, scores = retriever().search(users([0]), 4)
    assert rows[0].tolist() == [0, 1, 3, 2]
    np.testing.assert_allclose(scores[0, :3], [1.0, 0.6, -1.0], rtol=1e-6)
    assert np.isfinite(scores).all()


def test_who_had_only_items_without_text_has_no_candidates() -> None:
    rows, scores = retriever().search(users([2], []), 4)
    assert set(rows.ravel()) == {-1}
    assert set(scores.ravel()) == {0.0}


def test_a_user_is_the_mean_of_their_items_at_length_one() -> None:
    # (1, 0) + (0.6, 0.8) = (1.6, 0.8), of length 0.8 × √5.
    [vector] = retriever().user_vectors(users([0, 1, 2]))
    np.testing.assert_allclose(vector, [2 / np.sqrt(5), 1 / np.sqrt(5), 1.0], rtol=1e-6)
    # With half-life 1 the older item weighs half: (0.5, 0) + (0.6, 0.8) = (1.1, 0.8).
    [recent] = retriever(half_life=1.0).user_vectors(users([0, 1]))
    np.testing.assert_allclose(recent[:2], np.asarray([1.1, 0.8]) / np.hypot(1.1, 0.8), rtol=1e-6)


def test_vectors_multiply_to_the_scores() -> None:
    batch = users([1], [0, 1])
    rows, scores = retriever().search(batch, 4)
    products = retriever().user_vectors(batch) @ retriever().item_vectors().T
    np.testing.assert_allclose(np.take_along_axis(products, rows, axis=1), scores, rtol=1e-5)


def test_items_without_text_are_like_nothing() -> None:
    rows, _ = retriever().neighbours(np.asarray([0, 2]), 2)
    assert rows.tolist() == [[0, 1], [-1, -1]]
    alike = retriever().similarity(np.asarray([0, 2]), np.asarray([2, 3]))
    np.testing.assert_allclose(alike, [[0.0, -1.0], [0.0, 0.0]])


def test_a_saved_retriever_is_the_same(tmp_path: Path) -> None:
    save_content(tmp_path, supervised=False, recency_half_life=1.0)
    loaded = load_content(tmp_path, VectorIndex.build(with_last(VECTORS)))
    batch = users([0, 1], [3])
    np.testing.assert_array_equal(loaded.search(batch, 4)[1], retriever(half_life=1.0).search(batch, 4)[1])
