"""What the online store does for a user's privacy: hide at once, forget for good, keep sealed texts.

A *subject* is the keyed hash that stands for a user (`PrivacyKeys.subject`); a *tombstone* is a subject with the log
offset of the erasure in the user's partition: entries of that user at or below it are dropped wherever they come from,
those above it are of somebody new. Who refuses personalization is said by the profile (`cluster/online/consent.py`).
"""

from __future__ import annotations

import uuid
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol, TypeVar

from models.errors import StoreError
from models.events import Interaction
from models.exposures import Exposure
from models.privacy import ANONYMOUS_ID
from models.quarantine import Rejected

TOMBSTONE_LIFE_S = 90 * 86_400
"""How long a tombstone is kept. Until then a bundle that still knew the id would not be asked about it."""

PURGE_TIMEOUT_S = 60.0
_Entry = TypeVar("_Entry", Interaction, Exposure | Rejected)
_NOT_KEPT = "(not kept: who sent it refuses personalization)"


@dataclass(frozen=True, slots=True)
class Hidden:
    """What one step took away, entries by what they were, and the log offset of each user's tombstone."""

    through: Mapping[str, int]
    entries: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Tombstones:
    """Of one partition, as they were at one moment: offsets by subject, and the newest offset of all."""

    of: Mapping[bytes, int]
    newest: int


class PrivacyStore(Protocol):
    """Both back ends pass the same suite (`tests/cluster/online/privacy_suite.py`).

    Every method raises `StoreError` when the store cannot answer, and may then be called again. Safe to share between
    threads.
    """

    def hide(self, user_ids: Sequence[str], job_id: str, job: bytes) -> Hidden:
        """Take the users out of every answer: `job` noted, every key of theirs gone, their profile with its place in
        the change log, and a tombstone left. Users of one partition go in one atomic step.

        Hidden users answer as if they had never been here. Interrupted, the job is noted, and hiding again does the
        rest. `StoreError` when this store's tombstones are of another privacy key.
        """

    def tombstones(self, partition: int, since: int) -> Tombstones:
        """Tombstones of a partition at or above an offset."""

    def purge(self, through: Mapping[str, int]) -> int:
        """Remove the log entries of users up to an offset each, and every trace of what was deleted before from the
        store's files; the number of entries. Again finds none.
        """

    def jobs(self) -> dict[str, bytes]:
        """Erasures that are not finished, oldest first."""

    def note_job(self, job_id: str, job: bytes) -> None:
        """Keep how far an erasure is."""

    def end_job(self, job_id: str) -> None:
        """The erasure is finished."""

    def sealed(self, subjects: Sequence[bytes]) -> list[bytes | None]:
        """Sealed records in order."""

    def keep_sealed(self, records: Mapping[bytes, bytes]) -> None:
        """Keep sealed records by subject."""


def anonymous(entries: Iterable[_Entry], refused: Collection[str]) -> list[_Entry]:
    """The entries, those of people who refuse without anything that says whose they are or which belong together."""
    return [_anonymous(entry) if entry.user_id in refused else entry for entry in entries]


def _anonymous(entry: _Entry) -> _Entry:
    if isinstance(entry, Exposure):
        return replace(entry, user_id=ANONYMOUS_ID, context=None)
    if isinstance(entry, Rejected):
        return replace(entry, user_id="", record=_NOT_KEPT)
    return replace(
        entry,
        interaction_id=uuid.uuid4().hex,
        user_id=ANONYMOUS_ID,
        session_id=None,
        recommendation_id=None,
        position=None,
        device=None,
    )


def other_key() -> StoreError:
    """The privacy key of this process is not the one that the store's tombstones were made with."""
    return StoreError(
        "this store's erasures were made under another privacy key, so they cannot be honoured with this one. "
        "Set SHOAL_PRIVACY_KEY to the key of this deployment."
    )
