"""Stage: the order of a batch of candidate lists."""

from __future__ import annotations

from collections.abc import Sequence

from models.candidates import Candidates
from models.features import UserBatch
from serve_apps.live.bundles import LiveBundles


class Ranking:
    """Arrays in, arrays out; `version` says whose ranker."""

    def __init__(self, registry_uri: str, pinned: Sequence[str] = ()) -> None:
        self._bundles = LiveBundles(registry_uri, pinned)

    async def rank(self, version: str, users: UserBatch, candidates: Sequence[Candidates]) -> list[Candidates]:
        """Each list best first by final score."""
        recommender = await self._bundles.get(version)
        return recommender.rank_batch(users, candidates)
