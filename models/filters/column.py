"""One field of all items: its texts, its numbers and its flags, each where there are any."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from models.filters.column_values import Flags, Mask, Numbers, Texts, Values
from models.filters.expressions import Literal
from models.filters.item_values import comparable


@dataclass(frozen=True, slots=True)
class Column:
    """`present` [num_items]: where the field is there at all; `values`: those of each kind of literal; `objects`: where
    there is one, which compares with nothing, or None when there are none.
    """

    present: Mask
    values: dict[type, Values]
    objects: Mask | None = None

    @property
    def num_bytes(self) -> int:
        """Memory of all of it."""
        objects = 0 if self.objects is None else self.objects.nbytes
        return self.present.nbytes + objects + sum(values.num_bytes for values in self.values.values())

    def of_kind(self, literal: Literal) -> Values | None:
        """The values that compare with a literal; None when no item has one."""
        return self.values.get(type(literal))

    @classmethod
    def of(cls, num_items: int, values: dict[type, Values]) -> Column:
        """A column of nothing but comparable values."""
        present = np.zeros(num_items, np.bool_)
        for one in values.values():
            present |= one.present()
        return cls(present, values)


class Gathering:
    """Collects the values of a field, item by item in order of rows, and makes its column."""

    def __init__(self) -> None:
        self._there, self._objects = array("i"), array("i")
        self._rows = {str: array("i"), float: array("i"), bool: array("i")}
        self._texts: list[str] = []
        self._numbers = array("d")
        self._flags = bytearray()

    def add(self, row: int, found: Sequence[Any]) -> None:
        """Take the values of one item, as `item_values.leaves` gives them."""
        if found:
            self._there.append(row)
        for value in found:
            literal = comparable(value)
            if literal is None:
                self._objects.append(row)
                continue
            self._rows[type(literal)].append(row)
            if isinstance(literal, str):
                self._texts.append(literal)
            elif isinstance(literal, bool):
                self._flags.append(literal)
            else:
                self._numbers.append(literal)

    def column(self, num_items: int) -> Column:
        """The column of what was added."""
        rows = {kind: np.asarray(taken, np.int32) for kind, taken in self._rows.items()}
        values: dict[type, Values] = {}
        if self._texts:
            values[str] = Texts(num_items, rows[str], pa.array(self._texts, pa.large_string()))
        if self._numbers:
            values[float] = Numbers(num_items, rows[float], np.asarray(self._numbers))
        if self._flags:
            values[bool] = Flags(num_items, rows[bool], np.frombuffer(bytes(self._flags), np.bool_))
        present = _mask(num_items, self._there)
        return Column(present, values, _mask(num_items, self._objects) if self._objects else None)


def _mask(num_items: int, rows: array[int]) -> Mask:
    mask = np.zeros(num_items, np.bool_)
    mask[np.asarray(rows, np.int32)] = True
    return mask
