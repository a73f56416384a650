"""Log entries of erased users that were on their way when the erasure came: they must not get anywhere any more."""

from __future__ import annotations

from collections.abc import Sequence

from cluster.online.event_log import Logged, Undecodable
from cluster.online.store import OnlineStore
from cluster.privacy.keys import load_keys


def without_erased(store: OnlineStore, partition: int, entries: Sequence[Logged]) -> tuple[list[Logged], int]:
    """The entries (in order of offset) but those of users who were erased after them; the newest tombstone known.

    Who commits what this returns has to make that commit conflict with any that began before it, an empty one too: else
    a reader that asked before the erasure could still commit after the lake was erased.
    """
    if not entries:
        return [], 0
    found = store.privacy.tombstones(partition, entries[0].offset)
    if not found.of:
        return list(entries), found.newest
    keys = load_keys()
    ids = {e.entry.user_id for e in entries if not isinstance(e.entry, Undecodable)}
    through = {user_id: found.of.get(keys.subject(user_id), 0) for user_id in ids}
    kept = [e for e in entries if isinstance(e.entry, Undecodable) or e.offset > through[e.entry.user_id]]
    return kept, found.newest
