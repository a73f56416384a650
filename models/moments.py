"""The moment of an event or a request as look-ups: its hour of the day and its day of the week, in UTC."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from models.ragged import Jagged

_HOURS, _DAYS = 24, 7
NUM_MOMENTS = _HOURS + _DAYS
"""Rows 0 to 23 are the hours, then come the days from Monday on."""
_US_PER_HOUR = 3_600_000_000
_THURSDAY = 3
"""1 January 1970 was one."""


def moments(now_us: NDArray[np.int64]) -> Jagged:
    """Two values for each time, [batch]; none for an untimed event, whose time is 0."""
    timed = now_us != 0
    hours = now_us[timed] // _US_PER_HOUR
    weekdays = (hours // _HOURS + _THURSDAY) % _DAYS
    values = np.stack([hours % _HOURS, _HOURS + weekdays], axis=1)
    return Jagged(values.reshape(-1), (2 * timed).astype(np.int32))
