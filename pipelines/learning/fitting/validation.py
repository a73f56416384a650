"""Validation of a fitted retriever: the held-out item's place in the whole catalogue, or among drawn candidates."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from models.candidates import without
from models.metrics import candidate_ranks
from models.retrievers.retriever import Retriever
from pipelines.learning.data.held_out import HeldOut

_TOP = 10
_USERS_AT_A_TIME = 256


def validation_score(retriever: Retriever, held_out: HeldOut | None) -> dict[str, float]:
    """The mean over users by the name of its metric, as a record has it; nothing where nothing validates."""
    if held_out is None:
        return {}
    total = 0.0
    for start in range(0, len(held_out.examples), _USERS_AT_A_TIME):
        part = held_out.take(slice(start, start + _USERS_AT_A_TIME))
        values = _in_all(retriever, part) if part.among is None else _among(retriever, part)
        total += float(part.weight_of() @ values)
    return {held_out.metric: total / float(held_out.weight_of().sum())}


def _in_all(retriever: Retriever, part: HeldOut) -> NDArray[np.float64]:
    """The metric of each example in what the retriever finds in the whole catalogue."""
    seen = [rows.astype(np.int64) for rows in part.seen]
    rows, scores = retriever.search(part.examples.users, _TOP + max(map(len, seen)))
    found = zip(without(rows, scores, seen, _TOP), part.examples.items, strict=True)
    return part.values(np.asarray([min([*np.flatnonzero(own.item_rows == item), _TOP]) for own, item in found]))


def _among(retriever: Retriever, part: HeldOut) -> NDArray[np.float64]:
    """The metric of each example among its candidates."""
    users, (owner, rows) = part.examples.users, part.competitors()
    own = retriever.scores(users, np.arange(len(part)), part.examples.items)
    return part.values(candidate_ranks(own, retriever.scores(users, owner, rows), owner))
