"""The gateway's side: batches form by themselves, and there is an answer when there is nothing behind it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import numpy as np
import orjson
import pytest

from models.selection import Cursor, Listing, Mark
from serve_apps.chain.admission import BusyError
from serve_apps.chain.deadline import Deadline
from serve_apps.chain.front import BATCH_SIZE, BATCHES_UNDER_WAY, ChainError, Front
from serve_apps.chain.gathering import COMPANY, PATIENCE_S, Gathering
from serve_apps.chain.messages import HomeQuery, Query, RankQuery, SimilarQuery

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


class Behind:
    """A router that answers when it is told to; its batches are counted."""

    def __init__(self) -> None:
        self.batches: list[int] = []
        self.open = asyncio.Event()
        self.open.set()
        self.error: Exception | None = None

    async def recommend(self, queries: Sequence[Query]) -> list[bytes]:
        self.batches.append(len(queries))
        await self.open.wait()
        if self.error is not None:
            raise self.error
        return [query.user_id.encode() for query in queries if isinstance(query, HomeQuery)]

    async def spare(self, country: str | None) -> bytes:
        items = [{"item_id": f"{country}-{n}", "rank": n + 1, "score": 1.0} for n in range(5)]
        return orjson.dumps({"items": items, "model_version": "v1", "variant": "home"})

    async def champion(self) -> str:
        return "v1"


def home(user_id: str, timeout_ms: int = 5_000, country: str | None = None) -> HomeQuery:
    due = Deadline.after(timeout_ms)
    return HomeQuery(user_id, 3, country=country, timeout_ms=timeout_ms, deadline=due)


async def test_one_alone_leaves_at_once_and_the_rest_share() -> None:
    behind = Behind()
    front = Front(behind)
    assert await front.recommend(home("u0")) == b"u0"
    assert behind.batches == [1]
    behind.open.clear()
    num = 1 + COMPANY + 2 * BATCH_SIZE + 5
    asked = [asyncio.ensure_future(front.recommend(home(f"u{n}"))) for n in range(num)]
    await asyncio.sleep(0.05)
    assert behind.batches == [1, 1, COMPANY]
    behind.open.set()
    assert await asyncio.gather(*asked) == [f"u{n}".encode() for n in range(num)]
    assert sorted(behind.batches[3:], reverse=True) == [BATCH_SIZE, BATCH_SIZE, 5]


async def test_beside_a_batch_that_takes_long_one_without_company_leaves_after_a_moment() -> None:
    behind = Behind()
    front = Front(behind)
    behind.open.clear()
    asked = [asyncio.ensure_future(front.recommend(home("u0")))]
    await asyncio.sleep(0)
    asked += [asyncio.ensure_future(front.recommend(home(f"u{n}"))) for n in (1, 2)]
    await asyncio.sleep(PATIENCE_S / 2)
    assert behind.batches == [1]
    await asyncio.sleep(10 * PATIENCE_S)
    assert behind.batches == [1, 2]
    behind.open.set()
    assert await asyncio.gather(*asked) == [b"u0", b"u1", b"u2"]


async def test_who_has_another_time_does_not_share() -> None:
    behind = Behind()
    front = Front(behind)
    behind.open.clear()
    asked = [asyncio.ensure_future(front.recommend(home("u", ms))) for ms in (1_000, 2_000) for _ in range(6)]
    await asyncio.sleep(0.05)
    behind.open.set()
    await asyncio.gather(*asked)
    assert sorted(behind.batches) == sorted([1, COMPANY, 5 - COMPANY] * 2)


async def test_the_times_asked_for_last_have_batches() -> None:
    behind = Behind()
    front = Front(behind)
    for ms in range(1_000, 1_020):
        await front.recommend(home("u", ms))
    behind.batches.clear()
    behind.open.clear()
    asked = [asyncio.ensure_future(front.recommend(home("u", 2_000))) for _ in range(6)]
    await asyncio.sleep(0.05)
    behind.open.set()
    await asyncio.gather(*asked)
    assert sorted(behind.batches) == sorted([1, COMPANY, 5 - COMPANY])


async def test_batches_that_hang_do_not_keep_their_places() -> None:
    behind = Behind()
    front = Front(behind)
    assert await front.recommend(home("u0", 50)) == b"u0"
    behind.open.clear()
    for _ in range(3):
        rows = await asyncio.gather(*(front.recommend(home(f"u{n}", 50)) for n in range(BATCHES_UNDER_WAY)))
        assert [orjson.loads(row)["fallback_cause"] for row in rows] == ["chain_late"] * BATCHES_UNDER_WAY
    assert behind.batches == [1] * (1 + 3 * BATCHES_UNDER_WAY)
    behind.open.set()
    assert await front.recommend(home("u9", 5_000)) == b"u9"


async def test_a_spare_row_answers_when_nothing_else_does() -> None:
    behind = Behind()
    front = Front(behind)
    await front.recommend(home("u0", country="NO"))
    await asyncio.sleep(0.05)  # it has looked
    behind.open.clear()
    answer = orjson.loads(await front.recommend(home("u1", 20, "NO")))
    assert [item["item_id"] for item in answer["items"]] == ["NO-0", "NO-1", "NO-2"]
    assert [item["rank"] for item in answer["items"]] == [1, 2, 3]
    assert (answer["fallback"], answer["fallback_cause"]) == ("popular", "chain_late")
    behind.open.set()
    behind.error = RuntimeError("the router is broken")
    question = SimilarQuery("None-1", 2, deadline=Deadline.after(5_000))
    answer = orjson.loads(await front.recommend(question))
    assert [item["item_id"] for item in answer["items"]] == ["None-0", "None-2"]
    assert answer["variant"] == "similar"


async def test_a_spare_row_adds_nothing_to_a_list_and_passes_no_filter() -> None:
    behind = Behind()
    front = Front(behind)
    await front.recommend(home("u0"))
    await asyncio.sleep(0.05)
    behind.error = RuntimeError("the router is broken")
    ranked = orjson.loads(await front.recommend(RankQuery("u1", ("None-3", "other", "None-1"))))
    assert [item["item_id"] for item in ranked["items"]] == ["None-1", "None-3"]
    for asked in (HomeQuery("u1", 3, filter="year > 2000"), HomeQuery("u1", 3, max_age_rating=99)):
        assert orjson.loads(await front.recommend(asked))["items"] == []


async def test_a_spare_row_is_no_further_page() -> None:
    behind = Behind()
    front = Front(behind)
    await front.recommend(home("u0"))
    await asyncio.sleep(0.05)
    behind.error = RuntimeError("the router is broken")
    rest = Listing(np.zeros(1, np.int64), np.zeros(1, np.float32), ("model",), (Mark.RANKED,))
    with pytest.raises(ChainError, match="Try again"):
        await front.recommend(HomeQuery("u1", 3, cursor=Cursor("r", "v1", "model", 1.0, 3, 2**40, rest)))


async def test_before_anything_has_answered_it_says_so() -> None:
    behind = Behind()
    behind.error = RuntimeError("the router is broken")
    with pytest.raises(ChainError, match="Try again"):
        await Front(behind).recommend(home("u0"))


async def test_full_queues_are_no_reason_for_a_spare_row() -> None:
    behind = Behind()
    front = Front(behind)
    await front.recommend(home("u0"))
    await asyncio.sleep(0.05)
    behind.error = BusyError("full")
    with pytest.raises(BusyError):
        await front.recommend(home("u0"))


async def test_an_error_is_told_to_each_and_who_has_gone_is_not_asked_for() -> None:
    sizes: list[int] = []
    gate = asyncio.Event()

    async def ask(questions: Sequence[int]) -> list[int]:
        sizes.append(len(questions))
        await gate.wait()
        if 3 in questions:
            raise ValueError("three")
        return list(questions)

    gathering = Gathering(ask, 10, 1)
    first = asyncio.ensure_future(gathering.ask(0))
    await asyncio.sleep(0)
    rest = [asyncio.ensure_future(gathering.ask(n)) for n in (1, 2, 3)]
    await asyncio.sleep(0)
    rest[0].cancel()
    await asyncio.sleep(0)
    gate.set()
    assert await first == 0
    done = await asyncio.gather(*rest, return_exceptions=True)
    assert [type(one) for one in done] == [asyncio.CancelledError, ValueError, ValueError]
    assert sizes == [1, 2]
