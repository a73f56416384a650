"""What every surface works with: the tiers behind their hops, and what the router holds in memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from models.candidates import Candidates
from models.features import UserBatch
from models.index.arrays import Vectors
from models.index.packed_rows import PackedRows
from models.vocabulary import Rows
from serve_apps.chain.exclusion import Exclusion
from serve_apps.chain.frame import Frame
from serve_apps.chain.ladder import Ladder
from serve_apps.live.bundles import LiveBundles
from serve_apps.live.catalogue import LiveCatalogue
from serve_apps.live.trending import LiveTrending


class Retriever(Protocol):
    """The retrieval tier, wherever it runs."""

    async def retrieve(
        self, version: str, users: UserBatch, k: int, barred: Sequence[Rows], allowed: Sequence[PackedRows | None]
    ) -> list[Candidates]: ...

    async def similar(
        self, version: str, item_ids: Sequence[str], k: int, allowed: Sequence[PackedRows | None]
    ) -> list[Candidates]: ...

    async def user_vectors(self, version: str, users: UserBatch) -> Vectors: ...

    async def scores(self, version: str, users: UserBatch, rows: Rows) -> NDArray[np.float32]: ...


class Ranker(Protocol):
    """The ranking tier, wherever it runs."""

    async def rank(self, version: str, users: UserBatch, candidates: Sequence[Candidates]) -> list[Candidates]: ...

    async def score(self, version: str, users: UserBatch, items: Sequence[Rows]) -> list[Candidates]: ...


@dataclass(frozen=True, slots=True)
class Tools:
    """Shared by the surfaces of one router."""

    bundles: LiveBundles
    catalogue: LiveCatalogue
    exclusion: Exclusion
    retrieval: Retriever
    ranking: Ranker
    ladder: Ladder
    trending: LiveTrending
    frame: Frame
