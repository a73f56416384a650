"""A newcomer stands near the items that say the same, once the catalogue has it and without anybody asking."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from cluster.online import catalogue
from cluster.online.store import OnlineStore, open_store
from cluster.registry import Registry
from models.catalogue_entries import Kind, parse_entry
from models.errors import StoreError
from models.item_state import ItemState
from models.recommender import Recommender
from models.text_index import TextIndex
from serve_apps.live import catalogue as live_catalogue
from serve_apps.live import placing
from serve_apps.live.catalogue import LiveCatalogue
from serve_apps.live.item_view import ItemView
from serve_apps.live.newcomers import Newcomers
from tests.serve_apps.tasteful_bundle import NUM_EACH, TASTES, publish_tasteful

pytestmark = pytest.mark.slow

PATIENCE_S = 60.0
_FIRST = len(TASTES) * NUM_EACH


@pytest.fixture
def store(tmp_path: Path) -> Iterator[OnlineStore]:
    store = open_store(f"sqlite:///{tmp_path / 'online.db'}")
    yield store
    store.close()


@pytest.fixture
def recommender(tmp_path: Path) -> Recommender:
    return Recommender.load(Registry(publish_tasteful(tmp_path, "als")).fetch("v1"), "v1")


@pytest.fixture
def view(store: OnlineStore, recommender: Recommender) -> Iterator[ItemView]:
    live = LiveCatalogue(store.catalogue)
    live.prepare(recommender)
    yield live.view(recommender)
    live.close()


def put(store: OnlineStore, *named: tuple[str, str]) -> None:
    entries = [(item_id, parse_entry(Kind.ITEM, {"title": title})) for item_id, title in named]
    catalogue.put(store.catalogue, Kind.ITEM, entries)


def wait_for(view: ItemView, num: int) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while len(view.newcomers.placed) != num and time.monotonic() < deadline:
        time.sleep(0.01)
    assert len(view.newcomers.placed) == num


def become(view: ItemView, *item_ids: str) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while (held := [name for name, _ in view.newcomers.placed.documents]) != [*item_ids]:
        assert time.monotonic() < deadline, held
        time.sleep(0.01)


def test_it_stands_at_the_mean_of_what_says_the_same(
    store: OnlineStore, view: ItemView, recommender: Recommender
) -> None:
    put(store, ("new", "A jazz record"), ("strange", "Zymurgy"), ("other", "An opera"))
    wait_for(view, 2)  # of what is like nothing there is no place
    placed = view.newcomers.placed
    assert placed.rows.tolist() == [_FIRST, _FIRST + 2]
    place = placed.places[0]
    assert (len(place.near), float(place.weights.sum())) == (placing.NUM_NEAR, pytest.approx(1.0))
    assert set(place.near.tolist()) <= set(range(NUM_EACH))
    assert all(np.diff(place.weights) <= 0)
    vectors = recommender.item_vectors(place.near)
    assert vectors is not None
    assert placed.vectors is not None
    np.testing.assert_allclose(placed.vectors[0], place.weights @ vectors, rtol=1e-5)
    assert view.stand_ins(np.asarray([3, _FIRST, _FIRST + 1])).tolist() == [3, place.near[0], 0]


def test_no_answer_waits_for_what_is_read_of_all(store: OnlineStore, view: ItemView) -> None:
    put(store, ("new", "A jazz record"))
    wait_for(view, 1)
    placed = view.newcomers.placed
    assert {"vectors", "near", "_expires_us", "_countries"} <= vars(placed).keys()
    assert placed.newest is placed.newest


def test_the_mean_of_scores_is_the_score_of_the_mean(store: OnlineStore, view: ItemView) -> None:
    put(store, ("new", "A jazz record"), ("other", "An opera"), ("third", "Blues and folk"))
    wait_for(view, 3)
    placed, rng = view.newcomers.placed, np.random.default_rng(1)
    by_row = rng.normal(size=(4, _FIRST)).astype(np.float32)
    expected = [[by_row[user, place.near] @ place.weights for place in placed.places] for user in range(4)]
    np.testing.assert_allclose(placed.means(by_row[:, placed.near]), expected, rtol=1e-4, atol=1e-6)


def test_who_leaves_or_changes_is_placed_anew(store: OnlineStore, view: ItemView) -> None:
    put(store, ("new", "A jazz record"), ("other", "An opera"))
    wait_for(view, 2)
    catalogue.delete(store.catalogue, Kind.ITEM, ["new"])
    wait_for(view, 1)
    put(store, ("other", "Pure techno"))
    deadline = time.monotonic() + PATIENCE_S
    techno = TASTES.index("techno") * NUM_EACH
    while view.newcomers.placed.places[0].near[0] < techno and time.monotonic() < deadline:
        time.sleep(0.01)
    near = view.newcomers.placed.places[0].near
    assert ((near >= techno) & (near < techno + NUM_EACH)).all()


def test_the_newest_are_placed_when_they_are_too_many(
    store: OnlineStore, view: ItemView, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(placing, "MAX_PLACED", 3)
    monkeypatch.setattr(live_catalogue, "_PLACES_AT_ONCE", 2)
    put(store, *[(f"new{n}", "A jazz record") for n in range(8)])
    become(view, "new5", "new6", "new7")
    put(store, ("new8", "A jazz record"))
    become(view, "new6", "new7", "new8")


def test_those_of_a_round_that_failed_wait_for_the_next(view: ItemView, recommender: Recommender) -> None:
    newcomers = Newcomers(_FIRST)
    for n in range(4):
        newcomers.put(f"new{n}", ItemState(title="A jazz record"))
    own = placing.Placing(newcomers)

    def broken() -> TextIndex:
        newcomers.put("new1", ItemState(title="An opera"))
        newcomers.put("new2", ItemState(blocked=True))
        raise StoreError("gone")

    with pytest.raises(StoreError):
        own.go_on(recommender, broken, 3)
    texts = TextIndex(view.texts())
    own.go_on(recommender, lambda: texts, 10)
    assert [item_id for item_id, _ in newcomers.placed.documents] == ["new0", "new1", "new3"]
    assert newcomers.placed.documents[1][1].title == "An opera"
