"""The graph: Gateway → Router → Retrieval and Ranking. The only file that knows Ray Serve; it only wires.

`build_app` is the `import_path` of a Serve config: `serve_apps.app:build_app`.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from pydantic import BaseModel, ConfigDict
from ray import serve
from ray.serve import Application
from ray.serve.handle import DeploymentHandle

from cluster.online_store import open_store
from cluster.settings import Settings
from models.features import UserBatch
from models.recommender import Candidates
from models.vocabulary import Rows
from serve_apps.gateway import create_api
from serve_apps.messages import Answer, HomeQuery, SimilarQuery
from serve_apps.ranking import Ranking
from serve_apps.retrieval import Retrieval
from serve_apps.router import Router
from serve_apps.serve_options import (
    BATCH_SIZE,
    BATCH_WAIT_S,
    BATCHES_IN_FLIGHT,
    GATEWAY,
    RANKING,
    RETRIEVAL,
    ROUTER,
    Tier,
)

APP_NAME = "shoal"


class ServeArgs(BaseModel):
    """Arguments of the graph; what is not given comes from the settings. `stock`: Ray Serve as it comes, unbatched."""

    model_config = ConfigDict(extra="forbid")

    registry: str | None = None
    store: str | None = None
    experiments: Path | None = None
    stock: bool = False


def build_app(args: dict[str, Any] | ServeArgs | None = None) -> Application:
    """Validate the arguments and wire the graph."""
    given = args if isinstance(args, ServeArgs) else ServeArgs.model_validate(args or {})
    settings = Settings()
    registry = given.registry or settings.registry_uri
    store = given.store or settings.store_url
    experiments = given.experiments or settings.experiments
    stock = given.stock
    retrieval = _deploy(Retrieval, RETRIEVAL, stock).bind(registry)
    ranking = _deploy(Ranking, RANKING, stock).bind(registry)
    router = _deploy(_RouterDeployment, ROUTER, stock).bind(registry, store, experiments, retrieval, ranking)
    gateway = serve.ingress()(_GatewayDeployment)
    return _deploy(gateway, GATEWAY, stock).bind(router, store, settings.api_key_list, stock)


def run(args: ServeArgs, host: str, port: int) -> None:
    """Start the graph on the Ray that this process is connected to; returns when it is ready."""
    serve.start(http_options={"host": host, "port": port, "request_timeout_s": 30}, proxy_location="HeadOnly")
    serve.run(build_app(args), name=APP_NAME, route_prefix="/")


def shutdown() -> None:
    """Stop Serve."""
    serve.shutdown()


def _deploy(target: type, tier: Tier, stock: bool) -> Any:
    """The deployment of a class; with `stock`, nothing but its name and its share of a core."""
    if stock:
        return serve.deployment(target, name=tier.name, ray_actor_options={"num_cpus": tier.num_cpus})
    return serve.deployment(target, **tier.options())


class _Stages:
    """Retrieval and ranking behind their handles: arguments go by the object store only when they are large."""

    def __init__(self, retrieval: DeploymentHandle, ranking: DeploymentHandle) -> None:
        self._retrieval, self._ranking = retrieval, ranking

    async def retrieve(self, version: str, users: UserBatch, k: int, barred: Sequence[Rows]) -> list[Candidates]:
        return list(await self._retrieval.retrieve.remote(version, users, k, barred))

    async def similar(self, version: str, item_ids: Sequence[str], k: int) -> list[Candidates]:
        return list(await self._retrieval.similar.remote(version, item_ids, k))

    async def rank(self, version: str, users: UserBatch, candidates: Sequence[Candidates]) -> list[Candidates]:
        return list(await self._ranking.rank.remote(version, users, candidates))


class _RouterDeployment(Router):
    def __init__(
        self,
        registry: str,
        store: str,
        experiments: Path | None,
        retrieval: DeploymentHandle,
        ranking: DeploymentHandle,
    ) -> None:
        stages = _Stages(retrieval, ranking)
        super().__init__(registry, store, experiments, stages, stages)


class _GatewayDeployment:
    """The ASGI application is made in the replica, after its handles have arrived."""

    def __init__(self, router: DeploymentHandle, store: str, api_keys: Sequence[str], stock: bool) -> None:
        self._router, self._api_keys, self._stock = router, api_keys, stock
        self._store = open_store(store)

    def __serve_build_asgi_app__(self) -> FastAPI:
        return create_api(self, self._store, self._api_keys)

    async def recommend(self, query: HomeQuery | SimilarQuery) -> Answer:
        """One question, sharing its hop with those that come at the same time."""
        if self._stock:
            return (await self._router.recommend.remote([query]))[0]  # type: ignore[no-any-return]
        answer: Answer = await self._batched(query)
        return answer

    async def champion(self) -> str:
        """Version of the champion in use."""
        return str(await self._router.champion.remote())

    @serve.batch(  # type: ignore[untyped-decorator]
        max_batch_size=BATCH_SIZE, batch_wait_timeout_s=BATCH_WAIT_S, max_concurrent_batches=BATCHES_IN_FLIGHT
    )
    async def _batched(self, queries: list[HomeQuery | SimilarQuery]) -> list[Answer]:
        return list(await self._router.recommend.remote(queries))
