"""Validation of a fitted retriever: the held-out item's place in the whole catalogue, or among drawn candidates."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from models.candidates import without
from models.metrics import candidate_ranks, ndcg_of_ranks
from models.retrievers.retriever import Retriever
from pipelines.learning.data.held_out import HeldOut

METRIC = "ndcg@10"
_USERS_AT_A_TIME = 256


def ndcg_at_10(retriever: Retriever, held_out: HeldOut) -> float:
    """Mean NDCG@10 over users, each held-out item among what `HeldOut` ranks it against."""
    total = 0.0
    for start in range(0, len(held_out.examples), _USERS_AT_A_TIME):
        part = held_out.take(slice(start, start + _USERS_AT_A_TIME))
        values = _in_all(retriever, part) if part.among is None else _among(retriever, part)
        total += float(part.weight_of() @ values)
    return total / float(held_out.weight_of().sum())


def _in_all(retriever: Retriever, part: HeldOut) -> NDArray[np.float64]:
    """NDCG@10 of each example in what the retriever finds in the whole catalogue."""
    seen = [rows.astype(np.int64) for rows in part.seen]
    rows, scores = retriever.search(part.examples.users, 10 + max(map(len, seen)))
    found = zip(without(rows, scores, seen, 10), part.examples.items, strict=True)
    return np.asarray([(1.0 / np.log2(np.flatnonzero(own.item_rows == item) + 2.0)).sum() for own, item in found])


def _among(retriever: Retriever, part: HeldOut) -> NDArray[np.float64]:
    """NDCG@10 of each example among its candidates."""
    users, (owner, rows) = part.examples.users, part.competitors()
    own = retriever.scores(users, np.arange(len(part)), part.examples.items)
    return ndcg_of_ranks(candidate_ranks(own, retriever.scores(users, owner, rows), owner), 10)
