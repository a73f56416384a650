"""Whatever anybody has done: what a source offers may be shown to them, and its reasons are true."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.events import NEGATIVE_TYPES, EventType
from models.experiments import SourceName
from models.text_index import Text
from models.user_state import UserState
from serve_apps.chain.answers import DONE
from serve_apps.chain.sources.offer import Offer
from serve_apps.chain.sources.source import HomeTask
from tests.serve_apps.chain.sources.worlds import NEW, World, open_world, somebody
from tests.serve_apps.trends import count_events

pytestmark = pytest.mark.slow

ALL = list(SourceName.__args__)  # type: ignore[attr-defined]
TRENDS = {"NO": ["i50", "i50", "i51"], "SE": ["i52", "i52", "i3"]}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Some items are gone, some are for one country, one has changed its category, one is new to the bundle."""
    with open_world(tmp_path_factory.mktemp("world")) as made:
        made.put("i2", title="Title 2", available=False)
        made.put("i6", title="Title 6", countries=["NO"], categories=["c6"])
        made.put("i8", title="Title 8", expires_at="2026-02-01T00:00:00Z")
        made.put("i10", title="Another title", categories=["sea"])
        made.put("newcomer", title="The Lighthouse", categories=["c3"])
        until(lambda: len(made.view.newcomers.placed))
        count_events(made.store, TRENDS)
        for country in TRENDS:
            until(lambda country=country: made.tools.trending.in_country(country))  # type: ignore[misc]
        yield made


def until(holds: Callable[[], object]) -> None:
    deadline = time.monotonic() + 10
    while not holds() and time.monotonic() < deadline:
        time.sleep(0.02)
    assert holds()


items = st.sampled_from([*(f"i{n}" for n in range(60)), "newcomer", "nobody-knows-it"])
events = st.lists(st.tuples(items, st.sampled_from([str(kind) for kind in EventType])), max_size=12)
users = st.builds(
    somebody,
    events,
    st.sampled_from([None, "NO", "SE", "DK"]),
    st.sampled_from([{}, {}, {"followed_categories": "c3, sea,c0"}, {"age": "25"}]),
)


@settings(max_examples=60)
@given(users, st.sampled_from([None, "year < 2000"]))
def test_what_is_offered_may_be_shown_and_says_why(world: World, user: UserState, text: str | None) -> None:
    task = world.task(user, text)
    wanted = ALL if world.recommender.has_signal(user) else [name for name in ALL if name != "model"]
    [offers] = world.gather(world.batch(task), [wanted]).offers
    for name, offer in offers.items():
        for shelf in offer.shelves:
            assert_may_be_shown(world, task, name, shelf.candidates.item_rows.tolist())
            assert (np.diff(shelf.candidates.scores) <= 0).all()
            for row, reason in zip(
                shelf.candidates.item_rows.tolist(), shelf.reasons(shelf.candidates.item_rows), strict=True
            ):
                TRUE[name](world, user, world.view.id_of(row), reason)
        assert_one_list(offer)


def assert_may_be_shown(world: World, task: HomeTask, name: str, rows: list[int]) -> None:
    user = task.user
    assert len(set(rows)) == len(rows) > 0
    shown = {world.view.id_of(row) for row in rows}
    assert not shown & user.hidden
    assert not shown & {"i2", "i8"}
    assert user.country == "NO" or "i6" not in shown
    assert task.query.filter is None or all(row < 60 and 1990 + row % 30 < 2000 for row in rows)
    assert name == "continue" or not shown & user.seen


def assert_one_list(offer: Offer) -> None:
    """The one list holds each item of the shelves once, where it scores best, under a reason that it has there."""
    rows = offer.candidates.item_rows
    best: dict[int, float] = {}
    why: dict[int, set[str]] = {}
    for shelf in offer.shelves:
        reasons = shelf.reasons(shelf.candidates.item_rows)
        for row, score, reason in zip(
            shelf.candidates.item_rows.tolist(), shelf.candidates.scores.tolist(), reasons, strict=True
        ):
            best[row] = max(score, best.get(row, score))
            why.setdefault(row, set()).add(reason)
    assert sorted(rows.tolist()) == sorted(best)
    assert offer.candidates.scores.tolist() == [best[row] for row in rows.tolist()]
    assert (np.diff(offer.candidates.scores) <= 0).all()
    assert all(reason in why[row] for row, reason in zip(rows.tolist(), offer.reasons(rows), strict=True))


def title(world: World, item_id: str) -> str:
    return world.view.title_of(item_id) or item_id


def newest(user: UserState) -> dict[str, str]:
    """The last three items that were taken well and not hidden, with what was done last."""
    good = [event for event in reversed(user.history) if event.event_type not in NEGATIVE_TYPES]
    kept = list(dict.fromkeys(event.item_id for event in good if event.item_id not in user.hidden))[:3]
    return {one: next(DONE[event.event_type] for event in good if event.item_id == one) for one in kept}


def of_model(world: World, user: UserState, item_id: str, reason: str) -> None:
    done = {event.item_id: DONE[event.event_type] for event in user.history if event.event_type in DONE}
    row = world.view.row_of(item_id)
    [cause] = world.recommender.causes(user, world.view.stand_ins(np.asarray([row])))
    assert cause is not None
    assert reason == f"Because you {done[cause]} {title(world, cause)}"


def of_co_visited(world: World, user: UserState, item_id: str, reason: str) -> None:
    causes = [one for one, did in newest(user).items() if reason == f"Because you {did} {title(world, one)}"]
    assert causes
    near = world.recommender.similar(causes, 60)
    assert any(int(item_id[1:]) in found.item_rows for found in near)


def of_content(world: World, user: UserState, item_id: str, reason: str) -> None:
    causes = [one for one, did in newest(user).items() if reason == f"Like {title(world, one)}, which you {did}"]
    assert causes
    words = [set(world.view.words(one).lower().split()) for one in causes]
    theirs = set(Text(item_id, title(world, item_id), world.view.categories_of(item_id)).words.lower().split())
    assert any(theirs & some for some in words)


def of_trending(world: World, user: UserState, item_id: str, reason: str) -> None:
    if reason == "Trending":
        assert any(item_id in trends for trends in TRENDS.values())
        assert item_id not in TRENDS.get(user.country or "", [])
    else:
        assert reason == f"Trending in {user.country}"
        assert item_id in TRENDS[user.country or ""]


def of_new(world: World, user: UserState, item_id: str, reason: str) -> None:
    assert reason == "New"
    assert item_id == "newcomer" or NEW[int(item_id[1:])] <= 90


def of_continue(world: World, user: UserState, item_id: str, reason: str) -> None:
    assert reason == f"Continue: you viewed {title(world, item_id)}"
    done = {event.event_type for event in user.history if event.item_id == item_id}
    assert EventType.VIEW in done
    assert not done & {EventType.PURCHASE, EventType.RATING, EventType.DISLIKE, EventType.HIDE}


def of_followed(world: World, user: UserState, item_id: str, reason: str) -> None:
    said, _, how = reason.removeprefix("Popular in ").partition(", which you ")
    assert said in world.view.categories_of(item_id)
    listed = user.attributes.get("followed_categories")
    if listed:
        assert how == "follow"
        assert said in [name.strip() for name in listed.split(",")]
        return
    assert how == "often choose"
    liked = {e.item_id for e in user.history if e.event_type not in NEGATIVE_TYPES} - user.hidden
    counted = Counter(name for one in liked for name in set(world.view.categories_of(one)))
    assert counted[said] >= 2
    assert sum(num > counted[said] for num in counted.values()) < 3


def of_popularity(world: World, user: UserState, item_id: str, reason: str) -> None:
    own = world.recommender.popularity.in_country(user.country, np.asarray([int(item_id[1:])]))[0]
    assert reason == (f"Popular in {user.country}" if own else "Popular")


TRUE: dict[str, Callable[[World, UserState, str, str], None]] = {
    "model": of_model,
    "co_visited": of_co_visited,
    "content": of_content,
    "trending": of_trending,
    "new": of_new,
    "continue": of_continue,
    "followed": of_followed,
    "popularity": of_popularity,
}


def test_every_source_offers_something_to_somebody(world: World) -> None:
    assert set(world.sources.by_name) == set(ALL) == set(TRUE)
    history = [("i11", "view"), ("i18", "purchase"), ("i25", "click"), ("i3", "rating")]
    [offers] = world.gather(world.batch(world.task(somebody(history, "NO"))), [ALL]).offers
    assert list(offers) == ALL
    titles = {name: [shelf.title for shelf in offer.shelves] for name, offer in offers.items()}
    assert titles == {
        "model": ["Top picks for you"],
        "co_visited": ["Because you rated Title 3", "Because you clicked Title 25", "Because you bought Title 18"],
        "content": ["More like Title 3", "More like Title 25", "More like Title 18"],
        "trending": ["Trending in Norway", "Trending"],
        "new": ["New for you"],
        "continue": ["Continue watching"],
        "followed": ["Popular in c4", "Popular in c3"],
        "popularity": ["Popular in Norway", "Popular"],
    }


def test_the_newest_comes_first(world: World) -> None:
    [offers] = world.gather(world.batch(world.task(somebody([]))), [["new"]]).offers
    assert offers["new"].candidates.item_rows.tolist() == [60, 9, 4, 33]
    history = [("i11", "view"), ("i20", "view"), ("i11", "view"), ("i30", "view"), ("i30", "purchase")]
    [offers] = world.gather(world.batch(world.task(somebody(history))), [["continue"]]).offers
    assert offers["continue"].candidates.item_rows.tolist() == [11, 20]


def test_a_stranger_is_offered_what_needs_no_history(world: World) -> None:
    [offers] = world.gather(world.batch(world.task(somebody([]))), [ALL[1:]]).offers
    assert list(offers) == ["trending", "new", "popularity"]
    assert offers["new"].shelves[0].title == "New"
