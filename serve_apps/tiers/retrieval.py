"""Stage: candidates of the whole catalogue for a batch of users, or neighbours for a batch of items."""

from __future__ import annotations

from collections.abc import Sequence

from models.candidates import Candidates
from models.features import UserBatch
from models.vocabulary import Rows
from serve_apps.live.bundles import LiveBundles


class Retrieval:
    """Arrays in, arrays out; `version` says whose vectors."""

    def __init__(self, registry_uri: str, pinned: Sequence[str] = ()) -> None:
        self._bundles = LiveBundles(registry_uri, pinned)

    async def retrieve(self, version: str, users: UserBatch, k: int, barred: Sequence[Rows]) -> list[Candidates]:
        """The best `k` item rows for each user, without their barred rows."""
        recommender = await self._bundles.get(version)
        return recommender.retrieve_batch(users, k, barred)

    async def similar(self, version: str, item_ids: Sequence[str], k: int) -> list[Candidates]:
        """The `k` nearest items of each item; empty for an item the bundle does not know."""
        recommender = await self._bundles.get(version)
        return recommender.similar(item_ids, k)
