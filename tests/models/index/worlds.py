"""One catalogue, indexed in each of the ways there are."""

from __future__ import annotations

from functools import cache

import numpy as np

from models.index.arrays import Found, Vectors
from models.index.config import IndexConfig, Kind
from models.index.vector_index import VectorIndex
from tests.models.index.clustered import clustered

NUM_ITEMS, DIM = 40_000, 16
KINDS: tuple[Kind, ...] = ("exact", "ivf_sq8", "ivf_pq")
CONFIGS = {
    "exact": IndexConfig(),
    "ivf_sq8": IndexConfig(exact_up_to=1_000),
    "ivf_pq": IndexConfig(exact_up_to=1_000, sq8_up_to_bytes=1),
}


@cache
def _everything() -> tuple[Vectors, Vectors]:
    return clustered(NUM_ITEMS, DIM, num_users=320)


@cache
def world() -> tuple[Vectors, Vectors]:
    """[NUM_ITEMS, DIM] items and [64, DIM] users, others than those the index was built for."""
    items, users = _everything()
    return items, users[-64:]


@cache
def built(kind: Kind) -> VectorIndex:
    """To read only: a test that adds or removes takes `fresh`."""
    items, users = _everything()
    return VectorIndex.build(items, users[:-64], CONFIGS[kind])


def fresh(kind: Kind, delta_capacity: int = 100) -> VectorIndex:
    """An index of its own that nothing was added to."""
    index = built(kind)
    return VectorIndex(index._published, index.record, delta_capacity)


def exact_rows(queries: Vectors, items: Vectors, k: int, mask: np.ndarray | None = None) -> np.ndarray:
    """[num_queries, k] by NumPy alone."""
    products = queries @ items.T
    if mask is not None:
        products[:, ~mask] = -np.inf
    return np.argsort(-products, axis=1)[:, :k]


def recall(found: Found, expected: np.ndarray) -> float:
    """Mean share of the expected rows that were found."""
    shares = [len(set(line) & set(right)) / len(right) for line, right in zip(found[0], expected, strict=True)]
    return float(np.mean(shares))
