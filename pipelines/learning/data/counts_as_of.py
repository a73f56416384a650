"""How popular an item was at a moment: training events before the period that the moment lies in.

The total over the training part would show an example its own event and what came after it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.vocabulary import Rows

_MAX_PERIODS = 64


@dataclass(frozen=True, slots=True)
class Periods:
    """The time from the first event to the last, in `num` periods of `length_us` each."""

    start_us: int
    length_us: int
    num: int

    @classmethod
    def of(cls, first_us: int, last_us: int) -> Periods:
        """`_MAX_PERIODS`, or one a microsecond where there are fewer of these."""
        total = last_us - first_us + 1
        length = -(-total // _MAX_PERIODS)
        return cls(first_us, length, -(-total // length))


class CountsAsOf:
    """Cumulative counts by item and period; only pairs with an event are held."""

    def __init__(self, periods: Periods, items: Rows, period: Rows, counts: Rows) -> None:
        self._periods = periods
        keys = items * periods.num + period
        order = np.argsort(keys, kind="stable")
        self._keys, self._total = keys[order], np.concatenate([[0], np.cumsum(counts[order])])

    def log_counts(self, items: Rows, now_us: NDArray[np.int64]) -> NDArray[np.float32]:
        """log(1 + count) of each item as of the start of the period of `now_us`; the arrays broadcast."""
        periods = self._periods
        at = np.clip((now_us - periods.start_us) // periods.length_us, 0, periods.num)
        first = np.searchsorted(self._keys, items * periods.num)
        last = np.searchsorted(self._keys, items * periods.num + at)
        return np.asarray(np.log1p(self._total[last] - self._total[first]), np.float32)
