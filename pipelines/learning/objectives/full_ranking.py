"""Validation of a retrieval net: the held-out item's place in the whole catalogue."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pipelines.learning.data.held_out import HeldOut

METRIC = "ndcg@10"
_USERS_AT_A_TIME = 512


def ndcg_at_10(users: Tensor, items: Tensor, held_out: HeldOut) -> NDArray[np.float64]:
    """NDCG@10 of each held-out example from [num_examples, dim] and [num_items, dim] vectors, seen items masked."""
    parts = []
    for start in range(0, len(users), _USERS_AT_A_TIME):
        part = slice(start, start + _USERS_AT_A_TIME)
        scores = (users[part] @ items.T).float().cpu().numpy()
        parts.append(ndcg_of_scores(scores, held_out.examples.items[part], held_out.seen[part]))
    return np.concatenate(parts)


def by_batch(total: int, vectors: Callable[[slice], Tensor], size: int = 4_096) -> Tensor:
    """`vectors` of every slice of `total`, end to end."""
    return torch.cat([vectors(slice(start, min(start + size, total))) for start in range(0, total, size)])


def ndcg_of_scores(
    scores: NDArray[np.float32], targets: NDArray[np.int64], seen: list[NDArray[np.int32]]
) -> NDArray[np.float64]:
    """NDCG@10 of each line of [batch, num_items] scores, which are overwritten where the user has seen the item."""
    for row, rows in enumerate(seen):
        scores[row, rows] = -np.inf
    target = scores[np.arange(len(scores)), targets]
    # A tie counts against the model, and so does NaN; the target itself is not above itself.
    ranks = (~(scores < target[:, None])).sum(axis=1) - 1
    return np.where(ranks < 10, 1.0 / np.log2(ranks + 2.0), 0.0)
