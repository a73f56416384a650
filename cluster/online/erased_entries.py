"""Whose an entry of the event log is, readable or not, as those ask who erase."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from cluster.online.codec import logged
from cluster.online.event_log import Logged
from models.events import Interaction
from models.exposures import Exposure
from models.naming import names_user
from models.quarantine import Rejected


def erased(entry: Logged, through: Mapping[str, int]) -> bool:
    """True for an entry of a user that came before the erasure; `through`: the offset of each one's tombstone.

    What was refused, or cannot be read, counts when it names the user anywhere.
    """
    if isinstance(entry.entry, Interaction | Exposure):
        return entry.offset <= through.get(entry.entry.user_id, 0)
    return is_of(entry, [user_id for user_id, last in through.items() if entry.offset <= last])


def is_of(entry: Logged, user_ids: Collection[str]) -> bool:
    """True for an entry of one of the users."""
    if isinstance(entry.entry, Interaction | Exposure):
        return entry.entry.user_id in user_ids
    if isinstance(entry.entry, Rejected):
        return entry.entry.user_id in user_ids or names_user(f"{entry.entry.record}\n{entry.entry.reason}", user_ids)
    return names_user(entry.body.decode(errors="replace"), user_ids)


def is_erased_body(offset: int, kind: int, body: bytes, through: Mapping[str, int]) -> bool:
    """The same of an entry as it lies in a store."""
    return erased(logged(offset, kind, body), through)
