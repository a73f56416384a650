"""Which rows of a bundle somebody may see, as masks that cross a hop: made once for all who may see the same."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from models.index.packed_rows import PackedRows
from models.index.selection import Mask

_MAX_BYTES = 32 * 2**20
Key = tuple[object, ...]


@dataclass(frozen=True, slots=True)
class _Held:
    version: int
    until_us: int
    rows: PackedRows


class Restrictions:
    """Thread-safe. The longest unused go first. Two threads that miss at once both make one."""

    def __init__(self, max_bytes: int = _MAX_BYTES) -> None:
        self._max_bytes, self._num_bytes = max_bytes, 0
        self._held: OrderedDict[Key, _Held] = OrderedDict()
        self._lock = threading.Lock()

    def rows(self, key: Key, version: int, now_us: int, make: Callable[[], tuple[Mask, int]]) -> PackedRows:
        """What `make` says is allowed, with the moment until which it is true (UTC microseconds), under a key that
        everybody has of whom it is true, as of a version of the catalogue.
        """
        with self._lock:
            held = self._held.get(key)
            if held is not None and held.version == version and now_us < held.until_us:
                self._held.move_to_end(key)
                return held.rows
        mask, until_us = make()
        rows = PackedRows.of(mask)
        with self._lock:
            before = self._held.pop(key, None)
            self._num_bytes += len(rows.data) - (0 if before is None else len(before.rows.data))
            self._held[key] = _Held(version, until_us, rows)
            while self._num_bytes > self._max_bytes and len(self._held) > 1:
                self._num_bytes -= len(self._held.popitem(last=False)[1].rows.data)
        return rows
