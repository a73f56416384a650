"""The event log emptied once, as far as it goes now: for a machine or a job without consumers."""

from __future__ import annotations

from collections.abc import Callable

from cluster.consuming.counting import count
from cluster.consuming.sink import Moved, sink
from cluster.delta.lake import Lake
from cluster.online.leases import LEASE_S
from cluster.online.store import OnlineStore


def drain(store: OnlineStore, lake: Lake, half_life_s: float, on_batch: Callable[[Moved], None] | None = None) -> Moved:
    """Count what is trending, move to the lake, trim. Harmless beside consumers; what they hold, they do."""
    count(store, half_life_s, LEASE_S, lambda _: None)
    return sink(store, lake, on_batch=on_batch)
