"""What passes the filters of a question, among the items of any bundle and those that came after it."""

from __future__ import annotations

from models.filters.column_values import Mask
from models.filters.expressions import And, Expression
from models.filters.item_columns import ItemColumns
from models.filters.masks import Masks
from models.filters.matching import matches
from models.filters.parser import parse
from models.item_state import ItemState


class Fits:
    """Filters that an item has to pass, each of them. Of every bundle they have a mask of its own: one bundle's rows
    are other items in another. Masks are held for as long as a question is answered.
    """

    def __init__(self, masks: Masks, *texts: str) -> None:
        """`texts`: one at least; `FilterError` where one is no filter."""
        self._masks, self._texts = masks, texts
        parsed = tuple(parse(text) for text in texts)
        self.expression: Expression = parsed[0] if len(parsed) == 1 else And(parsed)
        self._made: dict[str, Mask] = {}

    def is_made(self, version: str) -> bool:
        """Whether what passes of this bundle is known already, and costs nothing to read."""
        return version in self._made

    def mask(self, columns: ItemColumns) -> Mask:
        """Which items of a bundle pass, by row, as they were when it was made; not to be written to. Blocks while it
        is made: the first filter on a field of metadata reads every document of the bundle.
        """
        made = self._made.get(columns.version)
        if made is None:
            first, *others = [self._masks.mask(text, columns) for text in self._texts]
            made = first
            for other in others:
                made = made & other
            self._made[columns.version] = made
        return made

    def newcomer(self, item_id: str, state: ItemState) -> bool:
        """Whether an item passes that only the catalogue knows: of it, there are title and categories."""
        document = {"item_id": item_id, "title": state.title, "categories": list(state.categories)}
        return matches(self.expression, document)
