"""What changed since the bundle was published: items that came, searched exactly, and rows that were taken out.

One writer, many readers: a state never changes once it can be seen, and a search goes by one state from start to end.
"""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass, replace

import numpy as np

from models.errors import IndexFullError, InputError
from models.index.arrays import Found, Vectors
from models.index.scan import scan
from models.index.selection import Allowed, Mask, Selection
from models.vocabulary import Rows

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class DeltaState:
    """`vectors`: [num_added, dim] of rows `first`, `first + 1`, …; `gone`: [num_added] that were taken out again.

    `kept`: published rows that were not taken out; None: all.
    """

    first: int
    vectors: Vectors
    gone: Mask
    kept: Allowed | None = None

    def search(self, queries: Vectors, k: int, selection: Selection) -> Found:
        """The best `k` of what was added, every row compared."""
        stop = self.first + len(self.vectors)
        closed = self.gone if selection.allowed is None else self.gone | ~selection.allowed.among(self.first, stop)
        return scan(queries, self.vectors, k, selection.barred, np.arange(self.first, stop), closed)


class Delta:
    """Rows go on behind those of the bundle and are never used twice: `capacity` counts those taken out too."""

    def __init__(self, first: int, dim: int, capacity: int) -> None:
        self._capacity, self._lock = capacity, threading.Lock()
        self._room = np.empty((capacity, dim), np.float32)  # untouched pages cost nothing
        self.state = DeltaState(first, self._room[:0], np.zeros(0, np.bool_))

    def add(self, vectors: Vectors) -> Rows:
        """The rows that [num_new, dim] got; all or none. `IndexFullError` when they do not fit."""
        dim = self._room.shape[1]
        if vectors.ndim != 2 or vectors.shape[1] != dim:
            raise InputError(f"vectors of shape {vectors.shape} do not fit an index of [num_items, {dim}].")
        if not np.isfinite(vectors).all():
            raise InputError("vectors to add hold NaN or infinity. Encode these items again.")
        with self._lock:
            state, start = self.state, len(self.state.vectors)
            stop = start + len(vectors)
            if stop > self._capacity:
                message = f"{start:,} items were added since the bundle was published, and {len(vectors):,} more"
                message += f" do not fit into {self._capacity:,}. Publish a bundle that holds them."
                _log.error("index: %s", message)
                raise IndexFullError(message)
            # Readers of older states look at no row from `start` on.
            self._room[start:stop] = vectors
            gone = np.concatenate([state.gone, np.zeros(len(vectors), np.bool_)])
            self.state = replace(state, vectors=self._room[:stop], gone=gone)
        return np.arange(state.first + start, state.first + stop)

    def remove(self, rows: Rows) -> None:
        """Take rows out, of the bundle or added; no search that begins later finds them. Once more is no mistake."""
        with self._lock:
            state = self.state
            wrong = rows[(rows < 0) | (rows >= state.first + len(state.vectors))]
            if len(wrong):
                raise InputError(f"there is no row {wrong[0]} in the index. Remove rows that were published or added.")
            published, kept, gone = rows[rows < state.first], state.kept, state.gone.copy()
            gone[rows[rows >= state.first] - state.first] = True
            if len(published):
                mask = np.ones(state.first, np.bool_) if kept is None else kept.mask.copy()
                mask[published] = False
                kept = Allowed(mask)
            self.state = replace(state, gone=gone, kept=kept)
