"""Small work is done where it is: of a few questions, two hops would cost more than what is done behind them.

The tiers exist to grow apart under load. Under load questions come in large batches, and those go there.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from models.candidates import Candidates
from models.features import UserBatch
from models.index.arrays import Vectors
from models.index.packed_rows import PackedRows
from models.vocabulary import Rows
from serve_apps.chain.tools import Ranker, Retriever
from serve_apps.tiers.doing import OneThread

MAX_NEAR = 8
"""Users or items of a batch that stays: two hops take about as long as the work for so many."""
_Tier = TypeVar("_Tier")


class _Nearest(Generic[_Tier]):
    def __init__(self, near: _Tier, far: _Tier, thread: OneThread) -> None:
        self._near, self._far, self._thread = near, far, thread

    def _for(self, num: int) -> _Tier:
        return self._near if num <= MAX_NEAR and self._thread.has_room else self._far


class NearestRetriever(_Nearest[Retriever]):
    """What is too much for `near`, or comes while its `thread` is behind, goes to `far`."""

    async def retrieve(
        self, version: str, users: UserBatch, k: int, barred: Sequence[Rows], allowed: Sequence[PackedRows | None]
    ) -> list[Candidates]:
        return await self._for(len(users)).retrieve(version, users, k, barred, allowed)

    async def similar(
        self, version: str, item_ids: Sequence[str], k: int, allowed: Sequence[PackedRows | None]
    ) -> list[Candidates]:
        return await self._for(len(item_ids)).similar(version, item_ids, k, allowed)

    async def user_vectors(self, version: str, users: UserBatch) -> Vectors:
        return await self._for(len(users)).user_vectors(version, users)

    async def scores(self, version: str, users: UserBatch, rows: Rows) -> NDArray[np.float32]:
        return await self._for(len(users)).scores(version, users, rows)


class NearestRanker(_Nearest[Ranker]):
    """The same of ranking."""

    async def rank(self, version: str, users: UserBatch, candidates: Sequence[Candidates]) -> list[Candidates]:
        return await self._for(len(users)).rank(version, users, candidates)

    async def score(self, version: str, users: UserBatch, items: Sequence[Rows]) -> list[Candidates]:
        return await self._for(len(users)).score(version, users, items)
