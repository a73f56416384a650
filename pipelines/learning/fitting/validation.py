"""Validation of a fitted retriever: the held-out item's place in the whole catalogue."""

from __future__ import annotations

import numpy as np

from models.candidates import without
from models.retrievers.retriever import Retriever
from pipelines.learning.objectives.objective import HeldOut

METRIC = "ndcg@10"
_USERS_AT_A_TIME = 256


def ndcg_at_10(retriever: Retriever, held_out: HeldOut) -> float:
    """Mean NDCG@10 of what the retriever finds, seen items left out."""
    total = 0.0
    for start in range(0, len(held_out.examples), _USERS_AT_A_TIME):
        part = slice(start, start + _USERS_AT_A_TIME)
        examples, seen = held_out.examples.take(part), [rows.astype(np.int64) for rows in held_out.seen[part]]
        rows, scores = retriever.search(examples.users, 10 + max(map(len, seen)))
        for found, target in zip(without(rows, scores, seen, 10), examples.items, strict=True):
            total += float((1.0 / np.log2(np.flatnonzero(found.item_rows == target) + 2.0)).sum())
    return total / len(held_out.examples)
