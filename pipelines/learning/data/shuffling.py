"""Batches in a random order that a seed repeats."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from models.seeds import generator
from pipelines.learning.data.examples import Examples, concatenate


class Pool(Protocol):
    """Examples that are there or are made when they are taken: `Examples` or an `ExamplePool`."""

    def __len__(self) -> int:
        """Number of examples."""

    def take(self, index: NDArray[np.int64]) -> Examples:
        """The examples at `index`, in that order."""


def shuffled_batches(
    pools: Iterator[Pool], batch_size: int, buffer_size: int, seed: int, *scope: object
) -> Iterator[Examples]:
    """Batches drawn from at least `buffer_size` examples at a time, with a seed of its own; each appears once."""
    rng = generator(seed, "shuffle", *scope)
    held: list[Pool] = []
    for pool in pools:
        held.append(pool)
        if sum(map(len, held)) >= buffer_size:
            drawn, held = _drawn(held, batch_size, rng), []
            for batch in drawn:
                if len(batch) == batch_size:
                    yield batch
                else:
                    held = [batch]
    yield from _drawn(held, batch_size, rng)


def _drawn(pools: Sequence[Pool], batch_size: int, rng: np.random.Generator) -> Iterator[Examples]:
    """All examples of all pools; those of one pool lie together in a batch."""
    ends = np.cumsum([0, *map(len, pools)])
    order = rng.permutation(ends[-1])
    for start in range(0, len(order), batch_size):
        drawn = order[start : start + batch_size]
        pool_of = np.searchsorted(ends, drawn, side="right") - 1
        parts = [pools[n].take(drawn[pool_of == n] - ends[n]) for n in np.unique(pool_of)]
        yield concatenate(parts)
