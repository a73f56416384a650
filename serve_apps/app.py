"""The graph: Gateway → Router → Retrieval and Ranking. It only wires; it and what calls over its hops know Ray Serve.

`build_app` is the `import_path` of a Serve config: `serve_apps.app:build_app`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict
from ray import serve
from ray.serve import Application
from ray.serve.handle import DeploymentHandle

from cluster.online.store import open_store
from cluster.privacy.keys import load_keys
from cluster.settings import Settings
from models.candidates import Candidates
from models.errors import ConfigError
from models.experiments import Experiment, load_experiment
from models.features import UserBatch
from models.index.arrays import Vectors
from models.index.packed_rows import PackedRows
from models.vocabulary import Rows
from serve_apps.chain.cursors import Cursors
from serve_apps.chain.exclusion import Exclusion
from serve_apps.chain.near import NearestRanker, NearestRetriever
from serve_apps.chain.router import Router
from serve_apps.gateway_replica import GatewayReplica
from serve_apps.hops import Hop
from serve_apps.http.door_options import DoorOptions
from serve_apps.live.bundles import SETTLE_S, LiveBundles
from serve_apps.live.experiment import LiveExperiment, follow_pins
from serve_apps.ray_measures import RayMeasures
from serve_apps.serve_options import GATEWAY, LAPTOP, RANKING, RETRIEVAL, ROUTER, Room, Tier
from serve_apps.tiers.doing import OneThread, WhileQuick
from serve_apps.tiers.ranking import Ranking
from serve_apps.tiers.retrieval import Retrieval

APP_NAME = "shoal"


class ServeArgs(BaseModel):
    """Arguments of the graph; what is not given comes from the settings."""

    model_config = ConfigDict(extra="forbid")

    host: str = "0.0.0.0"
    """Where Serve listens. Unless it is loopback, API keys are needed."""
    registry: str | None = None
    store: str | None = None
    experiments: Path | None = None
    exclude_seen: bool = True
    """False shows again what a user has seen, except the last item and what they hid."""
    stock: bool = False
    """Ray Serve as it comes: no options, no batches, every stage behind its hop."""


def build_app(args: dict[str, Any] | ServeArgs | None = None) -> Application:
    """Validate the arguments and wire the graph. `ConfigError` when it would answer the network without a key."""
    given = args if isinstance(args, ServeArgs) else ServeArgs.model_validate(args or {})
    settings = Settings(host=given.host)
    settings.check_listen()
    registry, store = given.registry or settings.registry_uri, given.store or settings.store_url
    path = given.experiments or settings.experiments
    experiment, path = load_experiment(path), path and path.absolute()
    room = None if given.stock else _room(settings)
    retrieval = _deploy(_RetrievalDeployment, RETRIEVAL, room).bind(registry, experiment.pinned, path)
    ranking = _deploy(_RankingDeployment, RANKING, room).bind(registry, experiment.pinned, path)
    router = _deploy(_RouterDeployment, ROUTER, room).bind(
        registry, store, experiment, path, given.exclude_seen, given.stock, retrieval, ranking
    )
    gateway = serve.ingress()(GatewayReplica)
    return _deploy(gateway, GATEWAY, room).bind(router, store, DoorOptions.of(settings), given.stock)


@contextmanager
def running(args: ServeArgs, port: int) -> Iterator[None]:
    """The graph, ready, for the length of the block, on the Ray that this process is connected to.

    Where Serve runs already its applications stay as they are, and `ConfigError` says so if ours is among them or
    if its address, which is not ours to choose, would be answered without a key.
    """
    app, before = build_app(args), serve.status()
    if APP_NAME in before.applications:
        raise ConfigError(f"this cluster already serves an application {APP_NAME!r}. Delete it first, or use its own.")
    if before.proxies and not Settings().asks_for_keys:
        raise ConfigError("this cluster's Serve already listens, perhaps beyond loopback. Set SHOAL_API_KEYS.")
    try:
        serve.start(http_options={"host": args.host, "port": port, "request_timeout_s": 30}, proxy_location="HeadOnly")
        serve.run(app, name=APP_NAME, route_prefix="/")
        yield
    finally:
        if before.proxies:
            serve.delete(APP_NAME)
        else:
            serve.shutdown()


def _room(settings: Settings) -> Room:
    """A laptop's room, but for what the settings say. In a Serve config the options of its deployments stand above."""
    names = ("min_replicas", "max_replicas", "upscale_delay_s", "downscale_delay_s")
    asked = {name: getattr(settings, name) for name in names}
    room = replace(LAPTOP, **{name: value for name, value in asked.items() if value is not None})
    return replace(room, max_replicas=max(room.min_replicas, room.max_replicas))


def _deploy(target: type, tier: Tier, room: Room | None) -> Any:
    """The deployment of a class; without a room nothing but its name and its share of a core."""
    if room is None:
        return serve.deployment(target, name=tier.name, ray_actor_options={"num_cpus": LAPTOP.num_cpus})
    return serve.deployment(target, **tier.options(room))


class _Stages:
    """Retrieval and ranking behind their handles."""

    def __init__(self, retrieval: DeploymentHandle, ranking: DeploymentHandle) -> None:
        self._retrieve, self._similar = Hop(retrieval, "retrieve"), Hop(retrieval, "similar")
        self._user_vectors, self._scores = Hop(retrieval, "user_vectors"), Hop(retrieval, "scores")
        self._rank, self._score = Hop(ranking, "rank"), Hop(ranking, "score")

    async def retrieve(
        self, version: str, users: UserBatch, k: int, barred: Sequence[Rows], allowed: Sequence[PackedRows | None]
    ) -> list[Candidates]:
        return list(await self._retrieve(version, users, k, barred, allowed))

    async def similar(
        self, version: str, item_ids: Sequence[str], k: int, allowed: Sequence[PackedRows | None]
    ) -> list[Candidates]:
        return list(await self._similar(version, item_ids, k, allowed))

    async def user_vectors(self, version: str, users: UserBatch) -> Vectors:
        return np.asarray(await self._user_vectors(version, users))

    async def scores(self, version: str, users: UserBatch, rows: Rows) -> NDArray[np.float32]:
        return np.asarray(await self._scores(version, users, rows))

    async def rank(self, version: str, users: UserBatch, candidates: Sequence[Candidates]) -> list[Candidates]:
        return list(await self._rank(version, users, candidates))

    async def score(self, version: str, users: UserBatch, items: Sequence[Rows]) -> list[Candidates]:
        return list(await self._score(version, users, items))


class _RetrievalDeployment(Retrieval):
    def __init__(self, registry: str, pinned: Sequence[str], experiments: Path | None) -> None:
        bundles = LiveBundles(registry, pinned)
        self._file = follow_pins(experiments, bundles)
        super().__init__(bundles)


class _RankingDeployment(Ranking):
    def __init__(self, registry: str, pinned: Sequence[str], experiments: Path | None) -> None:
        bundles = LiveBundles(registry, pinned)
        self._file = follow_pins(experiments, bundles)
        super().__init__(bundles)


class _RouterDeployment(Router):
    def __init__(
        self,
        registry: str,
        store: str,
        experiment: Experiment,
        experiments: Path | None,
        exclude_seen: bool,
        stock: bool,
        retrieval: DeploymentHandle,
        ranking: DeploymentHandle,
    ) -> None:
        stages, measures = _Stages(retrieval, ranking), RayMeasures()
        bundles = LiveBundles(registry, experiment.pinned, SETTLE_S, measures)
        live = LiveExperiment(experiment, bundles, experiments, SETTLE_S)
        exclusion, cursors = Exclusion(seen=exclude_seen), Cursors(load_keys().cursors)
        thread = OneThread("near")
        retriever = stages if stock else NearestRetriever(Retrieval(bundles, WhileQuick(thread)), stages, thread)
        ranker = stages if stock else NearestRanker(Ranking(bundles, WhileQuick(thread)), stages, thread)
        super().__init__(bundles, open_store(store), live, retriever, ranker, measures, exclusion, cursors)
