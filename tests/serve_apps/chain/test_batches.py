"""Questions that are answered together: what befalls one costs the others nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
import orjson
import pytest

from models.candidates import Candidates
from models.features import UserBatch
from models.index.packed_rows import PackedRows
from serve_apps.chain.deadline import Deadline
from serve_apps.chain.messages import HomeQuery, Query, SimilarQuery
from serve_apps.chain.sources.offer import Offer
from serve_apps.chain.sources.source import Batch
from serve_apps.live.bundles import LiveBundles
from serve_apps.tiers.ranking import Ranking
from serve_apps.tiers.retrieval import Retrieval
from tests.serve_apps.conftest import Serve, Server, ids

PATIENT_MS = 10_000


class SimilarToNothingKnown(Retrieval):
    """Names a row that no bundle has."""

    async def similar(
        self, version: str, item_ids: Sequence[str], k: int, allowed: Sequence[PackedRows | None]
    ) -> list[Candidates]:
        return [Candidates(np.asarray([10**6]), np.ones(1, np.float32)) for _ in item_ids]


class Told(Ranking):
    """Tells when it was asked for a row of the model's."""

    def __init__(self, bundles: LiveBundles, asked: asyncio.Event) -> None:
        super().__init__(bundles)
        self.asked = asked

    async def rank(self, version: str, users: UserBatch, candidates: Sequence[Candidates]) -> list[Candidates]:
        self.asked.set()
        return await super().rank(version, users, candidates)


def together(server: Server, *queries: Query) -> list[dict[str, Any]]:
    return [orjson.loads(body) for body in asyncio.run(server.router.recommend(queries))]


def test_a_surface_that_breaks_loses_no_answer(serve: Serve, sample_registry: str) -> None:
    server = serve(retrieval=SimilarToNothingKnown)
    deadline = Deadline.after(PATIENT_MS)
    row, broken = together(server, HomeQuery("u1", 5, deadline=deadline), SimilarQuery("i3", 4, deadline=deadline))
    assert (row["fallback"], len(ids(row))) == (None, 5)
    assert (broken["fallback"], broken["fallback_cause"], len(ids(broken))) == ("popular", "chain_failed", 4)


def test_a_plain_row_does_not_wait_for_the_sources_of_a_page(
    serve: Serve, sample_registry: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = asyncio.Event()
    server = serve(ranking=partial(Told, asked=asked))
    sources = server.router._surfaces["home"]._sources.by_name  # type: ignore[attr-defined]
    whole = sources["popularity"].offers

    async def waits(batch: Batch) -> list[Offer]:
        await asked.wait()
        return list(await whole(batch))

    monkeypatch.setattr(sources["popularity"], "offers", waits)
    deadline = Deadline.after(4_000)
    row, page = together(server, HomeQuery("u1", 5, deadline=deadline), HomeQuery("u2", 5, rows=8, deadline=deadline))
    assert (row["fallback"], len(ids(row))) == (None, 5)
    assert page["rows"]
    assert ("popularity", "ok") in server.measures.stages
