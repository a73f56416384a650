"""Metrics of lists with one relevant item each, from its rank alone: what retrieval models validate by."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from models.metrics.hits import Values

RankMetric = Literal["ndcg@10", "hit_rate@10", "mrr@10"]

_WORTH: dict[str, Callable[[NDArray[np.int64]], Values]] = {
    "ndcg": lambda ranks: np.asarray(1.0 / np.log2(ranks + 2.0), np.float64),
    "hit_rate": lambda ranks: np.ones(len(ranks)),
    "mrr": lambda ranks: np.asarray(1.0 / (ranks + 1.0), np.float64),
}


def by_rank(metric: RankMetric, ranks: NDArray[np.int64]) -> Values:
    """Of each list, from the 0-based rank of its one relevant item, [num_lists]."""
    name, _, k = metric.partition("@")
    return np.where(ranks < int(k), _WORTH[name](ranks), 0.0)
