"""Reciprocal rank of the first relevant item; its mean over users is MRR."""

from __future__ import annotations

import numpy as np

from models.metrics.hits import Hits, Values


def reciprocal_rank(hits: Hits, k: int) -> Values:
    """1 / (1-based rank of the first hit) when it lies among the first `k`, else 0.0; [num_lists]."""
    first = hits[:, :k]
    return np.where(first.any(axis=1), 1.0 / (first.argmax(axis=1) + 1.0), 0.0)
