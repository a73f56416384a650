"""Search, rank, and similar items of what nobody has learned of yet; sessions without a user id."""

from __future__ import annotations

from typing import Any

from cluster.online.store import OnlineUser
from models.candidates import Candidates
from models.features import UserBatch
from models.vocabulary import Rows
from serve_apps.tiers.ranking import Ranking
from tests.serve_apps.conftest import Serve, Server, ids

NEW = {"title": "The Lighthouse Keeper", "categories": ["sea", "c3"]}


def put(server: Server, item_id: str, **body: Any) -> None:
    server.http.request("PUT", f"/api/items/{item_id}", json=body).raise_for_status()


def rank(server: Server, user_id: str, item_ids: list[str], **body: Any) -> dict[str, Any]:
    asked = {"user_id": user_id, "item_ids": item_ids, "timeout_ms": 10_000, **body}
    answer = server.http.post("/api/recommendations/rank", json=asked)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def test_a_search_finds_titles_and_categories(server: Server) -> None:
    answer = server.row("search", q="title 17", limit=3)
    assert ids(answer)[0] == "i17"
    assert (answer["variant"], answer["fallback"]) == ("search", None)
    assert {(item["source"], item["reason"]) for item in answer["items"]} == {("search", "Matches “title 17”")}
    assert ids(server.row("search", q="nothing-like-it")) == []


def test_a_search_is_ordered_for_the_user(server: Server) -> None:
    strangers, theirs = server.row("search", q="title"), server.row("search", q="title", user_id="u1")
    others = server.row("search", q="title", user_id="u2")
    assert len({tuple(ids(answer)) for answer in (strangers, theirs, others)}) == 3
    scores = [item["score"] for item in theirs["items"]]
    assert scores == sorted(scores, reverse=True)


def test_an_item_is_found_and_similar_as_soon_as_it_is_put_and_gone_when_it_is_deleted(server: Server) -> None:
    put(server, "new", **NEW)
    assert ids(server.row("search", q="lighthouse")) == ["new"]
    assert server.row("search", q="lighthouse")["items"][0]["metadata"] == NEW
    like = server.row("similar", item_id="new", limit=5)
    assert like["fallback"] is None
    assert all("c3" in item["metadata"]["categories"] for item in like["items"])
    assert like["items"][0]["reason"] == "Similar to The Lighthouse Keeper"

    put(server, "another", title="Lighthouse Stories", categories=["sea"])
    assert ids(server.row("similar", item_id="another", limit=1)) == ["new"]
    server.http.request("DELETE", "/api/items/new").raise_for_status()
    assert ids(server.row("search", q="lighthouse")) == ["another"]
    assert "new" not in ids(server.row("similar", item_id="another", limit=60))


def test_what_is_not_for_the_country_is_not_found(server: Server) -> None:
    put(server, "new", **NEW, countries=["NO"])
    assert ids(server.row("search", q="lighthouse", country="NO")) == ["new"]
    assert ids(server.row("search", q="lighthouse", country="SE")) == []


def test_a_list_is_put_in_the_users_order(server: Server) -> None:
    mine, theirs = [f"i{n}" for n in range(30)], [f"i{n}" for n in reversed(range(30))]
    answer = rank(server, "u1", mine)
    assert sorted(ids(answer)) == sorted(mine)
    assert ids(answer) == ids(rank(server, "u1", theirs)) != ids(rank(server, "u2", mine))
    assert answer["fallback"] is None
    scores = [item["score"] for item in answer["items"]]
    assert scores == sorted(scores, reverse=True)
    home = server.home("u1", limit=60)
    wanted = [item_id for item_id in ids(home) if item_id in mine]
    assert ids(answer) == wanted
    assert ids(rank(server, "u1", mine, limit=3)) == wanted[:3]


def test_what_no_model_knows_comes_last_and_what_may_not_be_seen_not_at_all(server: Server) -> None:
    put(server, "new", **NEW)
    put(server, "withdrawn", title="x", available=False)
    answer = rank(server, "u1", ["new", "i3", "withdrawn", "nobody-knows-it"])
    assert ids(answer) == ["i3", "new"]
    assert answer["items"][1]["source"] == "list"


def test_a_strangers_list_is_ordered_by_popularity(server: Server) -> None:
    answer = rank(server, "nobody", ["i40", "i2", "i9"])
    assert ids(answer) == ["i2", "i9", "i40"]
    assert (answer["fallback"], answer["fallback_cause"]) == ("popular", "unknown_user")


def test_without_ranking_a_list_keeps_its_order(serve: Serve, sample_registry: str) -> None:
    class Broken(Ranking):
        async def score(self, version: str, users: UserBatch, items: list[Rows]) -> list[Candidates]:  # type: ignore[override]
            raise RuntimeError("the tier is broken")

    server = serve(ranking=Broken)
    answer = rank(server, "u1", ["i40", "i2", "i9"])
    assert ids(answer) == ["i40", "i2", "i9"]
    assert (answer["fallback"], answer["fallback_cause"]) == ("without_ranking", "ranking_failed")
    assert server.row("search", q="title", user_id="u1")["fallback"] == "without_ranking"


def test_a_bad_question_is_named(server: Server) -> None:
    for path, says in (
        ("search", "q"),
        ("search?q=", "q"),
        (f"search?q={'x' * 501}", "q"),
        ("home", "give either user_id or"),
        ("home?user_id=a&session_id=b", "give either user_id or"),
        ("home?user_id=a&timeout_ms=1", "timeout_ms"),
    ):
        answer = server.http.get(f"/api/recommendations/{path}")
        assert answer.status_code == 422, path
        assert says in answer.text
    for body, says in (
        ({"user_id": "u1", "item_ids": []}, "item_ids"),
        ({"user_id": "u1", "item_ids": ["a", "a"]}, "twice"),
        ({"user_id": "u1", "item_ids": [f"i{n}" for n in range(501)]}, "item_ids"),
        ({"item_ids": ["a"]}, "user_id"),
    ):
        answer = server.http.post("/api/recommendations/rank", json=body)
        assert answer.status_code == 422
        assert says in answer.text


def test_a_session_is_somebody(server: Server) -> None:
    assert server.row("home", session_id="s1")["fallback_cause"] == "unknown_user"
    event = {"session_id": "s1", "item_id": "i7", "event_type": "click"}
    server.http.post("/api/interactions", json=event).raise_for_status()
    answer = server.row("home", session_id="s1")
    assert answer["fallback"] is None
    assert "i7" not in ids(answer)
    assert answer["items"][0]["reason"] == "Because you clicked Title 7"
    assert server.row("home", session_id="s2")["fallback_cause"] == "unknown_user"
    long = "é" * 64  # 128 bytes, as long as an id may be
    server.http.post("/api/interactions", json={**event, "session_id": long}).raise_for_status()
    assert server.row("home", session_id=long)["fallback"] is None
    assert server.store.users(["s1"]) == [OnlineUser()]
