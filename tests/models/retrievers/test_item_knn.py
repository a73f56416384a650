"""Sums of similarities: small enough to add up by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy.sparse import csr_matrix

from models.errors import BundleError
from models.retrievers import item_knn
from models.retrievers.item_knn import ItemKnnRetriever
from tests.models.retrievers.user_batches import users

SIMILARITIES = csr_matrix(np.asarray([[0, 0.5, 0.2, 0], [0.5, 0, 0.4, 0], [0, 0.1, 0, 0.9], [0, 0, 0, 0]], np.float32))


def retriever(half_life: float = 0.0) -> ItemKnnRetriever:
    return ItemKnnRetriever(SIMILARITIES, half_life)


def test_an_item_scores_the_sum_over_the_history() -> None:
    # Of 0 and 1: item 0 gets 0.5, item 1 gets 0.5, item 2 gets 0.2 + 0.4, item 3 is nobody's neighbour.
    rows, scores = retriever().search(users([0, 1], [], [3]), 4)
    assert rows.tolist() == [[2, 0, 1, -1], [-1] * 4, [-1] * 4]
    np.testing.assert_allclose(scores[0], [0.6, 0.5, 0.5, 0.0], rtol=1e-6)


def test_k_cuts_the_list_and_of_equals_the_lower_row_stays() -> None:
    assert retriever().search(users([0, 1]), 2)[0].tolist() == [[2, 0]]


def test_the_weight_of_an_event_halves_with_its_age() -> None:
    # Oldest first 0, 1, 1: the newest event of item 1 weighs 1, that of item 0 is two events older: 1/4.
    rows, scores = retriever(half_life=1.0).search(users([0, 1, 1]), 4)
    assert rows[0].tolist() == [0, 2, 1, -1]
    np.testing.assert_allclose(scores[0], [0.5, 0.4 + 0.2 / 4, 0.5 / 4, 0.0], rtol=1e-6)


def test_pairs_score_as_the_search_does(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(item_knn, "_CHUNK_PRODUCTS", 1)  # every user a part of their own
    batch = users([0, 1], [2], [0])
    assert [part for part, _ in retriever()._sums(batch)] == [slice(0, 1), slice(1, 2), slice(2, 3)]
    scores = retriever().scores(batch, np.asarray([2, 0, 1, 1, 0]), np.asarray([1, 2, 3, 0, 3]))
    np.testing.assert_allclose(scores, [0.5, 0.6, 0.9, 0.0, 0.0], rtol=1e-6)
    assert retriever().search(batch, 1)[0].tolist() == [[2], [3], [1]]


def test_neighbours_and_similarity_read_the_rows() -> None:
    rows, scores = retriever().neighbours(np.asarray([2, 3]), 3)
    assert rows.tolist() == [[3, 1, -1], [-1, -1, -1]]
    np.testing.assert_allclose(scores[0], [0.9, 0.1, 0.0], rtol=1e-6)
    # Having item 2 speaks 0.9 for item 3; having item 0 does not.
    np.testing.assert_allclose(retriever().similarity(np.asarray([3]), np.asarray([0, 2])), [[0.0, 0.9]], rtol=1e-6)


def test_a_saved_retriever_is_the_same_and_fits_its_catalogue_alone(tmp_path: Path) -> None:
    retriever(half_life=2.0).save(tmp_path)
    batch = users([0, 1, 2], [2])
    loaded = ItemKnnRetriever.load(tmp_path, 4)
    for found, expected in zip(loaded.search(batch, 4), retriever(half_life=2.0).search(batch, 4), strict=True):
        np.testing.assert_array_equal(found, expected)
    with pytest.raises(BundleError, match="holds 4 items; the bundle has 5"):
        ItemKnnRetriever.load(tmp_path, 5)


def test_what_more_speaks_against_than_for_is_no_candidate() -> None:
    # Having item 0 speaks for 1 and 2, having item 1 against 2, more than 0 does for it.
    weights = csr_matrix(np.asarray([[0, 0.3, 0.4, 0], [0, 0, -0.5, 0.2], [0] * 4, [0] * 4], np.float32))
    signed = ItemKnnRetriever(weights, 0.0)
    rows, scores = signed.search(users([0], [0, 1]), 3)
    assert rows.tolist() == [[2, 1, -1], [1, 3, -1]]
    np.testing.assert_allclose(scores, [[0.4, 0.3, 0.0], [0.3, 0.2, 0.0]], rtol=1e-6)
    np.testing.assert_allclose(signed.scores(users([0, 1]), np.asarray([0]), np.asarray([2])), [-0.1], rtol=1e-5)
