"""How popular an item was at a moment: training events before the period that the moment lies in.

The total over the training part would show an example its own event and what came after it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.vocabulary import Rows

_US_PER_DAY = 86_400_000_000
_MAX_PERIODS = 64


@dataclass(frozen=True, slots=True)
class Periods:
    """The days of a log in `num` periods of as many whole days each."""

    start_us: int
    length_us: int
    num: int

    @classmethod
    def of(cls, first_us: int, last_us: int) -> Periods:
        """At most `_MAX_PERIODS` from the day of `first_us` to that of `last_us`."""
        first_day, last_day = first_us // _US_PER_DAY, last_us // _US_PER_DAY
        days = -(-(last_day - first_day + 1) // _MAX_PERIODS)
        return cls(first_day * _US_PER_DAY, days * _US_PER_DAY, -(-(last_day - first_day + 1) // days))


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
