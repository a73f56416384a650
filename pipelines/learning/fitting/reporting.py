"""How a fit tells of its progress: records as a net's epochs are, in the run folder and to callbacks."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from ray.train import UserCallback

from pipelines.learning.runs.epoch_log import EpochLog
from pipelines.learning.runs.run_folder import write_live

_LIVE_EVERY_S = 1.0


class Reporter:
    """Goes nowhere: for a fit whose progress nobody follows, such as one source of several."""

    def live(self, epoch: int, samples: int, total: int) -> None:
        """How far the epoch in progress has come."""

    def record(self, epoch: int, num_samples: int, seconds: float, **scores: float) -> None:
        """One epoch that is done."""


@dataclass
class RunReporter(Reporter):
    """Writes `live.json` and `metrics.json` of a run and tells Ray Train's callbacks, Ray Tune's among them.

    The callbacks are told without the context and the checkpoint that a Ray Train run would have.
    """

    run_uri: str
    callbacks: Sequence[UserCallback] = ()
    _written: float = field(default=0.0, init=False)

    def live(self, epoch: int, samples: int, total: int) -> None:
        """At most once a second."""
        if time.monotonic() - self._written > _LIVE_EVERY_S:
            self._written = time.monotonic()
            write_live(self.run_uri, epoch, samples, total)

    def record(self, epoch: int, num_samples: int, seconds: float, **scores: float) -> None:
        """Add the record; an epoch that was done before is replaced."""
        speed = num_samples / max(seconds, 1e-9)
        record = {"epoch": epoch, **scores, "samples": num_samples, "samples_per_s": speed, "seconds": seconds}
        for callback in (EpochLog(self.run_uri), *self.callbacks):
            callback.after_report(None, [record], None)
