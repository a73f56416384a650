"""Which rows a search may return: those allowed to all of its queries, and those barred to each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from models.errors import InputError
from models.vocabulary import Rows

Mask = NDArray[np.bool_]


class Allowed:
    """Rows that may be found, [num_rows] booleans. Make it once for many searches: what they derive of it is kept.

    A row behind the end of the mask is not allowed.
    """

    def __init__(self, mask: Mask) -> None:
        self.mask: Mask = np.array(mask, np.bool_)
        self.mask.setflags(write=False)

    @cached_property
    def rows(self) -> Rows:
        """Ascending."""
        return np.flatnonzero(self.mask)

    @cached_property
    def bits(self) -> NDArray[np.uint8]:
        """Eight rows a byte, the first in the lowest bit."""
        return np.packbits(self.mask, bitorder="little")

    @cached_property
    def num_rows(self) -> int:
        """How many are allowed."""
        return int(np.count_nonzero(self.mask))

    def among(self, first: int, stop: int) -> Mask:
        """The part of the mask for rows `first` to `stop`; what lies behind its end is not allowed."""
        part = self.mask[first:stop]
        return np.pad(part, (0, stop - first - len(part)))


Filter = Allowed | Mask
"""A mask for one search, or `Allowed` for many."""


@dataclass(frozen=True, slots=True)
class Selection:
    """What one search may return: rows of `allowed` (None: all), without `barred[q]` for query q.

    `kept`: rows that were not taken out of the catalogue; None: all.
    """

    barred: Sequence[Rows]
    allowed: Allowed | None = None
    kept: Allowed | None = None

    def closed(self, num_rows: int) -> Mask | None:
        """[num_rows] rows that no query may find; None where there are none."""
        masks = [part.mask[:num_rows] for part in (self.allowed, self.kept) if part is not None]
        return ~np.logical_and.reduce(masks) if masks else None

    def bits(self, num_rows: int) -> NDArray[np.uint8] | None:
        """Eight rows a byte that queries may find, for `faiss.IDSelectorBitmap`; None where all may be."""
        parts = [part.bits[: -(-num_rows // 8)] for part in (self.allowed, self.kept) if part is not None]
        return np.bitwise_and.reduce(parts) if parts else None

    def allowed_rows(self, num_rows: int) -> Rows:
        """Those of the first `num_rows` that a filter leaves, ascending."""
        assert self.allowed is not None
        rows = self.allowed.rows[: np.searchsorted(self.allowed.rows, num_rows)]
        return rows if self.kept is None else rows[self.kept.mask[rows]]


def allowed_of(allowed: Filter | None, num_rows: int) -> Allowed | None:
    """A filter over at least `num_rows` rows; `InputError` for a shorter mask, which is of another catalogue."""
    if allowed is None:
        return None
    made = allowed if isinstance(allowed, Allowed) else Allowed(allowed)
    if len(made.mask) < num_rows:
        raise InputError(
            f"the filter is over {len(made.mask):,} rows; the catalogue has {num_rows:,}. Make it for this bundle."
        )
    return made


def barred_of(barred: Sequence[Rows] | None, num_queries: int) -> Sequence[Rows]:
    """One list of rows a query; `InputError` when there are more or fewer lists than queries."""
    if barred is None:
        return [_NONE] * num_queries
    if len(barred) != num_queries:
        raise InputError(f"{len(barred)} lists of barred rows for {num_queries} queries. Give one for each.")
    return barred


_NONE: Rows = np.zeros(0, np.int64)
