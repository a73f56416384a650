"""A filter holds on every surface and every rung; what it names wrongly is said."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest

from serve_apps.tiers.retrieval import Retrieval
from tests.serve_apps.chain.test_ladder import Trouble, TroubledRetrieval
from tests.serve_apps.conftest import Serve, Server, ids

OLD = "year < 2000"
NUM_OLD = 20  # of 60 items, years 1990 to 2019


def year(item_id: str) -> int:
    return 1990 + int(item_id[1:]) % 30


def put(server: Server, item_id: str, **body: Any) -> None:
    server.http.request("PUT", f"/api/items/{item_id}", json=body).raise_for_status()


@pytest.mark.parametrize("user_id", ["u1", "nobody"])
def test_home_rows_hold_what_passes(server: Server, user_id: str) -> None:
    answer = server.home(user_id, filter=OLD, limit=60)
    assert len(ids(answer)) == len(set(ids(answer))) == NUM_OLD
    assert all(year(item_id) < 2000 for item_id in ids(answer))
    both = server.home(user_id, filter=f'{OLD} AND categories ANY ("c3")')
    assert set(ids(both)) <= set(ids(answer))
    assert all("c3" in item["metadata"]["categories"] for item in both["items"])


def test_a_personal_row_keeps_its_order(server: Server) -> None:
    whole = [item_id for item_id in ids(server.home("u1", limit=60)) if year(item_id) < 2000]
    assert ids(server.home("u1", limit=60, filter=OLD)) == whole


def test_a_filter_that_nothing_passes_has_an_empty_row(server: Server) -> None:
    answer = server.home("u1", filter="year > 3000")
    assert (ids(answer), answer["fallback_cause"]) == ([], "nothing_found")


def test_it_holds_on_the_other_surfaces(server: Server) -> None:
    assert all(year(i) < 2000 for i in ids(server.row("similar", item_id="i7", limit=60, filter=OLD)))
    assert all(year(i) < 2000 for i in ids(server.row("search", q="title", limit=60, filter=OLD)))
    body = {"user_id": "u1", "item_ids": ["i1", "i15", "i31"], "filter": OLD, "timeout_ms": 10_000}
    assert set(ids(server.http.post("/api/recommendations/rank", json=body).json())) == {"i1", "i31"}


def test_it_holds_for_what_came_a_minute_ago(server: Server) -> None:
    put(server, "new", title="The Lighthouse", categories=["sea"])
    assert ids(server.row("search", q="lighthouse", filter='categories ANY ("sea")')) == ["new"]
    assert ids(server.row("search", q="lighthouse", filter='categories ANY ("war")')) == []


def test_it_holds_on_every_rung(serve: Serve, sample_registry: str) -> None:
    trouble = Trouble()
    server = serve(retrieval=partial(TroubledRetrieval, trouble=trouble))
    whole = server.home("u1", filter=OLD)
    trouble.fails()
    for user_id, rung in (("u1", "cached"), ("u2", "popular")):
        answer = server.home(user_id, filter=OLD)
        assert answer["fallback"] == rung
        assert all(year(item_id) < 2000 for item_id in ids(answer))
        assert len(ids(answer)) == len(ids(whole))


def test_each_question_of_a_batch_has_its_own(serve: Serve, sample_registry: str) -> None:
    server = serve(retrieval=Retrieval)
    old, new = server.home("u1", filter=OLD), server.home("u1", filter="year >= 2000")
    assert not set(ids(old)) & set(ids(new))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("year >", "expected"),
        ('titel = "x" OR (', "expected"),
        ("__import__('os').system('true')", "expected"),
        ("(" * 50 + "year = 1" + ")" * 50, "16"),
        ("year = 1 OR " * 400 + "year = 1", "2000"),
        ("title > 3", "text"),
    ],
)
def test_what_is_no_filter_is_said(server: Server, text: str, says: str) -> None:
    answer = server.http.get("/api/recommendations/home", params={"user_id": "u1", "filter": text})
    assert answer.status_code == 422
    assert says in answer.text
