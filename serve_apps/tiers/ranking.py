"""Stage: the order of a batch of candidate lists."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from models.candidates import Candidates
from models.features import UserBatch
from models.vocabulary import Rows
from serve_apps.live.bundles import LiveBundles
from serve_apps.live.experiment import follow_pins


class Ranking:
    """Arrays in, arrays out; `version` says whose ranker."""

    def __init__(self, registry_uri: str, pinned: Sequence[str] = (), experiments: Path | None = None) -> None:
        """`experiments`: a file whose variants say, from now on, which versions are pinned."""
        self._bundles = LiveBundles(registry_uri, pinned)
        self._file = follow_pins(experiments, self._bundles)

    async def rank(self, version: str, users: UserBatch, candidates: Sequence[Candidates]) -> list[Candidates]:
        """Each list best first by final score."""
        recommender = await self._bundles.get(version)
        return recommender.rank_batch(users, candidates)

    async def score(self, version: str, users: UserBatch, items: Sequence[Rows]) -> list[Candidates]:
        """Each list of item rows best first by final score."""
        recommender = await self._bundles.get(version)
        scores = recommender.score_batch(users, items)
        return [Candidates(rows, each).reordered(each) for rows, each in zip(items, scores, strict=True)]
