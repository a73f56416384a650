"""The newest items of a user's history: what other items are shown because of."""

from __future__ import annotations

from dataclasses import dataclass

from models.user_state import UserState
from serve_apps.chain.answers import DONE

NUM_ANCHORS = 3


@dataclass(frozen=True, slots=True)
class Anchor:
    """An item, and what the user did with it last, such as "clicked"."""

    item_id: str
    did: str


def anchors(user: UserState) -> list[Anchor]:
    """The last few different items that the user did something good with and has not hidden, the newest first."""
    found: dict[str, Anchor] = {}
    hidden = user.hidden
    for event in reversed(user.history):
        if event.event_type in DONE and event.item_id not in hidden and event.item_id not in found:
            found[event.item_id] = Anchor(event.item_id, DONE[event.event_type])
            if len(found) == NUM_ANCHORS:
                break
    return list(found.values())
