"""Fitting `item_knn`: the most similar items of each item, by implicit's all-pairs search."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
from implicit.nearest_neighbours import BM25Recommender, CosineRecommender, TFIDFRecommender
from scipy.sparse import csr_matrix

from models.model_config import ItemKnnConfig
from models.retrievers.item_knn import ItemKnnRetriever
from pipelines.learning.fitting.material import Material
from pipelines.learning.fitting.reporting import Reporter
from pipelines.learning.fitting.validation import METRIC, ndcg_at_10

_SIMILARITIES = {"cosine": CosineRecommender, "tfidf": TFIDFRecommender, "bm25": BM25Recommender}


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
    model = _SIMILARITIES[config.similarity](K=config.num_neighbours + 1, num_threads=num_threads)
    model.fit(interactions, show_progress=False)
    found = model.similarity.tocoo()
    kept = (found.row != found.col) & (found.data > 0)
    pairs = (found.data[kept].astype(np.float32), (found.row[kept], found.col[kept]))
    return csr_matrix(pairs, found.shape)
