"""A replica of the gateway.

In a file of its own without torch and the models behind it, so that a gateway that died is back seconds sooner.
"""

from __future__ import annotations

from fastapi import FastAPI
from ray.serve.handle import DeploymentHandle

from cluster.online.durability import warn_of_losses
from cluster.online.store import open_store
from cluster.privacy.keys import load_keys
from serve_apps.chain.cursors import Cursors
from serve_apps.chain.front import Front
from serve_apps.chain.messages import Query
from serve_apps.hops import RouterBehind
from serve_apps.http.door_options import DoorOptions
from serve_apps.http.gateway import create_api


class GatewayReplica:
    """The ASGI application is made in the replica, after its handles have arrived."""

    def __init__(self, router: DeploymentHandle, store: str, door: DoorOptions, stock: bool) -> None:
        self._front, self._door = Front(RouterBehind(router), batched=not stock), door
        self._store = open_store(store)
        warn_of_losses(self._store)

    def __serve_build_asgi_app__(self) -> FastAPI:
        return create_api(self._front, self._store, self._door, Cursors(load_keys().cursors))

    async def recommend(self, query: Query) -> bytes:
        """One answer, for callers inside the cluster."""
        return await self._front.recommend(query)
