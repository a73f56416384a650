"""Requests past the bounds: a 503 of ours with Retry-After, before anything is parsed or done."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from cluster.online.store import open_store
from serve_apps.chain.messages import Query
from serve_apps.http.door_options import DoorOptions, admin_keys
from serve_apps.http.gateway import create_api
from serve_apps.http.shedding import MAX_OTHERS, Shedding

pytestmark = pytest.mark.anyio
HOME = "/api/recommendations/home?user_id=u1"
Get = Callable[..., Awaitable[httpx.Response]]


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


class FullChain:
    """A chain that can take no more."""

    full = True

    async def recommend(self, query: Query) -> bytes:
        raise AssertionError("asked although it is full")

    async def champion(self) -> str:
        return "v1"


@pytest.fixture
def full(tmp_path: Any) -> Iterator[FastAPI]:
    store = open_store(f"sqlite:///{tmp_path / 'online.db'}")
    yield create_api(FullChain(), store, DoorOptions(fixed_keys=admin_keys("key")))
    store.close()


@pytest.fixture
async def get(full: FastAPI) -> AsyncIterator[Get]:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(full), base_url="http://test") as client:
        yield client.get


async def test_a_row_too_many_is_a_503_that_says_when_to_come_back(get: Get) -> None:
    refused = await get(HOME, headers={"X-API-Key": "key"})
    assert (refused.status_code, refused.headers["Retry-After"]) == (503, "1")
    assert refused.json()["error"]["code"] == "busy"


async def test_it_is_turned_away_before_its_body_is_read(full: FastAPI) -> None:
    read: list[int] = []

    async def body() -> AsyncIterator[bytes]:
        for part in range(3):
            read.append(part)
            yield b"?" * 1_000

    async with httpx.AsyncClient(transport=httpx.ASGITransport(full), base_url="http://test") as client:
        for path in ("home", "rank"):
            asked = client.post(f"/api/recommendations/{path}", content=body(), headers={"X-API-Key": "key"})
            assert (await asked).status_code == 503
        assert (await client.post("/api/recommendations/rank", content=body())).status_code == 401
        assert read == []
        headers = {"X-API-Key": "key", "Content-Encoding": "gzip"}
        assert (await client.post("/api/interactions", content=body(), headers=headers)).status_code == 400
        assert read != []


async def test_who_has_no_key_is_told_that_first(get: Get) -> None:
    assert (await get(HOME)).status_code == 401


async def test_health_and_the_rest_are_answered_meanwhile(get: Get) -> None:
    assert (await get("/api/health/ready")).status_code == 200
    assert (await get("/api/items/nothing", headers={"X-API-Key": "key"})).status_code == 404


async def test_writes_that_pile_up_are_bounded_too() -> None:
    inner, go = FastAPI(), asyncio.Event()

    @inner.get("/slow")
    async def slow() -> str:
        await go.wait()
        return "done"

    transport = httpx.ASGITransport(Shedding(inner, FullChain()))
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        waiting = [asyncio.ensure_future(client.get("/slow")) for _ in range(MAX_OTHERS)]
        await asyncio.sleep(0.2)
        refused = await client.get("/slow")
        assert (refused.status_code, refused.headers["Retry-After"]) == (503, "1")
        go.set()
        assert {answer.status_code for answer in await asyncio.gather(*waiting)} == {200}
        assert (await client.get("/slow")).status_code == 200
