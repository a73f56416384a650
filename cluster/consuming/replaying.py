"""Dead letters back into the event log, but for those of users who were erased after them.

    tombstones ─> erasures under way ─> put back, unless somebody was erased since the first look

In the log a letter gets an offset of now, above every tombstone: it would be taken for an event of somebody new.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from cluster.consuming.late_entries import without_erased
from cluster.online.codec import logged
from cluster.online.erased_entries import is_of
from cluster.online.event_log import DeadLetter
from cluster.online.store import OnlineStore
from cluster.privacy.erasure_jobs import pending
from cluster.privacy.keys import load_keys

_AT_ONCE = 1_000


@dataclass(frozen=True, slots=True)
class Replayed:
    """Letters that went back into the log, and letters of erased users that were removed."""

    num_back: int
    num_dropped: int


def replay_all(store: OnlineStore) -> Replayed:
    """Put back all there are now. Those that fail again meanwhile are not tried twice.

    Letters that name a user whose erasure is under way stay: `shoal forget` removes and counts them.
    """
    num_back = num_dropped = 0
    last = dict.fromkeys(range(store.log.num_partitions()), 0)
    while letters := [x for x in store.log.dead_letters(_AT_ONCE) if x.offset > last[x.partition]]:
        for partition in {letter.partition for letter in letters}:
            part = [letter for letter in letters if letter.partition == partition]
            back, gone, erased_through = _sorted_out(store, partition, part)
            num_back += store.log.replay(back, {partition: erased_through})
            num_dropped += store.log.drop(gone)
            last[partition] = part[-1].offset
    return Replayed(num_back, num_dropped)


def _sorted_out(
    store: OnlineStore, partition: int, letters: Sequence[DeadLetter]
) -> tuple[list[DeadLetter], list[DeadLetter], int]:
    """Letters to put back, letters of users who were erased for good, and the newest tombstone that was known.

    An erasure is noted before it leaves its tombstone, and a tombstone outlives it. So who looks for tombstones first
    misses no erasure that left one by then.
    """
    entries = [logged(letter.offset, letter.kind, letter.body) for letter in letters]
    kept, erased_through = without_erased(store, partition, entries)
    kept_offsets, leaving = {entry.offset for entry in kept}, _leaving(store)
    back: list[DeadLetter] = []
    gone: list[DeadLetter] = []
    for letter, entry in zip(letters, entries, strict=True):
        if not is_of(entry, leaving):
            (back if letter.offset in kept_offsets else gone).append(letter)
    return back, gone, erased_through


def _leaving(store: OnlineStore) -> set[str]:
    """Users whose erasure is not finished; without one nobody needs the privacy key."""
    if not store.privacy.jobs():
        return set()
    return {user_id for job in pending(store, load_keys()) for user_id in job.user_ids}
