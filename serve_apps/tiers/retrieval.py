"""Stage: candidates of the whole catalogue for a batch of users, or neighbours for a batch of items."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np
from numpy.typing import NDArray

from models.candidates import Candidates
from models.features import UserBatch
from models.index.arrays import Vectors
from models.index.packed_rows import PackedRows
from models.recommender import Recommender
from models.vocabulary import Rows
from serve_apps.live.bundles import LiveBundles
from serve_apps.tiers.doing import Doing, at_once
from serve_apps.tiers.unpacked import Unpacked


class Retrieval:
    """Arrays in, arrays out; `version` says whose vectors."""

    def __init__(self, bundles: LiveBundles, do: Doing = at_once) -> None:
        self._bundles, self._do = bundles, do
        self._unpacked = Unpacked()

    async def retrieve(
        self, version: str, users: UserBatch, k: int, barred: Sequence[Rows], allowed: Sequence[PackedRows | None]
    ) -> list[Candidates]:
        """The best `k` item rows for each user, of those allowed to them (None: all) and without their barred rows."""
        recommender = await self._bundles.get(version)
        return await self._do(partial(self._found, recommender, users, k, barred, allowed))

    async def similar(
        self, version: str, item_ids: Sequence[str], k: int, allowed: Sequence[PackedRows | None]
    ) -> list[Candidates]:
        """The `k` nearest items of each item, of those allowed; empty for an item the bundle does not know."""
        recommender = await self._bundles.get(version)
        return await self._do(partial(self._neighbours, recommender, item_ids, k, allowed))

    async def user_vectors(self, version: str, users: UserBatch) -> Vectors:
        """[batch, dim], of a bundle whose items are vectors too: inner products of both are the scores."""
        recommender = await self._bundles.get(version)
        vectors = await self._do(partial(recommender.batch_vectors, users))
        assert vectors is not None
        return vectors

    async def scores(self, version: str, users: UserBatch, rows: Rows) -> NDArray[np.float32]:
        """[batch, len(rows)] scores of the same item rows for each user."""
        recommender = await self._bundles.get(version)
        return await self._do(partial(recommender.retrieval_scores, users, rows))

    def _found(
        self,
        recommender: Recommender,
        users: UserBatch,
        k: int,
        barred: Sequence[Rows],
        allowed: Sequence[PackedRows | None],
    ) -> list[Candidates]:
        found: list[Candidates] = [Candidates.empty()] * len(users)
        for rows, at in _by_mask(allowed):
            some = users if len(at) == len(users) else users.take(np.asarray(at))
            within = None if rows is None else self._unpacked.of(rows)
            _put(found, at, recommender.retrieve_batch(some, k, [barred[n] for n in at], within))
        return found

    def _neighbours(
        self, recommender: Recommender, item_ids: Sequence[str], k: int, allowed: Sequence[PackedRows | None]
    ) -> list[Candidates]:
        found: list[Candidates] = [Candidates.empty()] * len(item_ids)
        for rows, at in _by_mask(allowed):
            within = None if rows is None else self._unpacked.of(rows)
            _put(found, at, recommender.similar([item_ids[n] for n in at], k, within))
        return found


def _put(found: list[Candidates], at: Sequence[int], some: Sequence[Candidates]) -> None:
    for place, each in zip(at, some, strict=True):
        found[place] = each


def _by_mask(allowed: Sequence[PackedRows | None]) -> list[tuple[PackedRows | None, list[int]]]:
    """Each mask once, with the places that have it."""
    groups: dict[bytes, tuple[PackedRows | None, list[int]]] = {}
    for at, rows in enumerate(allowed):
        groups.setdefault(b"" if rows is None else rows.digest, (rows, []))[1].append(at)
    return list(groups.values())
