"""Several orders of items as one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

_CONSTANT = 60.0


def reciprocal_rank_fusion(orders: Iterable[Sequence[str]]) -> dict[str, float]:
    """Ids with their fused scores, best first; equals in the order they were met.

    An id scores the sum of 1 / (60 + place) over the orders it is in (Cormack, Clarke and Büttcher, "Reciprocal Rank
    Fusion outperforms Condorcet and individual Rank Learning Methods", SIGIR 2009): scores of different makes need
    not be comparable, and the constant is that of the paper.
    """
    scores: dict[str, float] = {}
    for order in orders:
        for place, item_id in enumerate(order, start=1):
            scores[item_id] = scores.get(item_id, 0.0) + 1.0 / (_CONSTANT + place)
    return dict(sorted(scores.items(), key=lambda entry: -entry[1]))
