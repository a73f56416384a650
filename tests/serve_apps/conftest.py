"""The graph without Ray: the same stage classes in this process, a real registry and a real SQLite store."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from cluster.online.store import OnlineStore
from cluster.registry import Registry
from models.experiments import CHAMPION_FOR_ALL, Experiment
from serve_apps.chain.router import Router
from serve_apps.http.door_options import DoorOptions, admin_keys
from serve_apps.tiers.ranking import Ranking
from serve_apps.tiers.retrieval import Retrieval
from tests.serve_apps.graph import Counted, MakeRanker, MakeRetriever, built
from tests.serve_apps.sample_bundle import publish


@pytest.fixture(scope="session")
def sample_registry(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A registry with `v1`, the champion, and `v2`. Shared: promote nothing in it."""
    registry = Registry(str(tmp_path_factory.mktemp("registry")))
    publish(registry, "v1", seed=1)
    publish(registry, "v2", seed=2)
    registry.promote("v1")
    return registry.uri


class Http:
    """A blocking client of an ASGI application; its loop runs in a thread, so that what follows an answer runs too."""

    def __init__(self, app: FastAPI, client: tuple[str, int]) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()
        transport = httpx.ASGITransport(app, raise_app_exceptions=False, client=client)
        self._client = httpx.AsyncClient(transport=transport, base_url="http://shoal")

    def request(self, method: str, path: str, **options: Any) -> httpx.Response:
        call = self._client.request(method, path, **options)
        return asyncio.run_coroutine_threadsafe(call, self._loop).result(60)

    def get(self, path: str, **options: Any) -> httpx.Response:
        return self.request("GET", path, **options)

    def post(self, path: str, **options: Any) -> httpx.Response:
        return self.request("POST", path, **options)

    def close(self) -> None:
        asyncio.run_coroutine_threadsafe(self._client.aclose(), self._loop).result(60)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


@dataclass
class Server:
    """A client of the graph and what stands behind it."""

    http: Http
    store: OnlineStore
    router: Router
    measures: Counted

    def row(self, path: str, **query: Any) -> dict[str, Any]:
        asked = {"timeout_ms": 10_000, **query}  # patience: other tests may share the machine
        answer = self.http.get(f"/api/recommendations/{path}", params=asked)
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    def home(self, user_id: str, **query: Any) -> dict[str, Any]:
        return self.row("home", user_id=user_id, **query)

    def send(self, user_id: str, item_id: str, event_type: str, **fields: Any) -> dict[str, Any]:
        event = {"user_id": user_id, "item_id": item_id, "event_type": event_type, **fields}
        answer = self.http.post("/api/interactions", json=event)
        assert answer.status_code == 200, answer.text
        return dict(answer.json())


Serve = Callable[..., Server]


@pytest.fixture
def serve(sample_registry: str, tmp_path: Path) -> Iterator[Serve]:
    """Makes servers; what is not given is the sample registry's champion for all over a fresh store."""
    with ExitStack() as stack:

        def make(
            registry: str = sample_registry,
            store_url: str | None = None,
            experiment: Experiment = CHAMPION_FOR_ALL,
            api_keys: Sequence[str] = (),
            door: DoorOptions | None = None,
            exclude_seen: bool = True,
            retrieval: MakeRetriever = Retrieval,
            ranking: MakeRanker = Ranking,
            client: tuple[str, int] = ("127.0.0.1", 50_000),
            experiments: Path | None = None,
        ) -> Server:
            graph = stack.enter_context(
                built(
                    registry,
                    store_url or f"sqlite:///{tmp_path / 'online.db'}",
                    door or DoorOptions(fixed_keys=admin_keys(*api_keys)),
                    experiment,
                    exclude_seen,
                    retrieval,
                    ranking,
                    experiments,
                )
            )
            http = Http(graph.app, client)
            stack.callback(http.close)
            return Server(http, graph.store, graph.router, graph.measures)

        yield make


@pytest.fixture
def server(serve: Serve) -> Server:
    """The plain server."""
    return serve()


def ids(answer: dict[str, Any]) -> list[str]:
    """Item ids of an answer, in order."""
    return [item["item_id"] for item in answer["items"]]
