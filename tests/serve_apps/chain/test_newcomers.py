"""An item that was put after the bundle was made is recommended to whom it suits, and gone when it is deleted."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from models.candidates import Candidates
from serve_apps.chain.stages.newcomers import NUM_NEW, brought_back, joined
from tests.serve_apps.conftest import Serve, Server, ids
from tests.serve_apps.tasteful_bundle import TASTES, Family, item, publish_tasteful

pytestmark = pytest.mark.slow

PATIENCE_S = 60.0
"""Of a loaded machine; on a quiet one the first answer or two."""


@pytest.fixture(params=["als", "item_knn"])
def tasteful(request: pytest.FixtureRequest, serve: Serve, tmp_path: Path) -> Server:
    family: Family = request.param
    return serve(publish_tasteful(tmp_path, family))


def put(server: Server, item_id: str, taste: str, **body: Any) -> None:
    body = {"title": f"Another {taste} record", "categories": [taste], **body}
    server.http.request("PUT", f"/api/items/{item_id}", json=body).raise_for_status()


def delete(server: Server, item_id: str) -> None:
    server.http.request("DELETE", f"/api/items/{item_id}").raise_for_status()


def fan(server: Server, user_id: str, taste: str) -> None:
    for number in range(3):
        server.send(user_id, item(taste, number), "like")


def found_within(server: Server, user_id: str, item_id: str, **query: Any) -> dict[str, Any] | None:
    """The first answer that holds the item, if there is one in time."""
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        answer = server.home(user_id, **query)
        if item_id in ids(answer):
            return answer
        time.sleep(0.05)
    return None


def test_twenty_of_twenty_reach_whom_they_suit_and_leave_at_once(tasteful: Server) -> None:
    for number in range(20):
        taste, user_id, new = TASTES[number % len(TASTES)], f"fan-{number}", f"new-{number}"
        fan(tasteful, user_id, taste)
        put(tasteful, new, taste)
        answer = found_within(tasteful, user_id, new)
        assert answer is not None, number
        assert answer["fallback"] is None
        shown = next(each for each in answer["items"] if each["item_id"] == new)
        assert shown["metadata"] == {"title": f"Another {taste} record", "categories": [taste]}
        assert shown["reason"].startswith(f"Because you liked The {taste} record")
        scores = [each["score"] for each in answer["items"]]
        assert scores == sorted(scores, reverse=True)
        delete(tasteful, new)
        assert new not in ids(tasteful.home(user_id))


def test_it_is_among_what_is_like_it_and_not_among_other_tastes(tasteful: Server) -> None:
    fan(tasteful, "ann", "jazz")
    put(tasteful, "new", "jazz")
    answer = found_within(tasteful, "ann", "new")
    assert answer is not None
    before = ids(answer)[: ids(answer).index("new")]
    assert all(other.startswith("jazz") for other in before)
    fan(tasteful, "bob", "opera")
    other = ids(tasteful.home("bob", limit=10))
    assert all(each.startswith("opera") for each in other[:9])
    assert "new" not in other


def test_country_filter_and_history_hold_for_newcomers(tasteful: Server) -> None:
    fan(tasteful, "ann", "jazz")
    put(tasteful, "here", "jazz", countries=["NO"])
    put(tasteful, "there", "jazz", countries=["SE"])
    assert found_within(tasteful, "ann", "here", country="NO") is not None
    assert "there" not in ids(tasteful.home("ann", country="NO"))
    assert {"here", "there"} & set(ids(tasteful.home("ann"))) == set()
    assert "here" in ids(tasteful.home("ann", country="NO", filter='title = "Another jazz record"'))
    assert "here" not in ids(tasteful.home("ann", country="NO", filter='categories ANY ("opera")'))
    tasteful.send("ann", "here", "click")
    assert "here" not in ids(tasteful.home("ann", country="NO"))
    put(tasteful, "there", "jazz")
    assert found_within(tasteful, "ann", "there") is not None
    put(tasteful, "there", "jazz", available=False)
    assert "there" not in ids(tasteful.home("ann"))


def test_one_that_changed_stands_elsewhere(tasteful: Server) -> None:
    fan(tasteful, "ann", "jazz")
    fan(tasteful, "bob", "techno")
    put(tasteful, "new", "techno")
    assert found_within(tasteful, "bob", "new") is not None
    put(tasteful, "new", "jazz")
    answer = found_within(tasteful, "ann", "new")
    assert answer is not None
    assert all(other.startswith("jazz") for other in ids(answer)[: ids(answer).index("new")])
    assert "new" not in ids(tasteful.home("bob", limit=9))


def test_many_that_are_alike_leave_room_for_others(tasteful: Server) -> None:
    fan(tasteful, "ann", "jazz")
    body = [{"item_id": f"new-{n}", "title": "Another jazz record", "categories": ["jazz"]} for n in range(3 * NUM_NEW)]
    tasteful.http.post("/api/items", json={"items": body}).raise_for_status()
    assert found_within(tasteful, "ann", "new-0", limit=200) is not None
    row = ids(tasteful.home("ann", limit=200))
    assert sum(each.startswith("new-") for each in row) == NUM_NEW
    assert sum(each.startswith("jazz-") for each in row) == 9


def test_it_goes_through_a_ranker_as_what_it_is_like(server: Server) -> None:
    server.send("u1", "i9", "like")  # without a history the sample's users are nowhere
    best = server.home("u1")["items"][0]
    put(server, "new", "", title=best["metadata"]["title"], categories=best["metadata"]["categories"])
    answer = found_within(server, "u1", "new", limit=200)
    assert answer is not None
    assert (answer["fallback"], server.measures.stages.count(("rank", "failed"))) == (None, 0)
    assert len(set(ids(answer))) == len(ids(answer))


def test_a_ranked_list_is_brought_back_to_its_own_rows() -> None:
    # Rows 100 and 101 stand near row 7, which is in the list itself.
    whole = Candidates(np.asarray([3, 100, 7, 101]), np.asarray([4.0, 3.0, 2.0, 1.0], np.float32))
    stood_in = Candidates(np.asarray([3, 7, 7, 7]), whole.scores)
    ranked = stood_in.reordered(np.asarray([4.0, 13.0, 12.0, 11.0], np.float32))
    back = brought_back(whole, stood_in, ranked)
    assert back.item_rows.tolist() == [100, 7, 101, 3]
    assert back.scores.tolist() == [13.0, 12.0, 11.0, 4.0]


def test_newcomers_join_by_score() -> None:
    known = Candidates(np.asarray([1, 2]), np.asarray([3.0, 1.0], np.float32))
    new = Candidates(np.asarray([100]), np.asarray([2.0], np.float32))
    assert joined(known, new).item_rows.tolist() == [1, 100, 2]
    assert joined(known, Candidates.empty()) is known
