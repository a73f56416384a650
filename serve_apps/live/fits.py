"""What passes the filter of a question, among a bundle's items and those that came after it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from models.filters.column_values import Mask
from models.filters.expressions import And, Expression
from models.filters.item_columns import ItemColumns
from models.filters.masks import Masks
from models.filters.matching import matches
from models.filters.parser import parse
from models.item_state import ItemState
from models.vocabulary import Rows


@dataclass(frozen=True, slots=True)
class Fits:
    """`mask`: of the bundle's items by row, as they were when it was made; not to be written to."""

    mask: Mask
    expression: Expression

    @property
    def share(self) -> float:
        """Of the bundle's items, those that pass."""
        return float(np.count_nonzero(self.mask)) / max(len(self.mask), 1)

    def rows(self, rows: Rows) -> Mask:
        """For each item row, whether it passes."""
        passes: Mask = self.mask[rows]
        return passes

    def also(self, other: Fits) -> Fits:
        """What passes both filters, which are of the same bundle."""
        return Fits(self.mask & other.mask, And((self.expression, other.expression)))

    def newcomer(self, item_id: str, state: ItemState) -> bool:
        """Whether an item passes that only the catalogue knows: of it, there are title and categories."""
        document = {"item_id": item_id, "title": state.title, "categories": list(state.categories)}
        return matches(self.expression, document)


class FilterMasks:
    """Thread-safe. Blocks while a column is made: the first filter on a field of metadata reads every document."""

    def __init__(self) -> None:
        self._masks = Masks()

    def fits(self, text: str, columns: ItemColumns) -> Fits:
        """`FilterError` for a text that is no filter."""
        return Fits(self._masks.mask(text, columns), parse(text))
