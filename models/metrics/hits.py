"""From recommended lists to hits: which positions hold a relevant item that earns something."""

from __future__ import annotations

from collections.abc import Sequence
from collections.abc import Set as AbstractSet

import numpy as np
from numpy.typing import NDArray

Hits = NDArray[np.bool_]
"""[num_lists, width]: True where the item at that position is relevant, not seen before, and not a repeat."""

Values = NDArray[np.float64]


def hit_matrix(
    lists: Sequence[Sequence[str]], relevant: Sequence[AbstractSet[str]], seen: Sequence[AbstractSet[str]], width: int
) -> Hits:
    """Hits of the first `width` items of each list.

    A repeated item earns nothing the second time and an item of `seen` nothing at all; both still take a position.
    """
    hits = np.zeros((len(lists), width), np.bool_)
    for row, (items, wanted, known) in enumerate(zip(lists, relevant, seen, strict=True)):
        left = set(wanted) - known
        for position, item_id in enumerate(items[:width]):
            if item_id in left:
                hits[row, position] = True
                left.remove(item_id)
    return hits


def hits_at(ranks: NDArray[np.int64], width: int) -> Hits:
    """Hits of lists with one relevant item each, from its 0-based rank, [num_lists]."""
    return np.asarray(ranks[:, None] == np.arange(width), np.bool_)
