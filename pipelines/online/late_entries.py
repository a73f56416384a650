"""Log entries of erased users that were on their way when the erasure came: they must not reach the lake any more."""

from __future__ import annotations

from collections.abc import Sequence

from cluster.online_store import Logged, OnlineStore
from cluster.privacy_keys import load_keys


def without_erased(store: OnlineStore, entries: Sequence[Logged]) -> list[Logged]:
    """The entries (in order of offset) but those of users who were erased after them.

    Who commits what this returns has to make that commit conflict with any that began before it, an empty one too: else
    a reader that asked before the erasure could still commit after the lake was erased.
    """
    tombstones = store.privacy.erased_since(entries[0].offset) if entries else {}
    if not tombstones:
        return list(entries)
    keys = load_keys()
    through = {user_id: tombstones.get(keys.subject(user_id), 0) for user_id in {e.entry.user_id for e in entries}}
    return [entry for entry in entries if entry.offset > through[entry.entry.user_id]]
