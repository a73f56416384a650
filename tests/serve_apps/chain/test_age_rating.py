"""Ratings by age: what is rated above a user's limit, or not at all, is on no surface and no rung."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest

from models.filters import matches, parse
from serve_apps.chain.age_rating import age_filter
from tests.serve_apps.chain.test_ladder import Trouble, TroubledRetrieval
from tests.serve_apps.conftest import Serve, Server, ids

RATED = {1: 0, 2: 6, 3: 12, 4: 16}
"""Ratings of the sample bundle by item number modulo 5; those at 0 have none."""


def fits(answer: dict[str, Any], limit: int) -> bool:
    return all(RATED.get(int(item_id[1:]) % 5, 99) <= limit for item_id in ids(answer))


@pytest.mark.parametrize(("limit", "num"), [(0, 12), (5, 12), (6, 24), (12, 36), (17, 48), (99, 48)])
@pytest.mark.parametrize("user_id", ["u1", "nobody"])
def test_home_rows_hold_what_the_request_lets_in(server: Server, user_id: str, limit: int, num: int) -> None:
    row = server.home(user_id, limit=60, max_age_rating=limit)
    assert fits(row, limit)
    assert len(ids(row)) == num


def test_it_holds_on_the_other_surfaces_and_beside_a_filter(server: Server) -> None:
    assert fits(server.row("similar", item_id="i7", limit=60, max_age_rating=6), 6)
    assert fits(server.row("search", q="title", limit=60, max_age_rating=6), 6)
    body = {"user_id": "u1", "item_ids": [f"i{n}" for n in range(10)], "max_age_rating": 6, "timeout_ms": 10_000}
    listed = server.http.post("/api/recommendations/rank", json=body).json()
    assert set(ids(listed)) == {"i1", "i2", "i6", "i7"}
    row = server.home("u1", limit=60, max_age_rating=12, filter="year < 2000")
    assert fits(row, 12)
    assert all(int(item_id[1:]) % 30 < 10 for item_id in ids(row))
    assert len(ids(row)) == 12
    pinned = server.http.post(
        "/api/recommendations/home", json={"user_id": "u1", "max_age_rating": 6, "pins": {"0": "i4"}}
    )
    assert "i4" not in ids(pinned.json())


def test_it_holds_on_every_rung(serve: Serve, sample_registry: str) -> None:
    trouble = Trouble()
    server = serve(retrieval=partial(TroubledRetrieval, trouble=trouble))
    server.home("u1")
    trouble.fails()
    for user_id, rung in (("u1", "cached"), ("u2", "popular")):
        row = server.home(user_id, max_age_rating=6)
        assert row["fallback"] == rung
        assert fits(row, 6)
        assert len(ids(row)) == 20


def test_a_profile_has_its_own_limit_and_the_lower_one_holds(server: Server) -> None:
    def profile(**attributes: Any) -> None:
        server.http.request("PUT", "/api/users/u1", json={"attributes": attributes}).raise_for_status()

    for said, limit in ((12, 12), ("6", 6), ("6+", 6), ("six", 0)):
        profile(max_age_rating=said)
        assert fits(server.home("u1", limit=60), limit)
        assert len(ids(server.home("u1", limit=60))) == 12 * (1 + sum(0 < rating <= limit for rating in RATED.values()))
    profile(max_age_rating=12)
    assert fits(server.home("u1", limit=60, max_age_rating=6), 6)
    assert fits(server.home("u1", limit=60, max_age_rating=16), 12)
    assert fits(server.row("search", q="title", user_id="u1", limit=60), 12)
    assert not fits(server.home("u2", limit=60), 12)


def test_what_has_no_rating_is_not_for_children(server: Server) -> None:
    server.http.request("PUT", "/api/items/new", json={"title": "The Lighthouse"}).raise_for_status()
    assert ids(server.row("search", q="lighthouse", max_age_rating=99)) == []


@pytest.mark.parametrize(
    ("rating", "passes"),
    [
        (12, True), (12.5, False), (13, False), ("12", True), ("12+", True), ("13+", False), ("R", False),
        (None, False), (True, False), ([6, 12], True), ([6, 18], False), ([], False),
        (["6+", "18+"], False), (["12", "R"], False), ([6, "18"], False), ([6, "R"], False), ([18, "6"], False),
        ([6, True], False), ([6, {"age": 18}], False), ([6, "12+"], True), (["6", ["12+", 0]], True), (99, False),
        ({"age": 6}, False),
    ],
)  # fmt: skip
def test_which_ratings_pass(rating: Any, passes: bool) -> None:
    assert matches(parse(age_filter(12)), {"item_id": "i", "metadata": {"age_rating": rating}}) is passes


def test_a_limit_that_is_none_is_named(server: Server) -> None:
    for limit in ("-1", "100", "x"):
        answer = server.http.get(f"/api/recommendations/home?user_id=u1&max_age_rating={limit}")
        assert answer.status_code == 422
        assert "max_age_rating" in answer.json()["error"]["message"]
