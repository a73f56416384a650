"""The serving graph in one process: the real stages over a real bundle and a real store, without Ray between them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx

from cluster.online_store import OnlineStore, open_store
from cluster.registry import Registry
from models.experiments import load_experiment
from models.manifest import Manifest
from serve_apps.gateway import create_api
from serve_apps.live_bundles import LiveBundles
from serve_apps.messages import HomeQuery, SimilarQuery
from serve_apps.ranking import Ranking
from serve_apps.retrieval import Retrieval
from serve_apps.router import Router
from tests.models.tiny_bundle import SPEC, write_bundle


class Chain:
    """The router behind the gateway, one question a batch."""

    def __init__(self, router: Router) -> None:
        self._router = router

    async def recommend(self, query: HomeQuery | SimilarQuery) -> bytes:
        return (await self._router.recommend([query]))[0]

    async def champion(self) -> str:
        return await self._router.champion()


class Broken:
    """A stage whose replicas are gone."""

    async def retrieve(self, *_: Any) -> Any:
        raise RuntimeError("replica died")

    async def similar(self, *_: Any) -> Any:
        raise RuntimeError("replica died")

    async def rank(self, *_: Any) -> Any:
        raise RuntimeError("replica died")


def publish(folder: Path, registry: Registry, version: str) -> None:
    """A tiny bundle in the registry, as the champion."""
    bundle = write_bundle(folder / version, ranker_weight=0.5)
    registry.publish(
        bundle,
        Manifest(
            version=version,
            created_at=f"2026-01-31T00:00:00+00:00-{version}",
            recipe="two_tower+ranker",
            config={},
            data={},
            feature_digest=SPEC.digest(),
            metrics={"model": {}, "popularity": {}},
        ),
    )
    registry.promote(version)


def client(
    registry: Registry,
    store_url: str,
    *,
    keys: tuple[str, ...] = (),
    experiments: Path | None = None,
    retrieval: Any = None,
    ranking: Any = None,
) -> httpx.AsyncClient:
    """An HTTP client over the whole graph."""
    stages = (retrieval or Retrieval(registry.uri), ranking or Ranking(registry.uri))
    store: OnlineStore = open_store(store_url)
    router = Router(LiveBundles(registry.uri), store, load_experiment(experiments), *stages)
    transport = httpx.ASGITransport(app=create_api(Chain(router), store, keys), raise_app_exceptions=False)
    return httpx.AsyncClient(transport=transport, base_url="http://shoal")
