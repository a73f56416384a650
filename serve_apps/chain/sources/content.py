"""Source `content`: items whose title and categories say the same as those of the user's newest items."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import numpy as np

from models.candidates import Candidates
from serve_apps.chain.sources.anchors import Anchor, anchors
from serve_apps.chain.sources.offer import Offer, Shelf, alike
from serve_apps.chain.sources.source import NUM_OFFERED, Batch
from serve_apps.live.catalogue import LiveCatalogue

_NUM_ALIKE = NUM_OFFERED


class Content:
    """Searches the full-text index, in a thread. A shelf for each of the user's newest items."""

    name, ranked = "content", True

    def __init__(self, catalogue: LiveCatalogue) -> None:
        self._catalogue = catalogue

    async def offers(self, batch: Batch) -> list[Offer]:
        """Items like the newest ones, whether the bundle knows those or not."""
        of_each = [anchors(task.user) for task in batch.tasks]
        ids = list(dict.fromkeys(anchor.item_id for some in of_each for anchor in some))
        found = await asyncio.to_thread(self._alike, batch, ids) if ids else {}
        return [self._offer(batch, at, some, found) for at, some in enumerate(of_each)]

    def _alike(self, batch: Batch, ids: Sequence[str]) -> dict[str, Candidates]:
        index = self._catalogue.texts(batch.recommender)
        found = {}
        for item_id in ids:
            scores = dict(index.search(batch.view.words(item_id), _NUM_ALIKE + 1)) if batch.view.knows(item_id) else {}
            scores.pop(item_id, None)
            scores = {one: score for one, score in scores.items() if batch.view.row_of(one) is not None}
            found[item_id] = Candidates(batch.rows(list(scores)), np.asarray(list(scores.values()), np.float32))
        return found

    def _offer(self, batch: Batch, at: int, some: Sequence[Anchor], found: dict[str, Candidates]) -> Offer:
        shelves = []
        for anchor in some:
            kept = batch.allowed(at, found[anchor.item_id])
            if len(kept):
                title = batch.view.title_of(anchor.item_id) or anchor.item_id
                shelves.append(Shelf(f"More like {title}", kept, alike(f"Like {title}, which you {anchor.did}")))
        return Offer(shelves)
