"""Sums by key in bounded memory: of all keys while they fit, then of every second, fourth, eighth … by their hash.

A key is in the sample with everything that belongs to it, or not at all, so rates and quantiles over keys are unbiased.
Adaptive sampling, after Flajolet, "On adaptive sampling" (Computing 43, 1990), and Gibbons, "Distinct sampling for
highly-accurate answers to distinct values queries and event reports" (VLDB 2001).
"""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

MAX_KEYS = 1_000_000
"""Some 50 MB for a sample of three sums, and as much again while it is merged."""


class KeySample:
    """Sums of `columns` by `key`, for at most about `max_keys` keys."""

    def __init__(self, columns: Sequence[str], max_keys: int = MAX_KEYS) -> None:
        self._columns, self._max_keys = list(columns), max_keys
        schema = {"key": pl.UInt64, **dict.fromkeys(columns, pl.Int64)}
        self._sums, self._pending, self._num_pending = pl.DataFrame(schema=schema), list[pl.DataFrame](), 0
        self.level = 0
        """One key in 2**level is in the sample."""

    def add(self, sums: pl.DataFrame) -> None:
        """Add rows of `key` (UInt64, a hash) and the columns (Int64)."""
        rows = self.sampled(sums.select("key", *self._columns))
        self._pending.append(rows)
        self._num_pending += len(rows)
        if self._num_pending > self._max_keys // 2:
            self._merge()

    def sums(self) -> pl.DataFrame:
        """One row a key of the sample."""
        self._merge()
        return self._sums

    def sampled(self, rows: pl.DataFrame) -> pl.DataFrame:
        """Of rows with a `key`, those whose key belongs to the sample."""
        return rows.filter(pl.col("key") & (2**self.level - 1) == 0) if self.level else rows

    @property
    def num_keys(self) -> int:
        """How many keys there are, an estimate once they are sampled."""
        return len(self.sums()) << self.level

    def _merge(self) -> None:
        if not self._pending:
            return
        both = pl.concat([self._sums, *self._pending])
        self._pending, self._num_pending = [], 0
        self._sums = both.group_by("key").agg(pl.col(name).sum() for name in self._columns)
        while len(self._sums) > self._max_keys:
            self.level += 1
            self._sums = self.sampled(self._sums)
