"""Masks of filters that were asked for before: the newest, up to a number of bytes."""

from __future__ import annotations

import threading
from collections import OrderedDict

from models.filters.column_values import Mask
from models.filters.fields import OPEN, Fields
from models.filters.item_columns import ItemColumns
from models.filters.masking import mask
from models.filters.parser import parse

MAX_BYTES = 64 * 2**20


class Masks:
    """Thread-safe. A mask is a byte an item; the longest unused go first, and what no longer fits is not kept.

    Two threads that miss at once both compute; nobody waits for another's mask.
    """

    def __init__(self, fields: Fields = OPEN, max_bytes: int = MAX_BYTES) -> None:
        self._fields, self._max_bytes = fields, max_bytes
        self._kept: OrderedDict[tuple[str, str], Mask] = OrderedDict()
        self._num_bytes = 0
        self._lock = threading.Lock()

    def mask(self, text: str, columns: ItemColumns) -> Mask:
        """Which items pass the filter, [num_items]; not to be written to. `FilterError` for a text that is none."""
        key = (columns.version, text)
        with self._lock:
            kept = self._kept.get(key)
            if kept is not None:
                self._kept.move_to_end(key)
                return kept
        made = mask(parse(text, self._fields), columns)
        made.setflags(write=False)
        with self._lock:
            before = self._kept.pop(key, None)
            self._num_bytes += made.nbytes - (0 if before is None else before.nbytes)
            self._kept[key] = made
            while self._num_bytes > self._max_bytes:
                self._num_bytes -= self._kept.popitem(last=False)[1].nbytes
        return made

    @property
    def num_bytes(self) -> int:
        """Memory of the masks that are kept."""
        return self._num_bytes
