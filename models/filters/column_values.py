"""The values of one kind that a catalogue has in one field, laid out so that a comparison is a few passes of NumPy."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from typing import Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from models.filters.expressions import Literal, Operator

Mask = NDArray[np.bool_]
_FEW = 16
"""As many numbers are compared one by one; more are hashed."""
_COMPARE = {
    Operator.EQUAL: np.equal,
    Operator.LESS: np.less,
    Operator.AT_MOST: np.less_equal,
    Operator.MORE: np.greater,
    Operator.AT_LEAST: np.greater_equal,
}


class Values(Protocol):
    """Values of one kind; masks are [num_items] and new."""

    @property
    def num_bytes(self) -> int: ...

    def present(self) -> Mask:
        """Where an item has a value of this kind."""

    def compare(self, operator: Operator, value: Literal) -> Mask:
        """Where an item has a value of which the comparison is true. Never with `!=`."""

    def any_of(self, values: Sequence[Literal]) -> Mask:
        """Where an item has one of the values."""

    def others(self, values: Sequence[Literal]) -> Mask:
        """Where an item has a value that is none of these."""


class Texts:
    """An inverted list: the items of each text, the texts in order of their code points.

    4 bytes a value, and for each different text 8 bytes beside itself. Any comparison is one slice of the items.
    """

    def __init__(self, num_items: int, rows: NDArray[np.int32], texts: pa.Array) -> None:
        """`texts` (no nulls) are the values of items `rows`, pair by pair; an item may stand in several pairs."""
        self._num_items = num_items
        encoded = pc.cast(texts, pa.large_string()).dictionary_encode()
        order = pc.sort_indices(encoded.dictionary)
        self._dictionary = encoded.dictionary.take(order)
        # NumPy sorts 16 bits by radix, many times faster, and most fields have fewer texts than that.
        rank = np.empty(len(order), np.uint16 if len(order) <= 2**16 else np.int32)
        rank[np.asarray(order)] = np.arange(len(order))
        codes = rank[np.asarray(encoded.indices)]
        self._rows = rows[np.argsort(codes, kind="stable")]
        self._starts = np.concatenate([[0], np.cumsum(np.bincount(codes, minlength=len(order)))])

    @property
    def num_bytes(self) -> int:
        return self._rows.nbytes + self._starts.nbytes + int(self._dictionary.nbytes)

    def present(self) -> Mask:
        return self._mask([(0, len(self._dictionary))])

    def compare(self, operator: Operator, value: Literal) -> Mask:
        low, high = self._span(str(value))
        spans = {
            Operator.EQUAL: (low, high),
            Operator.LESS: (0, low),
            Operator.AT_MOST: (0, high),
            Operator.MORE: (high, len(self._dictionary)),
            Operator.AT_LEAST: (low, len(self._dictionary)),
        }
        return self._mask([spans[operator]])

    def any_of(self, values: Sequence[Literal]) -> Mask:
        return self._mask([self._span(str(value)) for value in values])

    def others(self, values: Sequence[Literal]) -> Mask:
        inner = sorted(self._span(str(value)) for value in values)
        starts, ends = [0, *(high for _, high in inner)], [*(low for low, _ in inner), len(self._dictionary)]
        return self._mask(list(zip(starts, ends, strict=True)))

    def _span(self, text: str) -> tuple[int, int]:
        """Where a text stands in the dictionary, or would: both ends are equal then."""
        low = bisect_left(self._dictionary, text, key=lambda scalar: scalar.as_py())
        return low, low + int(low < len(self._dictionary) and self._dictionary[low].as_py() == text)

    def _mask(self, spans: Sequence[tuple[int, int]]) -> Mask:
        found = np.zeros(self._num_items, np.bool_)
        for low, high in spans:
            found[self._rows[self._starts[low] : self._starts[high]]] = True
        return found


class Numbers:
    """64-bit floats: one an item with NaN where it has none (8 bytes an item), or pairs with their items.

    Pairs (12 bytes a value) are kept where items have several, or where few have any.
    """

    def __init__(self, num_items: int, rows: NDArray[np.int32], numbers: NDArray[np.float64]) -> None:
        """`numbers` are the values of items `rows`, in order, pair by pair; an item may stand in several pairs."""
        self._num_items = num_items
        several = bool((rows[1:] == rows[:-1]).any())
        self._rows: NDArray[np.int32] | None = rows
        self._numbers = numbers + 0.0  # -0 becomes 0: they are equal, but not to a hash
        if not several and num_items * 8 <= len(rows) * 12:
            self._rows, self._numbers = None, np.full(num_items, np.nan)
            self._numbers[rows] = numbers + 0.0

    @property
    def num_bytes(self) -> int:
        return self._numbers.nbytes + (0 if self._rows is None else self._rows.nbytes)

    def present(self) -> Mask:
        return self._mask(~np.isnan(self._numbers))

    def compare(self, operator: Operator, value: Literal) -> Mask:
        return self._mask(_COMPARE[operator](self._numbers, float(value)))

    def any_of(self, values: Sequence[Literal]) -> Mask:
        return self._mask(self._among(values))

    def others(self, values: Sequence[Literal]) -> Mask:
        return self._mask(~self._among(values) & ~np.isnan(self._numbers))

    def _among(self, values: Sequence[Literal]) -> Mask:
        wanted = [float(value) + 0.0 for value in values]
        if len(wanted) > _FEW:
            found = pc.is_in(pa.array(self._numbers), value_set=pa.array(wanted, pa.float64()))
            return np.asarray(found.to_numpy(zero_copy_only=False), np.bool_)
        among = np.zeros(len(self._numbers), np.bool_)
        for value in wanted:
            among |= self._numbers == value
        return among

    def _mask(self, hits: Mask) -> Mask:
        if self._rows is None:
            return hits
        found = np.zeros(self._num_items, np.bool_)
        found[self._rows[hits]] = True
        return found


class Flags:
    """Where a field is true, and where it is false: 2 bytes an item."""

    def __init__(self, num_items: int, rows: NDArray[np.int32], flags: Mask) -> None:
        """`flags` are the values of items `rows`, pair by pair; an item may stand in several pairs."""
        self._where = {True: np.zeros(num_items, np.bool_), False: np.zeros(num_items, np.bool_)}
        self._where[True][rows[flags]] = True
        self._where[False][rows[~flags]] = True

    @property
    def num_bytes(self) -> int:
        return self._where[True].nbytes + self._where[False].nbytes

    def present(self) -> Mask:
        return self._where[True] | self._where[False]

    def compare(self, operator: Operator, value: Literal) -> Mask:
        assert operator is Operator.EQUAL, operator
        return self._where[bool(value)].copy()

    def any_of(self, values: Sequence[Literal]) -> Mask:
        return self.present() if len(set(values)) == 2 else self._where[bool(values[0])].copy()

    def others(self, values: Sequence[Literal]) -> Mask:
        found: Mask = np.logical_or.reduce(
            [np.zeros_like(self._where[True]), *(self._where[one] for one in {True, False} - set(values))]
        )
        return found
