"""The rungs, one below the other: what answers when a tier fails, is late, or hangs, and that nothing is ever empty."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import pytest

from cluster.online.store import OnlineStore
from models.candidates import Candidates
from models.features import UserBatch
from models.index.packed_rows import PackedRows
from models.vocabulary import Rows
from serve_apps.live.bundles import LiveBundles
from serve_apps.tiers.ranking import Ranking
from serve_apps.tiers.retrieval import Retrieval
from tests.serve_apps.conftest import Serve, Server, ids
from tests.serve_apps.trends import count_events

pytestmark = pytest.mark.slow

IN_TIME_MS = 400


class Trouble:
    """What befalls a tier before it does its work; nothing to begin with."""

    def __init__(self) -> None:
        self.now: Callable[[], Any] | None = None

    async def strike(self) -> None:
        if self.now is not None:
            await self.now()

    def fails(self) -> None:
        async def fail() -> None:
            raise RuntimeError("the tier is broken")

        self.now = fail

    def hangs(self) -> None:
        async def hang() -> None:
            await asyncio.sleep(60)

        self.now = hang


class TroubledRetrieval(Retrieval):
    def __init__(self, bundles: LiveBundles, trouble: Trouble) -> None:
        super().__init__(bundles)
        self._trouble = trouble

    async def retrieve(
        self, version: str, users: UserBatch, k: int, barred: Sequence[Rows], allowed: Sequence[PackedRows | None]
    ) -> list[Candidates]:
        await self._trouble.strike()
        return await super().retrieve(version, users, k, barred, allowed)


class TroubledRanking(Ranking):
    def __init__(self, bundles: LiveBundles, trouble: Trouble) -> None:
        super().__init__(bundles)
        self._trouble = trouble

    async def rank(self, version: str, users: UserBatch, candidates: Sequence[Candidates]) -> list[Candidates]:
        await self._trouble.strike()
        return await super().rank(version, users, candidates)


@pytest.fixture
def trouble() -> Trouble:
    return Trouble()


def test_the_last_row_answers_until_something_happens(serve: Serve, sample_registry: str, trouble: Trouble) -> None:
    server = serve(retrieval=partial(TroubledRetrieval, trouble=trouble))
    whole = server.home("u1")
    trouble.fails()
    again = server.home("u1")
    assert (again["fallback"], again["fallback_cause"]) == ("cached", "retrieval_failed")
    assert ids(again) == ids(whole)
    assert [i["reason"] for i in again["items"]] == [i["reason"] for i in whole["items"]]
    assert server.home("u2")["fallback"] == "popular"  # of whom no row is kept

    server.send("u1", ids(whole)[0], "click")
    after = server.home("u1")
    assert after["fallback"] == "popular"
    assert ids(whole)[0] not in ids(after)


def test_what_is_withdrawn_is_out_of_the_last_row(serve: Serve, sample_registry: str, trouble: Trouble) -> None:
    server = serve(retrieval=partial(TroubledRetrieval, trouble=trouble))
    whole = server.home("u1")
    trouble.fails()
    server.http.request("DELETE", f"/api/items/{ids(whole)[3]}").raise_for_status()
    again = server.home("u1")
    assert again["fallback"] == "cached"
    assert len(ids(again)) == 20
    assert ids(again)[:19] == [*ids(whole)[:3], *ids(whole)[4:]]


def test_what_is_trending_in_the_country_comes_before_what_is_popular(
    serve: Serve, sample_registry: str, trouble: Trouble
) -> None:
    trouble.fails()
    server = serve(retrieval=partial(TroubledRetrieval, trouble=trouble))
    count_events(server.store, {"NO": ["i50", "i50", "i51"], "SE": ["i52", "i52", "i52", "i50"], "DK": ["i53"]})
    answer = until(lambda: server.home("u1", country="NO", limit=6), lambda a: ids(a)[:2] == ["i50", "i51"])
    assert (answer["fallback"], answer["fallback_cause"]) == ("trending", "retrieval_failed")
    # Norway's, everywhere's, then the popular ones of the bundle.
    assert ids(answer) == ["i50", "i51", "i52", "i53", "i5", "i6"]
    reasons = [item["reason"] for item in answer["items"]]
    assert reasons == ["Trending in NO"] * 2 + ["Trending"] * 2 + ["Popular in NO"] * 2
    scores = [item["score"] for item in answer["items"][:4]]
    assert scores == sorted(scores, reverse=True)
    assert server.home("nobody", limit=1)["fallback_cause"] == "unknown_user"


def test_a_seen_item_does_not_trend_for_who_has_seen_it(serve: Serve) -> None:
    server = serve()
    count_events(server.store, {"NO": ["new-to-the-bundle", "i50", "i50", "i51"]})
    until(lambda: server.home("nobody", limit=2), lambda a: ids(a) == ["i50", "i51"])
    server.send("ann", "not-an-item-of-the-bundle", "click")
    server.send("ann", "i50", "hide")
    assert ids(server.home("ann", limit=1)) == ["i51"]


@pytest.mark.parametrize("tier", ["retrieval", "ranking"])
def test_a_tier_that_hangs_costs_its_rung_and_no_more_than_the_time_there_is(
    tier: str, serve: Serve, sample_registry: str, trouble: Trouble
) -> None:
    troubled = TroubledRetrieval if tier == "retrieval" else TroubledRanking
    server = serve(**{tier: partial(troubled, trouble=trouble)})
    whole = server.home("u1")
    trouble.hangs()
    started = time.monotonic()
    answer = server.home("u1", timeout_ms=IN_TIME_MS)
    took_ms = 1_000 * (time.monotonic() - started)
    rung = {"retrieval": "cached", "ranking": "without_ranking"}[tier]
    assert (answer["fallback"], answer["fallback_cause"]) == (rung, f"{tier}_late")
    assert len(ids(answer)) == len(ids(whole))
    assert took_ms < IN_TIME_MS + 400
    stage = {"retrieval": "retrieve", "ranking": "rank"}[tier]
    assert (stage, "late") in server.measures.stages
    assert server.measures.rungs["home", rung, f"{tier}_late"] == 1


def test_a_store_that_hangs_holds_no_answer_up(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    server = serve()
    server.home("u1")
    release = hang(server, monkeypatch)
    try:
        for _ in range(8):  # more than there are threads to read with
            started = time.monotonic()
            answer = server.home("u1", timeout_ms=IN_TIME_MS)
            assert time.monotonic() - started < IN_TIME_MS / 1_000 + 0.4
            assert answer["fallback_cause"] == "store_unavailable"
            assert len(ids(answer)) == 20
    finally:
        release()
    assert until(lambda: server.home("u1"), lambda a: a["fallback"] is None)["fallback_cause"] is None


def hang(server: Server, monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """The store's reads wait until they are released."""
    released = threading.Event()
    store: OnlineStore = server.store
    whole = store.fetch

    def waits(user_ids: Sequence[str]) -> Any:
        released.wait()
        return whole(user_ids)

    monkeypatch.setattr(store, "fetch", waits)
    return released.set


def until(ask: Callable[[], dict[str, Any]], holds: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    """Ask again until it holds; what was answered last when it does not within ten seconds."""
    deadline = time.monotonic() + 10
    while not holds(answer := ask()) and time.monotonic() < deadline:
        time.sleep(0.05)
    return answer
