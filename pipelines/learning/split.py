"""Which events of a user are trained on, which validate and which test. Evaluation uses the same rule."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Protocol = Literal["leave_last_out", "time", "none"]

TRAIN, VALIDATION, TEST = 0, 1, 2


@dataclass(frozen=True, slots=True)
class SplitConfig:
    """`leave_last_out`: a user's last event tests, the one before validates.

    `time`: the last `test_fraction` of all events by time tests, as much before it validates.
    `none`: everything is trained on and nothing is held out.
    """

    protocol: Protocol = "leave_last_out"
    test_fraction: float = 0.1


@dataclass(frozen=True, slots=True)
class Split:
    """The rule with its moments resolved; `time` events at or after a moment belong to that part."""

    protocol: Protocol
    validation_us: int = 0
    test_us: int = 0

    def labels(self, timestamps_us: NDArray[np.int64]) -> NDArray[np.int8]:
        """TRAIN, VALIDATION or TEST for each event of one user, oldest first. Users of fewer than 3 events train only."""
        labels = np.full(len(timestamps_us), TRAIN, dtype=np.int8)
        if self.protocol == "leave_last_out" and len(labels) >= 3:
            labels[-2:] = (VALIDATION, TEST)
        elif self.protocol == "time":
            labels[timestamps_us >= self.validation_us] = VALIDATION
            labels[timestamps_us >= self.test_us] = TEST
        return labels


def resolve(config: SplitConfig, quantile_us: NDArray[np.int64]) -> Split:
    """`quantile_us`: event times at `1 − 2·test_fraction` and `1 − test_fraction` of all events."""
    if config.protocol != "time":
        return Split(config.protocol)
    return Split("time", int(quantile_us[0]), int(quantile_us[1]))
