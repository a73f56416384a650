"""Fitting `item_knn`: the most similar items of each item, by implicit's all-pairs search."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
from implicit.nearest_neighbours import ItemItemRecommender, bm25_weight, normalize, tfidf_weight
from scipy.sparse import coo_matrix, csr_matrix

from models.model_config import ItemKnnConfig
from models.retrievers.item_knn import ItemKnnRetriever
from pipelines.learning.fitting.material import Material
from pipelines.learning.fitting.reporting import Reporter
from pipelines.learning.fitting.validation import METRIC, ndcg_at_10

_BM25 = {"K1": 1.2, "B": 0.75}
"""Robertson, Zaragoza, "The Probabilistic Relevance Framework: BM25 and Beyond" (2009), section 3.4."""


def fit_item_knn(config: ItemKnnConfig, material: Material, out: Path, reporter: Reporter) -> None:
    """Write the retriever's files into `out`."""
    started = time.monotonic()
    similarities = similar_items(config, material.interactions, material.num_threads)
    retriever = ItemKnnRetriever(similarities, config.recency_half_life)
    retriever.save(out)
    scores = {} if material.held_out is None else {METRIC: ndcg_at_10(retriever, material.held_out)}
    reporter.record(1, material.interactions.nnz, time.monotonic() - started, **scores)


def similar_items(config: ItemKnnConfig, interactions: csr_matrix, num_threads: int) -> csr_matrix:
    """[num_items, num_items]: at most `num_neighbours` positive similarities a row, the item itself left out."""
    model = ItemItemRecommender(K=config.num_neighbours + 1, num_threads=num_threads)
    model.fit(_weighted(config, interactions.T).T.tocsr(), show_progress=False)
    found = model.similarity.tocoo()
    kept = (found.row != found.col) & (found.data > 0)
    pairs = (found.data[kept].astype(np.float32), (found.row[kept], found.col[kept]))
    return csr_matrix(pairs, found.shape)


def _weighted(config: ItemKnnConfig, item_users: csr_matrix) -> coo_matrix:
    """[num_items, num_users] whose inner products are the similarity; in two of them users of few items weigh more."""
    if config.similarity == "bm25":
        return bm25_weight(item_users, **_BM25)
    return normalize(tfidf_weight(item_users) if config.similarity == "tfidf" else item_users)
