"""Masks that were unpacked before: what a search derives of one is kept with it, and costs more than the search."""

from __future__ import annotations

import threading
from collections import OrderedDict

from models.index.packed_rows import PackedRows
from models.index.selection import Allowed

_MAX_ROWS = 64 * 2**20
"""Of all masks together: some one to two bytes a row."""


class Unpacked:
    """Thread-safe. The longest unused go first; the one asked for stays."""

    def __init__(self, max_rows: int = _MAX_ROWS) -> None:
        self._max_rows, self._num_rows = max_rows, 0
        self._held: OrderedDict[bytes, Allowed] = OrderedDict()
        self._lock = threading.Lock()

    def of(self, rows: PackedRows) -> Allowed:
        """The same object for the same content."""
        with self._lock:
            held = self._held.get(rows.digest)
            if held is None:
                held = self._held[rows.digest] = rows.allowed()
                self._num_rows += rows.num_rows
            self._held.move_to_end(rows.digest)
            while self._num_rows > self._max_rows and len(self._held) > 1:
                self._num_rows -= len(self._held.popitem(last=False)[1].mask)
            return held
