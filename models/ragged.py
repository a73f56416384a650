"""Lists of different lengths, end to end.

Embedding look-ups take `Jagged` features: for a batch of examples, all values end to end and how many
belong to each example. Two users, the first having seen items 7 and 3, the second only item 5:

    history.values  = [7, 3, 5]
    history.lengths = [2, 1]

TorchRec's KeyedJaggedTensor is several of these under their names (`models/nets/jagged.py`). `Ragged` is where the
lists of a whole catalogue are kept, to take those of a batch from.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from models.vocabulary import Rows


class Jagged(NamedTuple):
    """Values end to end and the number of values of each example."""

    values: Rows
    lengths: NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class Ragged:
    """A list of buckets for each row: row i has `values[offsets[i] : offsets[i + 1]]`."""

    values: NDArray[np.int32]
    offsets: NDArray[np.int64]

    @classmethod
    def of(cls, values: ArrayLike, lengths: ArrayLike) -> Ragged:
        """All values end to end, and the number of values of each row."""
        ends = np.cumsum(np.asarray(lengths, np.int64))
        return cls(np.asarray(values, np.int32), np.concatenate([[0], ends]).astype(np.int64))

    def take(self, rows: Rows) -> Jagged:
        """The lists of some rows, in that order."""
        starts = self.offsets[rows]
        lengths = self.offsets[rows + 1] - starts
        ends = np.cumsum(lengths)
        within = np.arange(ends[-1] if len(ends) else 0) - np.repeat(ends - lengths, lengths)
        values = self.values[np.repeat(starts, lengths) + within]
        return Jagged(values.astype(np.int64), lengths.astype(np.int32))


def unpadded(padded: NDArray[np.int32]) -> Jagged:
    """[batch, width] values without the -1 that fills their rows up."""
    known = padded >= 0
    return Jagged(padded[known].astype(np.int64), known.sum(axis=1).astype(np.int32))
