"""A consumer: its share of the partitions, for both jobs, until it is told to stop.

    say "alive" ─> share partitions with all who are ─> renew or take leases ─> a step of work in each ─> wait

Each job has a thread of its own, so that a lake that is slow or away holds up nothing that is trending. A turn that
fails is logged and tried again: the log waits.
"""

from __future__ import annotations

import logging
import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from cluster.consuming.counting import BATCH_SIZE as COUNTING_BATCH_SIZE
from cluster.consuming.counting import Counting
from cluster.consuming.sink import BATCH_SIZE as SINK_BATCH_SIZE
from cluster.consuming.sink import LakeSink
from cluster.delta.lake import Lake
from cluster.online.event_log import Job, Lag
from cluster.online.leases import LEASE_S, Lease, share
from cluster.online.store import OnlineStore, open_store
from cluster.settings import Settings
from models.errors import ShoalError

_log = logging.getLogger(__name__)
_RENEW = 3
"""A lease is renewed after a third of its life."""
_PAUSE_AFTER_ERROR_S = 1.0
HUNG_S = 120.0
"""A start takes as long as a busy machine takes for its imports, a turn as long as the lake takes for the share; a
consumer that takes longer than this is not coming back."""

Work = Callable[[int, Callable[[], Lease | None]], bool]
"""One step in a partition, which asks for its lease when it writes: None says that it is lost. True when there is more
to do at once.
"""


@dataclass(frozen=True, slots=True)
class ConsumeOptions:
    """How often each job looks at the log, and how long a consumer that does nothing keeps its share."""

    lake_interval_s: float = 2.0
    trending_interval_s: float = 0.5
    half_life_s: float = 21_600.0
    lease_s: float = LEASE_S

    @classmethod
    def from_settings(cls, settings: Settings) -> ConsumeOptions:
        """Those that the settings know."""
        return cls(lake_interval_s=settings.lake_interval_s, half_life_s=settings.trending_half_life_s)


@dataclass(frozen=True, slots=True)
class Health:
    """Of one job of one consumer: seconds since it last came around, partitions it holds, its last turn's error."""

    job: Job
    idle_s: float
    partitions: tuple[int, ...]
    error: str | None


class JobLoop:
    """One job of one consumer."""

    def __init__(self, store: OnlineStore, job: Job, owner: str, interval_s: float, lease_s: float, work: Work) -> None:
        self._store, self._job, self._owner, self._work = store, job, owner, work
        self._interval_s, self._lease_s = interval_s, lease_s
        self._held: dict[int, Lease] = {}
        self._renewed, self._turned = float("-inf"), time.monotonic()
        self._error: str | None = None

    def run(self, stop: threading.Event) -> None:
        """Turn until `stop`, then give back what is held."""
        # Late enough to let events gather, early enough to keep the leases.
        wait_s = min(self._interval_s, self._lease_s / _RENEW)
        due = 0.0
        while not stop.is_set():
            try:
                now = time.monotonic()
                more = self.turn(work=now >= due)
                if now >= due and not more:
                    due = now + self._interval_s
                self._error = None
                stop.wait(0 if more else max(0.0, min(wait_s, due - time.monotonic())))
            except Exception as error:  # whatever it was, the log waits
                self._error = f"{type(error).__name__}: {error}"
                known = isinstance(error, ShoalError | OSError)
                _log.error("a turn of the %s job failed and is tried again: %s", self._job, error, exc_info=not known)
                stop.wait(_PAUSE_AFTER_ERROR_S)
        self._store.leases.release(list(self._held.values()))
        self._store.leases.leave(self._job, self._owner)

    def turn(self, *, work: bool = True) -> bool:
        """Renew the share if it is time, and take one step in each partition of it; True when one of them has more."""
        self._turned = time.monotonic()
        self._renew_in_time()
        more = False
        for partition in sorted(self._held) if work else ():
            if self._lease(partition) is not None:
                more |= self._work(partition, partial(self._lease, partition))
        return more

    def health(self) -> Health:
        """How it is."""
        return Health(self._job, time.monotonic() - self._turned, tuple(sorted(self._held)), self._error)

    def _renew_in_time(self) -> None:
        leases, job, started = self._store.leases, self._job, time.monotonic()
        if started - self._renewed < self._lease_s / _RENEW:
            return
        alive = leases.alive(job, self._owner, self._lease_s)
        mine = share(self._owner, alive, self._store.log.num_partitions())
        if others := [lease for lease in self._held.values() if lease.partition not in mine]:
            leases.release(others)
        self._held = {lease.partition: lease for lease in leases.hold(job, mine, self._owner, self._lease_s)}
        self._renewed = started

    def _lease(self, partition: int) -> Lease | None:
        """The lease as it is now, renewed in good time; a step longer than its life takes it again if it can."""
        self._renew_in_time()
        return self._held.get(partition)


class Consumer:
    """Both jobs, each in a thread. Starts at once."""

    def __init__(self, store_url: str, lake_uri: str, options: ConsumeOptions | None = None) -> None:
        options = options or ConsumeOptions()
        self._store = open_store(store_url)
        owner = uuid.uuid4().hex
        sink = LakeSink(self._store, Lake(lake_uri))
        counting = Counting(self._store, options.half_life_s)

        def move(partition: int, lease: Callable[[], Lease | None]) -> bool:
            moved = sink.step(partition, lambda: lease() is not None)
            return moved is not None and moved.num_read == SINK_BATCH_SIZE

        def count(partition: int, lease: Callable[[], Lease | None]) -> bool:
            return counting.step(partition, lease) == COUNTING_BATCH_SIZE

        intervals = {Job.LAKE: options.lake_interval_s, Job.TRENDING: options.trending_interval_s}
        works: dict[Job, Work] = {Job.LAKE: move, Job.TRENDING: count}
        self._loops = [
            JobLoop(self._store, job, owner, intervals[job], options.lease_s, work) for job, work in works.items()
        ]
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=loop.run, args=(self._stop,), daemon=True) for loop in self._loops]
        for thread in self._threads:
            thread.start()

    def health(self) -> list[Health]:
        """Of both jobs; `RuntimeError` when a thread has ended."""
        if not all(thread.is_alive() for thread in self._threads) and not self._stop.is_set():
            raise RuntimeError("a job of this consumer has ended")
        return [loop.health() for loop in self._loops]

    def lags(self) -> list[Lag]:
        """Of what this consumer holds."""
        held = {(health.job, partition) for health in self.health() for partition in health.partitions}
        return [lag for lag in self._store.log.lags() if (lag.job, lag.partition) in held]

    def stop(self) -> None:
        """Finish the step under way, free the share and close the store."""
        self._stop.set()
        for thread in self._threads:
            thread.join()
        self._store.close()
