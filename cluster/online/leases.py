"""Who works on which partition: leases with a deadline, and a token that a later holder's is never equal to.

Consumers that are alive share the partitions evenly. One that stops saying so loses its leases at their deadline, and
the others take them over. What it writes after that is refused: every write that counts names the token.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from cluster.online.event_log import Job

LEASE_S = 5.0
"""Life of a lease that is not renewed: within so much a dead consumer's share is free."""


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to work on a partition for a job, until its deadline. `token` grows with each new holder."""

    job: Job
    partition: int
    owner: str
    token: int


class Leases(Protocol):
    """Every method raises `StoreError` when the store cannot answer. Deadlines are by the store's clock."""

    def alive(self, job: Job, owner: str, life_s: float) -> list[str]:
        """Say that `owner` lives for another `life_s`; all who live, sorted."""

    def hold(self, job: Job, partitions: Sequence[int], owner: str, life_s: float) -> list[Lease]:
        """Renew what `owner` holds of the partitions and take what is free; those it holds now."""

    def holds(self, lease: Lease) -> bool:
        """Whether the lease is still its owner's."""

    def release(self, leases: Sequence[Lease]) -> None:
        """Free them, so that nobody waits for their deadlines; one that was lost is left alone."""

    def leave(self, job: Job, owner: str) -> None:
        """`owner` is not alive any more, and says so itself."""

    def holders(self) -> list[Lease]:
        """All leases that are held now, by job and partition."""


def share(owner: str, alive: Sequence[str], num_partitions: int) -> list[int]:
    """The partitions of one of those alive (sorted): equal shares, each partition in one."""
    return list(range(alive.index(owner), num_partitions, len(alive)))
