"""Validation of a fitted retriever: the held-out item's place in the whole catalogue."""

from __future__ import annotations

import numpy as np

from models.candidates import without
from models.retrievers.retriever import Retriever
from pipelines.learning.data.held_out import HeldOut

METRIC = "ndcg@10"
_USERS_AT_A_TIME = 256


def ndcg_at_10(retriever: Retriever, held_out: HeldOut) -> float:
    """Mean NDCG@10 of what the retriever finds, over users, seen items left out."""
    total = 0.0
    for start in range(0, len(held_out.examples), _USERS_AT_A_TIME):
        part = held_out.take(slice(start, start + _USERS_AT_A_TIME))
        examples, seen = part.examples, [rows.astype(np.int64) for rows in part.seen]
        rows, scores = retriever.search(examples.users, 10 + max(map(len, seen)))
        found_by = without(rows, scores, seen, 10)
        for found, target, weight in zip(found_by, examples.items, part.weight_of(), strict=True):
            total += weight * float((1.0 / np.log2(np.flatnonzero(found.item_rows == target) + 2.0)).sum())
    return total / float(held_out.weight_of().sum())
