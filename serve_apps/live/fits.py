"""What passes the filter of a question, among a bundle's items and those that came after it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from models.filters.column_values import Mask
from models.filters.expressions import Expression
from models.filters.item_columns import ItemColumns
from models.filters.masks import Masks
from models.filters.matching import matches
from models.filters.parser import parse
from models.vocabulary import Rows


@dataclass(frozen=True, slots=True)
class Fits:
    """`mask`: of the bundle's items by row, as they were when it was made; not to be written to."""

    mask: Mask
    expression: Expression

    def rows(self, rows: Rows) -> Mask:
        """For each item row, whether it passes."""
        passes: Mask = self.mask[rows]
        return passes

    def item(self, document: Mapping[str, Any]) -> bool:
        """Whether an item passes of which only this is known."""
        return matches(self.expression, document)


class FilterMasks:
    """Thread-safe. Blocks while a column is made: the first filter on a field of metadata reads every document."""

    def __init__(self) -> None:
        self._masks = Masks()

    def fits(self, text: str, columns: ItemColumns) -> Fits:
        """`FilterError` for a text that is no filter."""
        return Fits(self._masks.mask(text, columns), parse(text))
