"""Which questions are worked on where they are, and that their deadlines are kept there as well."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

import orjson
import pytest

from models.candidates import Candidates
from models.features import UserBatch
from serve_apps.chain.deadline import Deadline
from serve_apps.chain.messages import HomeQuery, SimilarQuery
from serve_apps.chain.near import MAX_NEAR, NearestRanker, NearestRetriever
from serve_apps.live.bundles import LiveBundles
from serve_apps.tiers.doing import OneThread
from serve_apps.tiers.ranking import Ranking
from serve_apps.tiers.retrieval import Retrieval
from tests.serve_apps.conftest import Serve, Server, ids

PATIENT_MS = 10_000


class FarRetrieval(Retrieval):
    def __init__(self, bundles: LiveBundles, calls: list[str]) -> None:
        super().__init__(bundles)
        self.calls = calls

    async def retrieve(self, *args: Any) -> list[Candidates]:
        self.calls.append("retrieve")
        return await super().retrieve(*args)

    async def similar(self, *args: Any) -> list[Candidates]:
        self.calls.append("similar")
        return await super().similar(*args)


class FarRanking(Ranking):
    def __init__(self, bundles: LiveBundles, calls: list[str]) -> None:
        super().__init__(bundles)
        self.calls = calls

    async def rank(self, version: str, users: UserBatch, candidates: Sequence[Candidates]) -> list[Candidates]:
        self.calls.append("rank")
        return await super().rank(version, users, candidates)


@pytest.fixture
def thread() -> Iterator[OneThread]:
    thread = OneThread("near")
    yield thread
    thread.close()


@pytest.fixture
def calls() -> list[str]:
    """Of the tiers behind their hops."""
    return []


@pytest.fixture
def server(serve: Serve, thread: OneThread, calls: list[str]) -> Server:
    return near_server(serve, thread, calls)


def near_server(serve: Serve, thread: OneThread, calls: list[str]) -> Server:
    return serve(
        retrieval=lambda b: NearestRetriever(Retrieval(b, thread), FarRetrieval(b, calls), thread),
        ranking=lambda b: NearestRanker(Ranking(b, thread), FarRanking(b, calls), thread),
    )


def homes(num: int) -> list[HomeQuery]:
    return [HomeQuery(f"u{n}", 5, deadline=Deadline.after(PATIENT_MS)) for n in range(num)]


def rows(server: Server, queries: Sequence[HomeQuery | SimilarQuery]) -> list[dict[str, Any]]:
    return [orjson.loads(body) for body in asyncio.run(server.router.recommend(queries))]


def test_a_lone_question_makes_no_call(server: Server, calls: list[str]) -> None:
    [answer] = rows(server, homes(1))
    assert (answer["fallback"], len(ids(answer)), calls) == (None, 5, [])
    [answer] = rows(server, [SimilarQuery("i3", 4, deadline=Deadline.after(PATIENT_MS))])
    assert (answer["fallback"], len(ids(answer)), calls) == (None, 4, [])


def test_a_batch_goes_to_the_tiers_and_has_the_same_rows(server: Server, calls: list[str]) -> None:
    together = rows(server, homes(MAX_NEAR + 1))
    assert calls == ["retrieve", "rank"]
    alone = [rows(server, [query])[0] for query in homes(MAX_NEAR + 1)]
    assert calls == ["retrieve", "rank"]
    assert [ids(row) for row in together] == [ids(row) for row in alone]


def test_a_thread_that_hangs_leaves_what_comes_after_it_to_the_tiers(
    server: Server, thread: OneThread, calls: list[str]
) -> None:
    go_on = threading.Event()

    async def ask_twice() -> list[dict[str, Any]]:
        hanging = [asyncio.create_task(thread(partial(go_on.wait, 60))) for _ in range(2)]
        await asyncio.sleep(0)
        assert not thread.has_room
        for each in hanging:
            each.cancel()  # nobody waits for it; the thread still does
        await asyncio.wait(hanging)
        answers = [orjson.loads(body) for query in homes(2) for body in await server.router.recommend([query])]
        go_on.set()
        return answers

    answers = asyncio.run(ask_twice())
    assert [answer["fallback"] for answer in answers] == [None, None]
    assert calls == ["retrieve", "rank"] * 2


def test_work_that_is_late_in_the_thread_costs_a_rung(serve: Serve) -> None:
    late = threading.Event()

    class Late(OneThread):
        async def __call__(self, work: Any) -> Any:
            return await super().__call__(lambda: (late.wait(60), work())[1])

    [answer] = rows(near_server(serve, Late("late"), []), [HomeQuery("u1", 5, deadline=Deadline.after(300))])
    late.set()
    assert (answer["fallback"], answer["fallback_cause"]) == ("popular", "retrieval_late")
    assert len(ids(answer)) == 5
