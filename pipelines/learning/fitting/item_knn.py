"""Fitting `item_knn`: what each item says most for or against, by EASE or by implicit's all-pairs search."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import numpy as np
from implicit.nearest_neighbours import ItemItemRecommender, bm25_weight, tfidf_weight
from scipy.sparse import csr_matrix, diags

from models.model_config import ItemKnnConfig
from models.retrievers.item_knn import ItemKnnRetriever
from pipelines.learning.fitting.ease import MOST_ITEMS, ease, ridge_of
from pipelines.learning.fitting.material import Material
from pipelines.learning.fitting.reporting import Reporter
from pipelines.learning.fitting.validation import validation_score

_NEIGHBOURS, _NEIGHBOURS_OF_EASE = 100, 300
_BM25 = {"K1": 1.2, "B": 0.75}
"""Robertson, Zaragoza, "The Probabilistic Relevance Framework: BM25 and Beyond" (2009), section 3.4."""


def fit_item_knn(config: ItemKnnConfig, material: Material, out: Path, reporter: Reporter) -> None:
    """Write the retriever's files into `out`."""
    started = time.monotonic()
    config = scaled(config, material.interactions)
    similarities = similar_items(config, material.interactions, material.num_threads)
    retriever = ItemKnnRetriever(similarities, config.recency_half_life)
    retriever.save(out)
    scores = validation_score(retriever, material.held_out)
    reporter.record(1, material.interactions.nnz, time.monotonic() - started, **scores)


def scaled(config: ItemKnnConfig, interactions: csr_matrix) -> ItemKnnConfig:
    """The settings with each open one replaced by what the data asks for."""
    similarity = config.similarity
    if similarity == "auto":
        similarity = "ease" if np.count_nonzero(interactions.getnnz(axis=0)) <= MOST_ITEMS else "tfidf"
    num_neighbours = config.num_neighbours or (_NEIGHBOURS_OF_EASE if similarity == "ease" else _NEIGHBOURS)
    regularization = config.regularization or ridge_of(interactions.nnz)
    return replace(config, similarity=similarity, num_neighbours=num_neighbours, regularization=regularization)


def similar_items(config: ItemKnnConfig, interactions: csr_matrix, num_threads: int) -> csr_matrix:
    """[num_items, num_items]: at most `num_neighbours` of each item, itself left out; positive but for `ease`.

    `config` has no open setting any more (`scaled`).
    """
    if config.similarity == "ease":
        return ease(interactions, config.regularization, config.num_neighbours)
    model = ItemItemRecommender(K=config.num_neighbours + 1, num_threads=num_threads)
    model.fit(_weighted(config, interactions.T).T.tocsr().astype(np.float64), show_progress=False)
    found = model.similarity.tocoo()
    kept = (found.row != found.col) & (found.data > 0)
    pairs = (found.data[kept].astype(np.float32), (found.row[kept], found.col[kept]))
    return csr_matrix(pairs, found.shape)


def _weighted(config: ItemKnnConfig, item_users: csr_matrix) -> csr_matrix:
    """[num_items, num_users] whose inner products are the similarity; in two of them users of few items weigh more.

    Shrinkage lengthens every item by so many average events nobody else had: two items of one user each, the same
    one, would else be as alike as can be.
    """
    if config.similarity == "bm25":
        return bm25_weight(item_users, **_BM25).tocsr()
    weighted = (tfidf_weight(item_users) if config.similarity == "tfidf" else item_users).tocsr()
    squares = weighted.multiply(weighted).tocsr()
    extra = config.shrinkage * float(squares.data.mean()) if squares.nnz else 0.0
    lengths = np.sqrt(np.asarray(squares.sum(axis=1)).ravel() + extra)
    return (diags(1.0 / np.where(lengths > 0, lengths, 1.0)) @ weighted).tocsr()
