"""The event log, as those see it who move it on: partitions, positions of its readers, entries nobody could use.

The log lies in a fixed number of partitions. All entries of a user are in one, in the order of their appends.
Two jobs read each partition to its end: one moves it to the lake, one counts what is trending. What both have
passed is trimmed.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from models.events import Interaction
from models.exposures import Exposure
from models.quarantine import Rejected


class Job(StrEnum):
    """The readers of the log."""

    LAKE = "lake"
    TRENDING = "trending"


Entry = Interaction | Exposure | Rejected
"""What is appended."""


@dataclass(frozen=True, slots=True)
class Undecodable:
    """An entry that this Shoal cannot read, as it lies in the log; `reason` says why."""

    reason: str


@dataclass(frozen=True, slots=True)
class Logged:
    """One entry of the event log.

    `offset` is the microsecond of the append, made strictly increasing within its partition. A store that was emptied
    or restored from a backup therefore never gives out an offset that a reader of it has already passed.
    `kind` and `body` are what is stored. `lake_only`: the lake alone refused it before, so it is not counted again.
    """

    offset: int
    entry: Entry | Undecodable
    kind: int = field(repr=False)
    body: bytes = field(repr=False)
    lake_only: bool = False


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """An entry that was taken out of the log's way: `body` as it lay there, which may be personal data, and why.

    `refused_by_lake`: it could be read and was counted; the lake did not want it.
    """

    partition: int
    offset: int
    kind: int
    body: bytes = field(repr=False)
    reason: str
    refused_by_lake: bool


@dataclass(frozen=True, slots=True)
class Lag:
    """How far a job is behind the end of a partition: entries, and the age in seconds of the oldest of them."""

    job: Job
    partition: int
    num_entries: int
    seconds: float


class EventLog(Protocol):
    """Every method raises `StoreError` when the store cannot answer. Safe to share between threads."""

    def num_partitions(self) -> int:
        """Fixed when the store was made."""

    def read(self, partition: int, after: int, limit: int) -> list[Logged]:
        """Entries with an offset above `after`, in order; those that cannot be read are `Undecodable`."""

    def position(self, job: Job, partition: int) -> int:
        """The offset through which the job is done; 0 before its first."""

    def advance(self, partition: int, through: int) -> None:
        """The lake has the partition up to and including `through`. Never goes back.

        A hint for trimming and lag: the truth is in the lake itself. What is trending moves its own position, in the
        step that counts (`Tallies.add`).
        """

    def trim(self, partition: int) -> None:
        """Drop what every job is done with."""

    def lags(self) -> list[Lag]:
        """Of each job and partition."""

    def bury(self, letters: Sequence[DeadLetter]) -> None:
        """Keep entries that cannot be used; one that is kept already stays as it is."""

    def buried(self, partition: int, after: int) -> set[int]:
        """Offsets above `after` of the partition's dead letters."""

    def dead_letters(self, limit: int) -> list[DeadLetter]:
        """The oldest `limit` of each partition, by partition and offset."""

    def num_dead_letters(self) -> int:
        """How many are kept; nothing but `replay` and `drop` removes one."""

    def replay(self, letters: Sequence[DeadLetter], erased_through: Mapping[int, int]) -> int:
        """Put dead letters back at the end of the log, each in one step with its removal; the number put back.

        One that the lake's reader has not passed yet stays: it would be read twice. So do those of a partition with a
        newer tombstone than `erased_through` says of it: whoever asks did not look for those of that user.
        """

    def drop(self, letters: Sequence[DeadLetter]) -> int:
        """Remove dead letters of an erased user for good; the number removed."""


def partition_of(user_id: str, num_partitions: int) -> int:
    """Where all entries of a user lie. Written to disk: never change it."""
    return zlib.crc32(user_id.encode()) % num_partitions
