"""Validation of a retrieval net: the held-out item's place in the whole catalogue, or among drawn candidates."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.metrics import candidate_ranks
from pipelines.learning.data.held_out import HeldOut

_USERS_AT_A_TIME = 512


def values_of_vectors(users: Tensor, items: Tensor, held_out: HeldOut) -> NDArray[np.float64]:
    """The metric of each held-out example from [num_examples, dim] and [num_items, dim] vectors."""
    parts = []
    for start in range(0, len(users), _USERS_AT_A_TIME):
        part = slice(start, start + _USERS_AT_A_TIME)
        scores = (users[part] @ items.T).float().cpu().numpy()
        parts.append(values_of_scores(scores, held_out.take(part)))
    return np.concatenate(parts)


def by_batch(total: int, vectors: Callable[[slice], Tensor], size: int = 4_096) -> Tensor:
    """`vectors` of every slice of `total`, end to end."""
    return torch.cat([vectors(slice(start, min(start + size, total))) for start in range(0, total, size)])


def values_of_scores(scores: NDArray[np.float32], held_out: HeldOut) -> NDArray[np.float64]:
    """The metric of each line of [batch, num_items] scores, overwritten where the user has seen the item."""
    target = scores[np.arange(len(scores)), held_out.examples.items]
    if held_out.among is not None:
        owner, rows = held_out.competitors()
        return held_out.values(candidate_ranks(target, scores[owner, rows], owner))
    for line, seen in zip(scores, held_out.seen, strict=True):
        line[seen] = -np.inf
    # A tie counts against the model, and so does NaN; the target itself is not above itself.
    return held_out.values((~(scores < target[:, None])).sum(axis=1) - 1)
