"""Which index a catalogue gets, and what it must reach."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

Kind = Literal["exact", "ivf_sq8", "ivf_pq"]
DELTA_CAPACITY = 10_000
"""Items that may be added between two publications: comparing them all takes 0.1 ms of one core."""


@dataclass(frozen=True, slots=True)
class IndexConfig:
    """Sizes are those at which one kind was measured to overtake the other: docs/vector-index.md.

    `exact_up_to`: rows that are compared one by one, 0.6 ms of one core at 64 dimensions; inverted lists above.
    `sq8_up_to_bytes`: of codes and ids; beyond, product quantisation takes half of them.
    `min_recall`: recall@100 below which a build widens its search. `nprobe`: lists read for a query, to begin with.
    `num_queries`: on which recall is measured. `delta_capacity`: items added between two publications.
    """

    exact_up_to: int = 50_000
    sq8_up_to_bytes: int = 1 << 30
    min_recall: float = 0.95
    nprobe: int = 32
    num_queries: int = 256
    delta_capacity: int = DELTA_CAPACITY
    seed: int = 2026

    def kind(self, num_items: int, dim: int) -> Kind:
        """What a catalogue of that size gets."""
        if num_items <= self.exact_up_to:
            return "exact"
        if num_items * (dim + _ID_BYTES) <= self.sq8_up_to_bytes or pq_bytes(dim) < dim // 4:
            return "ivf_sq8"
        return "ivf_pq"


def num_lists(num_items: int) -> int:
    """2 √n: then choosing lists and reading the chosen ones cost about the same."""
    return max(round(2 * math.sqrt(num_items)), 1)


def pq_bytes(dim: int) -> int:
    """Bytes of a vector by product quantisation: one for two dimensions or, where that does not divide, for more."""
    return max(parts for parts in range(1, max(dim // 2, 1) + 1) if dim % parts == 0)


_ID_BYTES = 8
