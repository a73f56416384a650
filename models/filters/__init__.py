"""Filters: a small language that says which items may be shown. It is parsed, never run as code.

    genres ANY ("Drama", "Comedy") AND year >= 2000

`parse` makes its expression, `mask` asks all items at once, `matches` one, and `Masks` remembers the answers.
The language is described in docs/filters.md.
"""

from models.filters.fields import OPEN, Fields
from models.filters.item_columns import ItemColumns
from models.filters.masking import mask
from models.filters.masks import Masks
from models.filters.matching import matches
from models.filters.parser import parse

__all__ = ["OPEN", "Fields", "ItemColumns", "Masks", "mask", "matches", "parse"]
