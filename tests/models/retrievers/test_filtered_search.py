"""Every family leaves out what is barred and what is not allowed, and fills its list with others."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from models.features import UserBatch
from models.index.vector_index import VectorIndex
from models.retrievers.als import AlsSettings, FoldIn, turned
from models.retrievers.content import ContentRetriever, HistoryMean, with_last
from models.retrievers.exhaustive import ExhaustiveRetriever
from models.retrievers.history import HistoryRetriever
from models.retrievers.hybrid import HybridRetriever, Source
from models.retrievers.item_knn import ItemKnnRetriever
from models.retrievers.retriever import Retriever
from models.retrievers.vectors import VectorRetriever
from models.vocabulary import Rows
from tests.models.retrievers.user_batches import users

NUM_ITEMS = 40
RNG = np.random.default_rng(11)
VECTORS = RNG.normal(size=(NUM_ITEMS, 4)).astype(np.float32)
USERS = users([3, 8, 5], [1], [39, 0, 7, 2])


class Summed:
    """A user is the sum of the vectors of their history."""

    num_items = NUM_ITEMS

    def encode(self, batch: UserBatch) -> NDArray[np.float32]:
        held = batch.history >= 0
        return np.asarray((VECTORS[batch.history] * held[:, :, None]).sum(axis=1), np.float32)

    def score_all(self, batch: UserBatch) -> NDArray[np.float32]:
        return self.encode(batch) @ VECTORS.T

    def similarity(self, items: Rows, others: Rows) -> NDArray[np.float32]:
        return VECTORS[items] @ VECTORS[others].T


def two_tower() -> Retriever:
    return VectorRetriever(Summed(), VectorIndex.build(VECTORS))


def als() -> Retriever:
    factors, spectrum = turned(VECTORS)
    index = VectorIndex.build(factors)
    return HistoryRetriever(FoldIn(index, spectrum, AlsSettings(3.0, 0.02)), index)


def content() -> Retriever:
    index = VectorIndex.build(with_last(VECTORS))
    return ContentRetriever(HistoryMean(index, 0.0), index)


def neural_cf() -> Retriever:
    return ExhaustiveRetriever(Summed(), by_user_id=True)


def item_knn() -> Retriever:
    similarities = np.random.default_rng(2).random((NUM_ITEMS, NUM_ITEMS)).astype(np.float32)
    np.fill_diagonal(similarities, 0)
    return ItemKnnRetriever(csr_matrix(similarities), 0.0)


def hybrid() -> Retriever:
    sources = [Source("als", als(), 8, False), Source("content", content(), 8, True)]
    return HybridRetriever(sources, np.full(NUM_ITEMS, 9))


FAMILIES = [two_tower, als, content, neural_cf, item_knn, hybrid]


@pytest.mark.parametrize("family", FAMILIES)
def test_the_rest_is_in_its_order(family: Callable[[], Retriever]) -> None:
    retriever = family()
    whole, whole_scores = retriever.search(USERS, NUM_ITEMS)
    mask = np.arange(NUM_ITEMS) % 3 > 0
    barred = [whole[0, :5], np.zeros(0, np.int64), np.arange(NUM_ITEMS)]
    for allowed in (None, mask):
        rows, scores = retriever.search(USERS, 10, barred, allowed)
        for line, best, complete, of_all, bar in zip(rows, scores, whole, whole_scores, barred, strict=True):
            keep = (complete >= 0) & ~np.isin(complete, bar)
            if allowed is not None:
                keep &= allowed[complete]
            found = line >= 0
            assert line[found].tolist() == complete[keep][:10].tolist()
            np.testing.assert_allclose(best[found], of_all[keep][:10], rtol=1e-4, atol=1e-5)
        assert (rows[:2] >= 0).all()
        assert (rows[2] == -1).all()


@pytest.mark.parametrize("family", FAMILIES)
def test_no_filter_and_an_open_one_are_the_same(family: Callable[[], Retriever]) -> None:
    retriever = family()
    plain, _ = retriever.search(USERS, 10)
    opened, _ = retriever.search(USERS, 10, [np.zeros(0, np.int64)] * 3, np.ones(NUM_ITEMS, np.bool_))
    assert plain.tolist() == opened.tolist()
