"""Calls from one deployment of the graph to another. Knows Ray Serve's handles, and nothing that is slow to import."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

from ray.exceptions import RayActorError
from ray.serve.exceptions import BackPressureError
from ray.serve.handle import DeploymentHandle

from serve_apps.chain.admission import BusyError
from serve_apps.chain.messages import Query


class Hop:
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


class RouterBehind:
    """The router behind its handle."""

    def __init__(self, router: DeploymentHandle) -> None:
        self._recommend, self._spare = Hop(router, "recommend"), Hop(router, "spare")
        self._champion = Hop(router, "champion")

    async def recommend(self, queries: Sequence[Query]) -> list[bytes]:
        try:
            return list(await self._recommend(queries))
        except BackPressureError as error:
            raise BusyError("more rows are asked for than can be answered") from error

    async def spare(self, country: str | None) -> bytes:
        return bytes(await self._spare(country))

    async def champion(self) -> str:
        return str(await self._champion())
