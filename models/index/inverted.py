"""The index of a large catalogue: inverted lists of short codes, the best of which are scored again from their vectors.

A filter is applied while lists are read. So that it costs no recall, lists are read until twice as many allowed rows
have been seen as a search without a filter would see of all, and lists without an allowed row are left out; a filter
that leaves few rows is answered by comparing these one by one.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

import faiss
import numpy as np
from numpy.typing import NDArray

from models.errors import BundleError
from models.index import parameters
from models.index.arrays import Found, Vectors
from models.index.config import Kind
from models.index.half_vectors import HalfVectors
from models.index.scan import scan
from models.index.selection import Allowed, Selection
from models.index.training import trained
from models.vocabulary import Rows

_REFINE: dict[Kind, int] = {"ivf_sq8": 2, "ivf_pq": 4}
"""How many times the asked number are scored again, to begin with: codes of fewer bytes order them worse."""
_FETCH, _COMPARE = 20, 3
"""What a row costs that is fetched by its number, and then for each query that it is compared with, where testing a row
of a list against a filter costs 1: 6 ns.
"""
_MAX_FETCHED = 1 << 18
"""At once, so that memory stays small."""
_FILTERED = 2
"""With a filter, so many times the rows are read: one that forbids what is near leaves a best that is spread wide."""
_WIDER = 4
"""A query that found too few reads so many times the lists."""
_TUNED_DEPTH = 100
"""As deep as recall is measured. For more, what is barred included, the lists read grow with its root: then what is
found of the hundred behind the best 400 is about as much as of the best hundred.
"""


class InvertedIndex:
    """`nprobe`: lists read for a query. `refine`: how many times the asked number are scored again."""

    def __init__(
        self, ivf: Any, lists: NDArray[np.uint16], halves: HalfVectors, kind: Kind, nprobe: int, refine: int
    ) -> None:
        self._ivf, self._lists, self._halves = ivf, lists, halves
        self.kind, self.nprobe, self.refine = kind, nprobe, refine
        self._centres: Vectors = ivf.quantizer.reconstruct_n(0, ivf.nlist)
        self._counted: WeakKeyDictionary[Allowed, NDArray[np.int64]] = WeakKeyDictionary()

    @classmethod
    def of(cls, vectors: Vectors, kind: Kind, nprobe: int, seed: int) -> InvertedIndex:
        """Train on [num_items, dim] and add them all."""
        halves = HalfVectors.of(vectors)
        ivf, lists = trained(vectors, kind, seed)
        return cls(ivf, lists, halves, kind, min(nprobe, ivf.nlist), _REFINE[kind])

    @classmethod
    def load(cls, path: Path, ivf: Any, kind: Kind, nprobe: int, refine: int) -> InvertedIndex:
        """With the files beside `path`; `BundleError` when they are of another index."""
        lists = np.load(path.with_suffix(".lists.npy"), mmap_mode="r")
        if lists.dtype != np.uint16 or lists.shape != (ivf.ntotal,):
            raise BundleError(f"the lists beside {path.name} are of another index. Publish the bundle again.")
        return cls(ivf, lists, HalfVectors.load(path, ivf.ntotal, ivf.d), kind, nprobe, refine)

    def save(self, path: Path) -> None:
        """Write the index and `….lists.npy`, `….vectors.npy` and `….scale.npy` beside it."""
        faiss.write_index(self._ivf, str(path))
        np.save(path.with_suffix(".lists.npy"), self._lists)
        self._halves.save(path)

    def widened(self, nprobe: int, refine: int) -> InvertedIndex:
        """The same lists, read otherwise."""
        return InvertedIndex(self._ivf, self._lists, self._halves, self.kind, nprobe, refine)

    @property
    def dim(self) -> int:
        """Width of the vectors."""
        return int(self._ivf.d)

    @property
    def nlist(self) -> int:
        """How many lists there are."""
        return len(self._centres)

    @property
    def num_bytes(self) -> int:
        """Codes, ids, centres, lists by row, and the vectors."""
        codes = len(self) * (int(self._ivf.code_size) + 8)
        return codes + self._centres.nbytes + self._lists.nbytes + self._halves.num_bytes

    def __len__(self) -> int:
        return int(self._ivf.ntotal)

    def vectors(self, rows: Rows) -> Vectors:
        """Of the given rows, [len(rows), dim], in half precision."""
        return self._halves.vectors(rows)

    def search(self, queries: Vectors, k: int, selection: Selection) -> Found:
        """The best `k` of the lists that are read, by their vectors."""
        allowed, most_barred = selection.allowed, max(map(len, selection.barred), default=0)
        nprobe = min(math.ceil(self.nprobe * max((k + most_barred) / _TUNED_DEPTH, 1.0) ** 0.5), self.nlist)
        # What is barred is met on the way to the rest; short codes put more of the rest among it.
        wide = min(self.refine * k + max(self.refine // 2, 1) * most_barred, len(self))
        budget = _FILTERED * nprobe * len(self) / self.nlist
        if allowed is not None and self._are_few(allowed.num_rows, len(queries), budget):
            few = selection.allowed_rows(len(self))
            return scan(queries, self._halves.vectors(few), k, selection.barred, few)
        selector = parameters.selector(selection.bits(len(self)))
        if allowed is None:
            rows = self._nearest(queries, wide, nprobe, selector)
        else:
            rows = self._in(self._lists_of(queries, self._counts(allowed), budget), queries, wide, selector)
        found = self._refined(queries, rows, k, selection.barred)
        most = len(self) if allowed is None else allowed.num_rows
        while nprobe < self.nlist and len(short := np.flatnonzero((found[0] >= 0).sum(axis=1) < min(k, most))):
            nprobe = min(_WIDER * nprobe, self.nlist)
            rows = self._nearest(queries[short], wide, nprobe, selector)
            again = self._refined(queries[short], rows, k, [selection.barred[line] for line in short.tolist()])
            found[0][short], found[1][short] = again
        return found

    def _are_few(self, num_allowed: int, num_queries: int, budget: float) -> bool:
        """True where fetching and comparing all allowed rows costs less than reading lists until `budget` of them."""
        tested = num_queries * min(budget / max(num_allowed, 1), 1.0) * len(self)
        return num_allowed <= _MAX_FETCHED and num_allowed * (_FETCH + _COMPARE * num_queries) <= tested

    def _nearest(self, queries: Vectors, wide: int, nprobe: int, selector: Any) -> NDArray[np.int64]:
        """[num_queries, wide] rows by their codes in the `nprobe` nearest lists, -1 behind them."""
        params = parameters.inverted(nprobe, selector)
        rows: NDArray[np.int64] = self._ivf.search(np.ascontiguousarray(queries), wide, params=params)[1]
        return rows

    def _in(self, lists: NDArray[np.int64], queries: Vectors, wide: int, selector: Any) -> NDArray[np.int64]:
        """[num_queries, wide] rows by their codes in the given lists, [num_queries, width], of which -1 is none."""
        queries, lists = np.ascontiguousarray(queries), np.ascontiguousarray(lists)
        scores, rows = np.empty((len(queries), wide), np.float32), np.empty((len(queries), wide), np.int64)
        # Of use for codes of residuals alone, and ours are none.
        nearness = np.zeros(lists.shape, np.float32)
        arrays = [faiss.swig_ptr(array) for array in (lists, nearness, scores, rows)]
        params = parameters.inverted(lists.shape[1], selector)
        self._ivf.search_preassigned_c(len(queries), faiss.swig_ptr(queries), wide, *arrays, False, params)
        return rows

    def _lists_of(self, queries: Vectors, counts: NDArray[np.int64], budget: float) -> NDArray[np.int64]:
        """The nearest lists with allowed rows, until they hold `budget`: [num_queries, width], -1 behind them."""
        some = np.flatnonzero(counts)
        order = np.argsort(-(queries @ self._centres[some].T), axis=1, kind="stable")
        enough = (np.cumsum(counts[some][order], axis=1) < budget).sum(axis=1) + 1
        width = min(int(enough.max()), len(some))
        lists = some[order[:, :width]]
        lists[np.arange(width) >= enough[:, None]] = -1
        return lists

    def _counts(self, allowed: Allowed) -> NDArray[np.int64]:
        """[nlist] allowed rows of each list."""
        counts = self._counted.get(allowed)
        if counts is None:
            counts = np.bincount(self._lists[allowed.mask[: len(self)]], minlength=self.nlist)
            self._counted[allowed] = counts
        return counts

    def _refined(self, queries: Vectors, rows: NDArray[np.int64], k: int, barred: Sequence[Rows]) -> Found:
        """The best `k` of each line by their vectors, without the line's barred rows."""
        found, best = np.full((len(queries), k), -1, np.int64), np.zeros((len(queries), k), np.float32)
        for line, (query, candidates, bar) in enumerate(zip(queries, rows, barred, strict=True)):
            known = candidates[candidates >= 0]
            if len(bar):
                known = known[~np.isin(known, bar)]
            scores = self._halves.scores(query, known)
            order = np.argsort(-scores, kind="stable")[:k]
            found[line, : len(order)], best[line, : len(order)] = known[order], scores[order]
        return found, best
