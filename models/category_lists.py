"""The items of each category with the most events, best first."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from models.candidates import Candidates

LIST_LENGTH = 500


class CategoryLists:
    """Lists of item rows by category; 12 bytes an entry, at most `LIST_LENGTH` a category."""

    def __init__(self, categories: pa.ChunkedArray, counts: NDArray[np.int64]) -> None:
        """`categories`: a list of names of each item, in row order; `counts`: events of each, [num_items]."""
        lists = categories.combine_chunks()
        named = pc.list_flatten(lists).dictionary_encode()
        rows = np.asarray(pc.list_parent_indices(lists), np.int64)
        known = np.asarray(named.is_valid())
        rows, codes = rows[known], np.asarray(named.indices.drop_null(), np.int64)
        order = np.lexsort((rows, -counts[rows], codes))
        rows, codes = rows[order], codes[order]
        again = np.concatenate([[False], (rows[1:] == rows[:-1]) & (codes[1:] == codes[:-1])])[: len(rows)]
        rows, codes = rows[~again], codes[~again]
        starts = np.searchsorted(codes, np.arange(len(named.dictionary) + 1))
        self._lists = {
            name: (part := rows[start : min(end, start + LIST_LENGTH)].copy(), counts[part].astype(np.float32))
            for name, start, end in zip(named.dictionary.to_pylist(), starts[:-1], starts[1:], strict=True)
        }

    def top(self, category: str) -> Candidates:
        """The category's items, those with the most events first; scores are their events. Empty for an unknown one."""
        found = self._lists.get(category)
        return Candidates.empty() if found is None else Candidates(*found)
