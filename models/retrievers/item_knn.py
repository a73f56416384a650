"""Item-based neighbourhoods: an item scores the sum of what the items of the history say for it.

Deshpande, Karypis, "Item-Based Top-N Recommendation Algorithms" (2004), section 4. Similarities are a sparse matrix;
they may be negative. A search is a product of sparse matrices, so its cost grows with histories × neighbours and never
with the catalogue.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from models.errors import BundleError
from models.features import UserBatch
from models.index.arrays import Found
from models.index.selection import Filter, Mask, Selection, allowed_of, barred_of
from models.retrievers.arrays import load_arrays, save_arrays
from models.retrievers.history import weighted_items
from models.vocabulary import Rows

SETTINGS_FILE = "item_knn.json"
ARRAYS_FILE = "item_knn.safetensors"
_CHUNK_PRODUCTS = 1 << 24


class ItemKnnRetriever:
    """A `Retriever` over [num_items, num_items] similarities, row i holding the neighbours of item i without itself."""

    by_user_id = by_profile = False

    def __init__(self, similarities: csr_matrix, recency_half_life: float) -> None:
        self._similarities, self._half_life = similarities, recency_half_life

    @classmethod
    def load(cls, folder: Path, num_items: int) -> ItemKnnRetriever:
        """Read `item_knn.json` and `item_knn.safetensors`; `BundleError` when they are of another catalogue."""
        half_life = float(json.loads((folder / SETTINGS_FILE).read_bytes())["recency_half_life"])
        arrays = load_arrays(folder / ARRAYS_FILE)
        parts = (arrays["data"], arrays["indices"], arrays["indptr"])
        if len(arrays["indptr"]) != num_items + 1:
            raise BundleError(
                f"{ARRAYS_FILE} holds {len(arrays['indptr']) - 1} items; the bundle has {num_items}. Publish it again."
            )
        return cls(csr_matrix(parts, (num_items, num_items)), half_life)

    def save(self, folder: Path) -> None:
        """Write `item_knn.json` and `item_knn.safetensors`."""
        (folder / SETTINGS_FILE).write_text(json.dumps({"recency_half_life": self._half_life}, indent=2))
        held = self._similarities
        save_arrays(folder / ARRAYS_FILE, {"data": held.data, "indices": held.indices, "indptr": held.indptr})

    def search(
        self, users: UserBatch, k: int, barred: Sequence[Rows] | None = None, allowed: Filter | None = None
    ) -> Found:
        """The best `k` among the neighbours of the history; where they are fewer, row -1 and score 0."""
        num_items = self._similarities.shape[0]
        k = min(k, num_items)
        selection = Selection(barred_of(barred, len(users)), allowed_of(allowed, num_items))
        closed = selection.closed(num_items)
        rows, scores = np.full((len(users), k), -1, np.int64), np.zeros((len(users), k), np.float32)
        for part, sums in self._sums(users):
            _shut_out(sums, selection.barred[part], closed)
            rows[part], scores[part] = _best(sums, k)
        return rows, scores

    def scores(self, users: UserBatch, owner: Rows, items: Rows) -> NDArray[np.float32]:
        """The same sums for given pairs; 0 for an item that is nobody's neighbour."""
        scores = np.zeros(len(owner), np.float32)
        for part, sums in self._sums(users):
            pairs = np.flatnonzero((owner >= part.start) & (owner < part.stop))
            if len(pairs):
                scores[pairs] = np.asarray(sums[owner[pairs] - part.start, items[pairs]]).ravel()
        return scores

    def neighbours(self, items: Rows, k: int, allowed: Filter | None = None) -> Found:
        """The most similar items; where they are fewer than `k`, row -1 and similarity 0."""
        num_items, alike = self._similarities.shape[0], self._similarities[items]
        barred = barred_of(None, len(items))
        _shut_out(alike, barred, Selection(barred, allowed_of(allowed, num_items)).closed(num_items))
        return _best(alike, min(k, num_items))

    def similarity(self, items: Rows, others: Rows) -> NDArray[np.float32]:
        """How much having each of `others` speaks for each of `items`; 0 where they are no neighbours."""
        return np.asarray(self._similarities[others][:, items].toarray().T, np.float32)

    def item_vectors(self, rows: Rows | None = None) -> None:
        """Items are no vectors here."""

    def user_vectors(self, users: UserBatch) -> None:
        """Nor are users."""

    def _sums(self, users: UserBatch) -> Iterator[tuple[slice, csr_matrix]]:
        """Summed similarities [part, num_items] of users, a part at a time so that memory stays small."""
        history = weighted_items(users.history, self._similarities.shape[0], self._half_life)
        products = np.zeros(len(users) + 1)
        np.cumsum(history.sign() @ np.diff(self._similarities.indptr), out=products[1:])
        start = 0
        while start < len(users):
            stop = int(np.searchsorted(products, products[start] + _CHUNK_PRODUCTS, side="right")) - 1
            part = slice(start, max(stop, start + 1))
            yield part, (history[part] @ self._similarities).tocsr()
            start = part.stop


def _shut_out(sums: csr_matrix, barred: Sequence[Rows], closed: Mask | None) -> None:
    """Set what must not be found to 0: nobody's neighbour."""
    if closed is not None:
        sums.data[closed[sums.indices]] = 0
    for bar, start, stop in zip(barred, sums.indptr[:-1], sums.indptr[1:], strict=True):
        if len(bar):
            sums.data[start:stop][np.isin(sums.indices[start:stop], bar)] = 0


def _best(scored: csr_matrix, k: int) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Columns and values of the best `k` of each row, best first, of equals the lower column; -1 and 0 behind them."""
    scored.sort_indices()
    rows, scores = np.full((scored.shape[0], k), -1, np.int64), np.zeros((scored.shape[0], k), np.float32)
    for line, (start, stop) in enumerate(zip(scored.indptr[:-1], scored.indptr[1:], strict=True)):
        values = scored.data[start:stop]
        kept = np.flatnonzero(values > 0)
        if len(kept) > k:
            kept = np.sort(kept[np.argpartition(-values[kept], k - 1)[:k]])
        order = kept[np.argsort(-values[kept], kind="stable")]
        rows[line, : len(order)] = scored.indices[start:stop][order]
        scores[line, : len(order)] = values[order]
    return rows, scores
