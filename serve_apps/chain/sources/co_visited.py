"""Source `co_visited`: what people see together with the user's newest items, by the bundle's neighbours."""

from __future__ import annotations

from collections.abc import Mapping

from models.candidates import Candidates
from serve_apps.chain.sources.anchors import Anchor, anchors
from serve_apps.chain.sources.offer import Offer, Shelf, alike
from serve_apps.chain.sources.source import NUM_OFFERED, Batch
from serve_apps.chain.tools import Retriever

_NUM_NEIGHBOURS = 2 * NUM_OFFERED
"""Of each item: there must be enough when the user has seen half of them."""


class CoVisited:
    """Asks the retrieval tier, in one call for a batch. A shelf for each of the user's newest items."""

    name, ranked = "co_visited", True

    def __init__(self, retrieval: Retriever) -> None:
        self._retrieval = retrieval

    async def offers(self, batch: Batch) -> list[Offer]:
        """Neighbours of the newest items that the bundle knows."""
        of_each = [anchors(task.user) for task in batch.tasks]
        ids = list(dict.fromkeys(anchor.item_id for some in of_each for anchor in some))
        ids = [item_id for item_id in ids if batch.recommender.items.vocabulary.row(item_id) is not None]
        if not ids:
            return [Offer() for _ in batch.tasks]
        found = await self._retrieval.similar(batch.recommender.version, ids, _NUM_NEIGHBOURS, [None] * len(ids))
        near = dict(zip(ids, found, strict=True))
        return [self._offer(batch, at, some, near) for at, some in enumerate(of_each)]

    def _offer(self, batch: Batch, at: int, some: list[Anchor], near: Mapping[str, Candidates]) -> Offer:
        shelves = []
        for anchor in some:
            found = batch.allowed(at, near.get(anchor.item_id, Candidates.empty()))
            if len(found):
                because = f"Because you {anchor.did} {batch.view.title_of(anchor.item_id) or anchor.item_id}"
                shelves.append(Shelf(because, found, alike(because)))
        return Offer(shelves)
