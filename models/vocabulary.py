"""From opaque ids to table rows: known ids have a row each, unknown ones share a few reserved buckets."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import cached_property

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

Rows = NDArray[np.int64]
USERS_FILE = "users.parquet"
"""The vocabulary of users on disk: its column `user_id`, in row order."""


class Vocabulary:
    """Rows `0 … len(ids) − 1` are the ids in order; `num_buckets` rows after them take the unknown."""

    def __init__(self, ids: Sequence[str] | pa.Array, num_buckets: int = 0) -> None:
        self._ids = ids.cast(pa.string()) if isinstance(ids, pa.Array) else pa.array(ids, pa.string())
        self.num_buckets = num_buckets

    def __len__(self) -> int:
        return len(self._ids)

    @property
    def num_rows(self) -> int:
        """Rows a table needs, reserved buckets included."""
        return len(self) + self.num_buckets

    @cached_property
    def ids(self) -> list[str]:
        """The known ids, in row order."""
        return [str(value) for value in self._ids.to_pylist()]

    @cached_property
    def _row_of(self) -> dict[str, int]:
        return {value: row for row, value in enumerate(self.ids)}

    def row(self, value: str) -> int | None:
        """Row of a known id, else None."""
        return self._row_of.get(value)

    def known_rows(self, values: Sequence[str]) -> list[int]:
        """Rows of the known ids among `values`, in order; the others are left out."""
        get = self._row_of.get
        return [row for row in map(get, values) if row is not None]

    def bucket(self, value: str) -> int:
        """Row of any id: its own, or that of its reserved bucket."""
        row = self._row_of.get(value)
        return len(self) + hash_bucket(value, self.num_buckets) if row is None else row

    def buckets(self, values: pa.Array) -> Rows:
        """`bucket` of each of an Arrow string array, [len(values)]."""
        rows = self.lookup(values)
        unknown = np.flatnonzero(rows < 0)
        rows[unknown] = [len(self) + hash_bucket(values[at].as_py(), self.num_buckets) for at in unknown]
        return rows

    def lookup(self, values: pa.Array | pa.ChunkedArray) -> Rows:
        """Rows of an Arrow string array, [len(values)]; -1 for an unknown id."""
        found = pc.fill_null(pc.index_in(values, value_set=self._ids), -1)
        return np.array(found, dtype=np.int64)


def hash_bucket(value: str, num_buckets: int) -> int:
    """A stable bucket in `[0, num_buckets)`, the same on every machine."""
    digest = hashlib.blake2b(value.encode(errors="surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "big") % num_buckets
