"""Vectors like those of a trained model: clusters of uneven size, norms that differ, users near where items are."""

from __future__ import annotations

import numpy as np

from models.index.arrays import Vectors

_ITEMS_AT_A_TIME = 1 << 18


def clustered(num_items: int, dim: int = 64, num_users: int = 512, seed: int = 2026) -> tuple[Vectors, Vectors]:
    """[num_items, dim] items in about √n clusters of 32 groups, sizes and norms skewed; [num_users, dim] users."""
    rng = np.random.default_rng(seed)
    num_clusters = max(int(num_items**0.5), 16)
    groups = rng.standard_normal((32, dim), np.float32)
    centres = groups[rng.integers(32, size=num_clusters)]
    centres = centres + np.float32(0.7) * rng.standard_normal(centres.shape, np.float32)
    sizes = 1 / np.arange(1, num_clusters + 1) ** 0.7
    own = rng.choice(num_clusters, size=num_items, p=sizes / sizes.sum())
    items = np.empty((num_items, dim), np.float32)
    for start in range(0, num_items, _ITEMS_AT_A_TIME):
        near = centres[own[start : start + _ITEMS_AT_A_TIME]]
        near += np.float32(0.6) * rng.standard_normal(near.shape, np.float32)
        norms = rng.lognormal(0, 0.5, size=(len(near), 1)).astype(np.float32)
        items[start : start + len(near)] = near * (norms / np.linalg.norm(near, axis=1, keepdims=True))
    users = centres[rng.integers(num_clusters, size=num_users)]
    return items, users + np.float32(0.8) * rng.standard_normal(users.shape, np.float32)
