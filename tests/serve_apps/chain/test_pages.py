"""Pages of home: titled rows, no item twice, and rows for everybody on every rung."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cluster.registry import Registry
from models.candidates import Candidates
from models.events import EventType
from models.experiments import Experiment, Variant
from serve_apps.chain.deadline import Deadline
from serve_apps.chain.front import Front
from serve_apps.chain.messages import HomeQuery
from serve_apps.tiers.retrieval import Retrieval
from tests.serve_apps.chain.test_ladder import IN_TIME_MS, Trouble, TroubledRanking, TroubledRetrieval, hang, until
from tests.serve_apps.chain.test_rows import exposures_of
from tests.serve_apps.conftest import Serve, Server, ids
from tests.serve_apps.sample_bundle import publish
from tests.serve_apps.trends import count_events

pytestmark = pytest.mark.slow

HISTORY = [("i11", "view"), ("i18", "purchase"), ("i25", "click"), ("i3", "view"), ("i40", "hide"), ("i47", "view")]


def page(server: Server, user_id: str, rows: int = 20, **query: Any) -> dict[str, Any]:
    """A page, of which holds what holds of every page."""
    limit = query.setdefault("limit", 5)
    answer = server.home(user_id, rows=rows, **query)
    assert answer["items"] == []
    assert len(answer["rows"]) <= rows
    shown = [item["item_id"] for row in answer["rows"] for item in row["items"]]
    assert len(set(shown)) == len(shown)
    titles = [row["title"] for row in answer["rows"]]
    assert len(set(titles)) == len(titles)
    for row in answer["rows"]:
        assert 1 <= len(row["items"]) <= limit
        assert [item["rank"] for item in row["items"]] == list(range(1, len(row["items"]) + 1))
        assert {item["source"] for item in row["items"]} == {row["source"]}
    return answer


def of_router(server: Server, user_id: str, timeout_ms: int) -> dict[str, Any]:
    """A page without a gateway, which would wait no longer where a machine is slow."""
    query = HomeQuery(user_id, 5, rows=20, timeout_ms=timeout_ms, deadline=Deadline.after(timeout_ms))
    [body] = asyncio.run(server.router.recommend([query]))
    return dict(orjson.loads(body))


def on(answer: dict[str, Any]) -> list[str]:
    return [item["item_id"] for row in answer["rows"] for item in row["items"]]


def titles(answer: dict[str, Any]) -> list[str]:
    return [row["title"] for row in answer["rows"]]


def tell(server: Server, user_id: str, history: Sequence[tuple[str, str]] = HISTORY) -> None:
    start = datetime.now(UTC) - timedelta(minutes=len(history))
    for n, (item_id, event_type) in enumerate(history):
        server.send(user_id, item_id, event_type, timestamp=(start + timedelta(minutes=n)).isoformat())


def trends(server: Server, **by_country: Sequence[str]) -> None:
    """What trends from now on, also here."""
    count_events(server.store, by_country)
    for country, item_ids in by_country.items():
        until(
            lambda country=country: server.home("nobody", country=country),  # type: ignore[misc]
            lambda answer, wanted=item_ids[0]: wanted in ids(answer) and answer["fallback"] == "trending",  # type: ignore[misc]
        )


def test_a_page_of_somebody(serve: Serve, tmp_path: Path) -> None:
    registry = Registry(str(tmp_path / "registry"))
    today = datetime.now(UTC).date()
    publish(registry, "v1", released={n: today - timedelta(days=n % 7) for n in range(0, 60, 5)})
    registry.promote("v1")
    server = serve(registry.uri)
    trends(server, NO=["i50", "i51", "i52", "i53"])
    tell(server, "ann")
    answer = page(server, "ann", country="NO", limit=4)
    assert (answer["fallback"], answer["variant"]) == (None, "model")
    assert titles(answer)[:6] == [
        "Continue watching",
        "Top picks for you",
        "Because you viewed Title 47",
        "Trending in Norway",
        "Popular in c3",
        "New for you",
    ]
    rows = {row["title"]: row["items"] for row in answer["rows"]}
    assert [item["item_id"] for item in rows["Continue watching"]] == ["i47", "i3", "i11"]
    assert {item["reason"] for item in rows["Because you viewed Title 47"]} == {"Because you viewed Title 47"}
    assert {item["reason"] for item in rows["Trending in Norway"]} == {"Trending in NO"}
    assert all("c3" in item["metadata"]["categories"] for item in rows["Popular in c3"])
    assert all(int(item["item_id"][1:]) % 5 == 0 for item in rows["New for you"])
    assert "i40" not in on(answer)
    assert not {"i18", "i25"} & set(on(answer))
    three = page(server, "ann", rows=3, country="NO", limit=4)
    assert titles(three) == titles(answer)[:3]
    assert [item["item_id"] for item in three["rows"][1]["items"]] == [
        item["item_id"] for item in rows["Top picks for you"]
    ]


def test_a_row_is_no_page(server: Server) -> None:
    answer = server.home("u1")
    assert "rows" not in answer
    assert len(ids(answer)) == 20


def test_rows_have_a_least_length(server: Server) -> None:
    tell(server, "ann", [("i11", "view"), ("i18", "click")])
    answer = page(server, "ann", limit=10)
    assert "Continue watching" not in titles(answer)
    assert all(len(row["items"]) >= 3 for row in answer["rows"])
    assert titles(page(server, "ann", limit=1))[0] == "Continue watching"


def test_a_page_with_little_to_show_has_short_rows(server: Server) -> None:
    answer = page(server, "u1", filter='categories ANY ("c3") AND year = 1993')
    assert on(answer) == ["i3"]


def test_a_page_that_nothing_is_for_is_empty(server: Server) -> None:
    answer = page(server, "u1", filter="year > 3000")
    assert (answer["rows"], answer["fallback_cause"]) == ([], "nothing_found")


def test_who_has_seen_everything_gets_popular_items_again_but_no_hidden_one(server: Server) -> None:
    events = [{"user_id": "ann", "item_id": f"i{n}", "event_type": "click" if n else "hide"} for n in range(60)]
    assert server.http.post("/api/interactions", json=events).json()["accepted"] == 60
    answer = page(server, "ann", limit=3)
    assert (titles(answer), on(answer)) == (["Popular"], ["i1", "i2", "i3"])


def test_strangers_and_who_refused_get_rows_of_what_is_no_secret(serve: Serve) -> None:
    server = serve()
    trends(server, NO=["i50", "i51", "i52"])
    tell(server, "ann")
    server.http.request("PUT", "/api/users/bob", json={"personalization": False, "country": "NO"}).raise_for_status()
    for user_id, cause in (("nobody", "unknown_user"), ("bob", "personalization_off")):
        answer = page(server, user_id, country="NO")
        assert answer["fallback_cause"] == cause
        assert titles(answer) == ["Trending in Norway", "Popular in Norway", "Popular"]
    tell(server, "carl")
    server.http.request("PUT", "/api/users/carl", json={"personalization": False}).raise_for_status()
    refused = page(server, "carl")
    assert titles(refused) == ["Trending", "Popular"]
    assert refused["rows"] == page(server, "nobody")["rows"]


@pytest.mark.parametrize("befalls", ["fails", "hangs"])
def test_without_the_model_the_other_sources_and_the_last_row_are_there(
    serve: Serve, sample_registry: str, befalls: str
) -> None:
    trouble = Trouble()
    server = serve(retrieval=partial(TroubledRetrieval, trouble=trouble))
    tell(server, "ann")
    whole = page(server, "ann")
    getattr(trouble, befalls)()
    timeout_ms = 10_000 if befalls == "fails" else IN_TIME_MS
    answer = of_router(server, "ann", timeout_ms)
    why = {"fails": "retrieval_failed", "hangs": "retrieval_late"}[befalls]
    assert (answer["fallback"], answer["fallback_cause"]) == ("cached", why)
    assert befalls == "hangs" or set(titles(answer)) == set(titles(whole))  # what is late is not ranked either
    assert titles(answer)[:2] == ["Continue watching", "Top picks for you"]
    assert [row["items"] for row in answer["rows"]][1] == [row["items"] for row in whole["rows"]][1]
    tell(server, "bob", [("i7", "view")])
    unkept = of_router(server, "bob", timeout_ms)
    assert unkept["fallback"] == "popular"
    assert "Top picks for you" not in titles(unkept)
    assert {"Because you viewed Title 7", "Popular"} <= set(titles(unkept))


def test_without_the_ranker_the_rows_stay(serve: Serve, sample_registry: str) -> None:
    class Broken(TroubledRanking):
        async def score(self, *args: Any) -> list[Candidates]:
            raise RuntimeError("the tier is broken")

    server = serve(ranking=partial(Broken, trouble=Trouble()))
    tell(server, "ann")
    answer = page(server, "ann")
    assert (answer["fallback"], answer["fallback_cause"]) == ("without_ranking", "ranking_failed")
    assert titles(answer)[:2] == ["Continue watching", "Top picks for you"]


def test_without_the_store_there_are_rows(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    server = serve()
    tell(server, "ann")
    page(server, "ann")
    release = hang(server, monkeypatch)
    try:
        answer = page(server, "ann", timeout_ms=IN_TIME_MS)
    finally:
        release()
    assert answer["fallback_cause"] == "store_unavailable"
    assert titles(answer) == ["Popular"]


def test_without_anything_behind_the_gateway_there_is_a_row(serve: Serve) -> None:
    server = serve()

    class Dead:
        dead = False

        async def recommend(self, queries: Sequence[Any]) -> list[bytes]:
            if self.dead:
                raise RuntimeError("the router is gone")
            return await server.router.recommend(queries)

        async def spare(self, country: str | None) -> bytes:
            return await server.router.spare(country)

        async def champion(self) -> str:
            return await server.router.champion()

    async def ask() -> bytes:
        behind = Dead()
        front = Front(behind)
        await front.recommend(HomeQuery("u1", 3, timeout_ms=10_000))
        await asyncio.sleep(0.2)  # the first spare row is asked for beside it
        behind.dead = True
        return await front.recommend(HomeQuery("u1", 3, rows=2))

    answer = asyncio.run(ask())
    assert b'"chain_late"' in answer
    assert b'"items":[],' in answer
    assert b'"rows":[{"title":"Popular","source":"popularity","items":[{"item_id":"i0"' in answer


def test_all_that_a_page_shows_is_recorded(serve: Serve) -> None:
    server = serve()
    tell(server, "ann")
    answer = page(server, "ann")
    [exposure] = exposures_of(server, 1)
    assert list(exposure.item_ids) == on(answer)
    assert exposure.recommendation_id == answer["recommendation_id"]


def test_a_variant_names_its_sources_and_their_order(serve: Serve) -> None:
    variant = Variant("mixed", 1.0, sources={"popularity": 1.0, "co_visited": 0.0})
    server = serve(experiment=Experiment("salt", (variant,)))
    tell(server, "ann")
    answer = page(server, "ann", limit=4)
    assert titles(answer) == [
        "Popular",
        "Because you viewed Title 47",
        "Because you viewed Title 3",
        "Because you clicked Title 25",
    ]


def test_a_row_of_several_sources_keeps_their_shares(serve: Serve) -> None:
    variant = Variant("mixed", 1.0, sources={"model": 0.6, "co_visited": 0.2, "popularity": 0.2})
    server = serve(experiment=Experiment("salt", (variant,)))
    tell(server, "ann")
    answer = server.home("ann", limit=20)
    assert answer["fallback"] is None
    assert len(set(ids(answer))) == 20
    sources = [item["source"] for item in answer["items"]]
    assert {name: sources.count(name) for name in variant.sources} == {"model": 12, "co_visited": 4, "popularity": 4}
    assert [item["rank"] for item in answer["items"]] == list(range(1, 21))
    model = [item["score"] for item in answer["items"] if item["source"] == "model"]
    assert model == sorted(model, reverse=True)
    assert not {"i40", "i11", "i18", "i25", "i3", "i47"} & set(ids(answer))


def test_a_source_that_hangs_leaves_time_for_the_ranker(serve: Serve, sample_registry: str) -> None:
    class Slow(Retrieval):
        async def similar(self, *args: Any) -> list[Candidates]:
            await asyncio.sleep(60)
            return []

    variant = Variant("mixed", 1.0, sources={"model": 0.6, "co_visited": 0.4})
    server = serve(retrieval=Slow, experiment=Experiment("salt", (variant,)))
    tell(server, "ann")
    server.home("ann")
    answer = server.home("ann", timeout_ms=4 * IN_TIME_MS)
    assert (answer["fallback"], len(ids(answer))) == (None, 20)
    assert {item["source"] for item in answer["items"]} == {"model"}
    assert ("co_visited", "late") in server.measures.stages


events = st.lists(
    st.tuples(st.integers(0, 59).map("i{}".format), st.sampled_from([str(kind) for kind in EventType])), max_size=8
)


@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(events, st.integers(1, 20), st.integers(1, 12), st.sampled_from([None, "year < 2000"]), st.integers())
def test_any_page(
    server: Server, history: list[tuple[str, str]], rows: int, limit: int, text: str | None, salt: int
) -> None:
    user_id = f"somebody-{salt}-{len(history)}"
    if history:
        tell(server, user_id, history)
    query = {"filter": text} if text else {}
    answer = page(server, user_id, rows, limit=limit, **query)
    assert on(answer)
    hidden = {one for one, event_type in history if event_type in ("hide", "dislike")}
    assert not hidden & set(on(answer))
    if text:
        assert all(1990 + int(item_id[1:]) % 30 < 2000 for item_id in on(answer))


@pytest.mark.parametrize("rows", [0, 21, "many"])
def test_a_page_has_1_to_20_rows(server: Server, rows: Any) -> None:
    answer = server.http.get("/api/recommendations/home", params={"user_id": "u1", "rows": rows})
    assert answer.status_code == 422
    assert "rows" in answer.text
