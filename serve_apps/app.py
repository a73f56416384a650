"""The graph: Gateway → Router → Retrieval and Ranking. The only file that knows Ray Serve; it only wires.

`build_app` is the `import_path` of a Serve config: `serve_apps.app:build_app`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from pydantic import BaseModel, ConfigDict
from ray import serve
from ray.exceptions import RayActorError
from ray.serve import Application
from ray.serve.exceptions import BackPressureError
from ray.serve.handle import DeploymentHandle

from cluster.online.durability import warn_of_losses
from cluster.online.store import open_store
from cluster.settings import Settings
from models.candidates import Candidates
from models.errors import ConfigError
from models.experiments import Experiment, load_experiment
from models.features import UserBatch
from models.vocabulary import Rows
from serve_apps.chain.admission import BusyError
from serve_apps.chain.exclusion import Exclusion
from serve_apps.chain.front import Front
from serve_apps.chain.messages import Query
from serve_apps.chain.router import Router
from serve_apps.http.door_options import DoorOptions
from serve_apps.http.gateway import create_api
from serve_apps.live.bundles import SETTLE_S, LiveBundles
from serve_apps.ray_measures import RayMeasures
from serve_apps.serve_options import GATEWAY, LAPTOP, RANKING, RETRIEVAL, ROUTER, Room, Tier
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
    """Ray Serve as it comes: no options, no batches."""


def build_app(args: dict[str, Any] | ServeArgs | None = None) -> Application:
    """Validate the arguments and wire the graph. `ConfigError` when it would answer the network without a key."""
    given = args if isinstance(args, ServeArgs) else ServeArgs.model_validate(args or {})
    settings = Settings(host=given.host)
    settings.check_listen()
    registry, store = given.registry or settings.registry_uri, given.store or settings.store_url
    experiment = load_experiment(given.experiments or settings.experiments)
    room = None if given.stock else _room(settings)
    retrieval = _deploy(Retrieval, RETRIEVAL, room).bind(registry, experiment.pinned)
    ranking = _deploy(Ranking, RANKING, room).bind(registry, experiment.pinned)
    router = _deploy(_RouterDeployment, ROUTER, room).bind(
        registry, store, experiment, given.exclude_seen, retrieval, ranking
    )
    gateway = serve.ingress()(_GatewayDeployment)
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
    asked = {name: getattr(settings, name) for name in ("max_replicas", "upscale_delay_s", "downscale_delay_s")}
    return replace(LAPTOP, **{name: value for name, value in asked.items() if value is not None})


def _deploy(target: type, tier: Tier, room: Room | None) -> Any:
    """The deployment of a class; without a room nothing but its name and its share of a core."""
    if room is None:
        return serve.deployment(target, name=tier.name, ray_actor_options={"num_cpus": LAPTOP.num_cpus})
    return serve.deployment(target, **tier.options(room))


class _Hop:
    """One method of the deployment behind a handle, for one event loop.

    What crosses is plain data of importable classes, so C's pickle does, at a tenth of cloudpickle's price. A handle of
    a method costs about as much to make as to call, so it is made once.
    """

    def __init__(self, handle: DeploymentHandle, method: str) -> None:
        self._handle, self._name = handle, method

    @cached_property
    def _method(self) -> DeploymentHandle:
        """Made with the first call: a handle belongs to the event loop that it is made on."""
        return self._handle.options(
            method_name=self._name, request_serialization="pickle", response_serialization="pickle"
        )

    async def __call__(self, *args: Any) -> Any:
        """One call, again when the replica died with it: a question asked twice has one answer."""
        try:
            return await self._method.remote(*args)
        except RayActorError:
            return await self._method.remote(*args)


class _Stages:
    """Retrieval and ranking behind their handles."""

    def __init__(self, retrieval: DeploymentHandle, ranking: DeploymentHandle) -> None:
        self._retrieve, self._similar = _Hop(retrieval, "retrieve"), _Hop(retrieval, "similar")
        self._rank, self._score = _Hop(ranking, "rank"), _Hop(ranking, "score")

    async def retrieve(self, version: str, users: UserBatch, k: int, barred: Sequence[Rows]) -> list[Candidates]:
        return list(await self._retrieve(version, users, k, barred))

    async def similar(self, version: str, item_ids: Sequence[str], k: int) -> list[Candidates]:
        return list(await self._similar(version, item_ids, k))

    async def rank(self, version: str, users: UserBatch, candidates: Sequence[Candidates]) -> list[Candidates]:
        return list(await self._rank(version, users, candidates))

    async def score(self, version: str, users: UserBatch, items: Sequence[Rows]) -> list[Candidates]:
        return list(await self._score(version, users, items))


class _RouterDeployment(Router):
    def __init__(
        self,
        registry: str,
        store: str,
        experiment: Experiment,
        exclude_seen: bool,
        retrieval: DeploymentHandle,
        ranking: DeploymentHandle,
    ) -> None:
        stages = _Stages(retrieval, ranking)
        bundles = LiveBundles(registry, experiment.pinned, SETTLE_S)
        super().__init__(
            bundles, open_store(store), experiment, stages, stages, RayMeasures(), Exclusion(seen=exclude_seen)
        )


class _Behind:
    """The router behind its handle."""

    def __init__(self, router: DeploymentHandle) -> None:
        self._recommend, self._spare = _Hop(router, "recommend"), _Hop(router, "spare")
        self._champion = _Hop(router, "champion")

    async def recommend(self, queries: Sequence[Query]) -> list[bytes]:
        try:
            return list(await self._recommend(queries))
        except BackPressureError as error:
            raise BusyError("more rows are asked for than can be answered") from error

    async def spare(self, country: str | None) -> bytes:
        return bytes(await self._spare(country))

    async def champion(self) -> str:
        return str(await self._champion())


class _GatewayDeployment:
    """The ASGI application is made in the replica, after its handles have arrived."""

    def __init__(self, router: DeploymentHandle, store: str, door: DoorOptions, stock: bool) -> None:
        self._front, self._door = Front(_Behind(router), batched=not stock), door
        self._store = open_store(store)
        warn_of_losses(self._store)

    def __serve_build_asgi_app__(self) -> FastAPI:
        return create_api(self._front, self._store, self._door)

    async def recommend(self, query: Query) -> bytes:
        """One answer, for callers inside the cluster."""
        return await self._front.recommend(query)
