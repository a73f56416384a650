"""Stage: the order of a batch of candidate lists."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from models.candidates import Candidates
from models.features import UserBatch
from models.vocabulary import Rows
from serve_apps.live.bundles import LiveBundles
from serve_apps.tiers.doing import Doing, at_once


class Ranking:
    """Arrays in, arrays out; `version` says whose ranker."""

    def __init__(self, bundles: LiveBundles, do: Doing = at_once) -> None:
        self._bundles, self._do = bundles, do

    async def rank(self, version: str, users: UserBatch, candidates: Sequence[Candidates]) -> list[Candidates]:
        """Each list best first by final score."""
        recommender = await self._bundles.get(version)
        return await self._do(partial(recommender.rank_batch, users, candidates))

    async def score(self, version: str, users: UserBatch, items: Sequence[Rows]) -> list[Candidates]:
        """Each list of item rows best first by final score."""
        recommender = await self._bundles.get(version)
        scores = await self._do(partial(recommender.score_batch, users, items))
        return [Candidates(rows, each).reordered(each) for rows, each in zip(items, scores, strict=True)]
