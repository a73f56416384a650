"""Source `new`: items that came lately, so that they are seen before anybody has told what they are worth."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from models.candidates import Candidates
from models.user_state import UserState
from models.vocabulary import Rows
from serve_apps.chain.sources.offer import Offer, Shelf, alike
from serve_apps.chain.sources.once import OncePerBundle
from serve_apps.chain.sources.source import NUM_OFFERED, Batch
from serve_apps.live.item_view import ItemView

NEW_DAYS = 90
"""Days after its release during which an item is new."""
_DAY_US = 86_400_000_000
_FIRST = 512
"""Releases that are looked at first; twice as many each time that too few of them may be shown."""

Releases = tuple[Rows, NDArray[np.int64]]
"""Item rows, the oldest first, and when each was released, UTC microseconds."""
_NONE: Releases = (np.zeros(0, np.int64), np.zeros(0, np.int64))


class New:
    """Reads memory alone; the order of releases is made once for a bundle, in a thread."""

    name, ranked = "new", True

    def __init__(self) -> None:
        self._releases = OncePerBundle(lambda recommender: recommender.items.by_release())

    async def offers(self, batch: Batch) -> list[Offer]:
        """Newcomers, which no bundle knows yet, then what was released lately, each the newest first."""
        releases = await self._releases.get(batch.recommender) or _NONE
        return [self._offer(batch, at, releases) for at in range(len(batch.tasks))]

    def _offer(self, batch: Batch, at: int, releases: Releases) -> Offer:
        user = batch.tasks[at].user
        kept = batch.allowed(at, newcomers(batch.view))
        for some in newest(releases, user):
            if len(kept) == NUM_OFFERED:
                break
            kept = _one_after_the_other(kept, batch.allowed(at, some)).head(NUM_OFFERED)
        title = "New for you" if user.history else "New"
        return Offer([Shelf(title, kept, alike("New"))] if len(kept) else ())


def newcomers(view: ItemView) -> Candidates:
    """The last that came after the bundle, those whose place is known; scores fall from 2 to 1."""
    rows = view.newcomers.placed.rows[-NUM_OFFERED:][::-1]
    return Candidates(rows, np.linspace(2.0, 1.0, len(rows), endpoint=False, dtype=np.float32))


def newest(releases: Releases, user: UserState) -> Iterator[Candidates]:
    """Items of the bundle that were released within `NEW_DAYS` of now, the newest first, in ever longer pieces; scores
    fall from 1 to 0.
    """
    rows, released_us = releases
    start, end = np.searchsorted(released_us, [user.now_us - NEW_DAYS * _DAY_US, user.now_us], "right")
    num = _FIRST
    while end > start:
        piece = slice(max(start, end - num), end)
        age_us = user.now_us - released_us[piece][::-1]
        yield Candidates(rows[piece][::-1], (1.0 - age_us / (NEW_DAYS * _DAY_US)).astype(np.float32))
        end, num = piece.start, 2 * num


def _one_after_the_other(first: Candidates, second: Candidates) -> Candidates:
    return Candidates(
        np.concatenate([first.item_rows, second.item_rows]), np.concatenate([first.scores, second.scores])
    )
