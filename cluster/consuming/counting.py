"""The event log into what is trending and into counters, each entry exactly once.

The position of the job lies beside the counters and moves with them in one step, behind a lease.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable

from cluster.consuming.late_entries import without_erased
from cluster.online.event_log import Job
from cluster.online.leases import Lease
from cluster.online.store import OnlineStore
from cluster.online.trending import tally
from models.events import Interaction

BATCH_SIZE = 2_000
"""Entries counted in one step: a step of the store takes some 20 ms, in which it may serve nobody else."""


class Counting:
    """Counts partitions of one store."""

    def __init__(self, store: OnlineStore, half_life_s: float, batch_size: int = BATCH_SIZE) -> None:
        self._store, self._log, self._tallies = store, store.log, store.tallies
        self._half_life_s, self._batch_size = half_life_s, batch_size

    def step(self, partition: int, lease: Callable[[], Lease | None]) -> int | None:
        """Count the next part of a partition; its entries. None: there are none, or the lease is lost.

        The lease is asked for when the sums are made: behind an unchanged position any of this consumer's will do.
        """
        after = self._log.position(Job.TRENDING, partition)
        batch = self._log.read(partition, after, self._batch_size)
        if not batch:
            return None
        kept, erased_through = without_erased(self._store, partition, batch)
        entries = [logged.entry for logged in kept]
        asked = {e.recommendation_id for e in entries if isinstance(e, Interaction) and e.recommendation_id}
        surfaces = self._tallies.surfaces(partition, sorted(asked))
        counted = tally(kept, surfaces, self._half_life_s, erased_through)
        held = lease()
        if held is None or not self._tallies.add(held, after, batch[-1].offset, counted):
            return None
        self._log.trim(partition)
        return len(batch)


def count(store: OnlineStore, half_life_s: float, lease_s: float, on_batch: Callable[[int], None]) -> None:
    """Count everything that is in the log now, but for the partitions that a consumer counts already."""
    owner, counting = f"once-{uuid.uuid4().hex}", Counting(store, half_life_s)
    for partition in range(store.log.num_partitions()):

        def lease(partition: int = partition) -> Lease | None:
            return next(iter(store.leases.hold(Job.TRENDING, [partition], owner, lease_s)), None)

        while lease() is not None and (num := counting.step(partition, lease)) is not None:
            on_batch(num)
        if (held := lease()) is not None:
            store.leases.release([held])
