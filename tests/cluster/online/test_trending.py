"""What is trending and the counters, against sums written out; the same on both back ends."""

from __future__ import annotations

import random
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest

from cluster.consuming.counting import Counting, count
from cluster.online.event_log import Job
from cluster.online.store import OnlineStore
from cluster.online.trending import LIST_LENGTH, Trend, add_moments, weigh
from cluster.redis.store import RedisStore
from cluster.sqlite.store import SqliteStore
from models.events import EventType, Interaction
from models.exposures import Exposure
from tests.cluster.online.stores import Open

HALF_LIFE_S = 3_600.0


def happened(number: int, item: str, age_s: float, user: str = "ann", **fields: object) -> Interaction:
    return Interaction(
        interaction_id=f"e{number}",
        user_id=user,
        item_id=item,
        event_type=fields.pop("kind", EventType.CLICK),  # type: ignore[arg-type]
        timestamp=datetime.now(UTC) - timedelta(seconds=age_s),
        **fields,  # type: ignore[arg-type]
    )


def shown(number: int, user: str, items: Sequence[str], surface: str = "home") -> Exposure:
    return Exposure(
        recommendation_id=f"r{number}",
        user_id=user,
        surface=surface,
        variant="model",
        model_version=None,
        fallback=None,
        item_ids=tuple(items),
        propensity=1.0,
        timestamp=datetime.now(UTC),
    )


def counted(store: OnlineStore) -> int:
    done: list[int] = []
    count(store, HALF_LIFE_S, 30, done.append)
    return sum(done)


def about(trends: list[Trend]) -> list[tuple[str, float]]:
    return [(trend.item_id, pytest.approx(trend.weight, rel=0.02)) for trend in trends]


def test_moments_add_up_as_their_weights_do() -> None:
    ages = [0.0, 10.0, 3_600.0, 7_200.0, 50.0]
    now, moment = 1.7e9, None
    for age in ages:
        moment = add_moments(moment, now - age, HALF_LIFE_S)
    assert moment is not None
    # 1 + 2^(-10/3600) + 2^-1 + 2^-2 + 2^(-50/3600)
    assert weigh(moment, now, HALF_LIFE_S) == pytest.approx(sum(2 ** (-age / HALF_LIFE_S) for age in ages))
    assert weigh(moment, now + HALF_LIFE_S, HALF_LIFE_S) == pytest.approx(weigh(moment, now, HALF_LIFE_S) / 2)


def test_weights_are_sums_of_decayed_events_whatever_their_order(store: OnlineStore) -> None:
    random.seed(5)
    ages = [(f"item-{n % 7}", random.uniform(0, 4) * HALF_LIFE_S) for n in range(300)]
    events = [happened(n, item, age, user=f"user-{n % 50}") for n, (item, age) in enumerate(ages)]
    for first in range(0, 300, 60):
        store.append(events[first : first + 60])
        assert counted(store) == 60
    weights = {item: sum(2 ** (-age / HALF_LIFE_S) for i, age in ages if i == item) for item, _ in ages}
    best = sorted(weights.items(), key=lambda pair: -pair[1])
    assert about(store.trending(None, None, 5)) == best[:5]
    assert len(store.trending(None, None, 100)) == 7


def test_lists_are_by_country_and_surface(store: OnlineStore) -> None:
    store.append_exposures([shown(1, "ann", ["a", "b"]), shown(2, "bob", ["a"], surface="similar")])
    assert counted(store) == 2
    store.append(
        [
            happened(1, "a", 0, country="NO", recommendation_id="r1"),
            happened(2, "a", 0, country="NO", user="bob", recommendation_id="r2"),
            happened(3, "b", 0, country="SE"),
            happened(4, "c", 0, kind=EventType.HIDE, country="NO"),
            happened(5, "b", 0, recommendation_id="never shown"),
        ]
    )
    counted(store)
    assert sorted(about(store.trending(None, None, 9))) == [("a", 2.0), ("b", 2.0)]
    assert about(store.trending("NO", None, 9)) == [("a", 2.0)]
    assert about(store.trending("SE", None, 9)) == [("b", 1.0)]
    assert about(store.trending("NO", "home", 9)) == [("a", 1.0)]
    assert about(store.trending(None, "similar", 9)) == [("a", 1.0)]
    assert store.trending("SE", "home", 9) == store.trending("DK", None, 9) == []


def test_counters_say_what_happened_to_items_and_by_users(store: OnlineStore) -> None:
    store.append_exposures([shown(1, "ann", ["a", "b"]), shown(2, "bob", ["a"]), shown(3, "", ["b"])])
    store.append([happened(n, "a", n, user=("ann", "bob")[n % 2]) for n in range(5)])
    store.append([happened(9, "b", 0, kind=EventType.HIDE)])
    counted(store)
    assert counted(store) == 0
    assert store.item_counts(["b", "nothing", "a"]) == [{"hide": 1, "shown": 2}, {}, {"click": 5, "shown": 2}]
    assert store.user_counts(["ann", "bob", "nobody"]) == [
        {"click": 3, "hide": 1, "shown": 1},
        {"click": 2, "shown": 1},
        {},
    ]
    assert store.item_counts([]) == store.user_counts([]) == []


def test_an_event_of_the_future_weighs_as_one_of_now(store: OnlineStore) -> None:
    store.append([happened(1, "soon", -20 * 3_600), happened(2, "now", 0), happened(3, "now", 0)])
    counted(store)
    assert about(store.trending(None, None, 2)) == [("now", 2.0), ("soon", 1.0)]


def test_a_list_is_bounded_in_length_and_life(open_fresh: Open) -> None:
    store = open_fresh()
    store.append([happened(n, f"item-{n}", n, user="ann") for n in range(LIST_LENGTH + 50)])
    store.append([happened(-1, "ancient", 40 * HALF_LIFE_S, country="NO")])
    counted(store)
    trends = store.trending(None, None, LIST_LENGTH + 50)
    assert [t.item_id for t in trends] == [f"item-{n}" for n in range(LIST_LENGTH)]
    assert store.trending("NO", None, 5) == []
    if isinstance(store, RedisStore):
        names = [n for n in store._redis.scan_iter() if b":trending:" in n or b":item:" in n or b":counted:" in n]
        assert names
        assert all(store._redis.ttl(name) > 0 for name in names)


def test_counters_that_nobody_moved_for_half_a_year_are_forgotten(open_fresh: Open) -> None:
    store = open_fresh()
    store.append([happened(1, "old", 0, user="ann"), happened(2, "new", 0, user="bob")])
    counted(store)
    if isinstance(store, SqliteStore):
        with store._file.write() as db:
            db.execute("UPDATE counts SET day = day - 181 WHERE id IN ('old', 'ann')")
    elif isinstance(store, RedisStore):  # Redis forgets by itself: how long it waits is what can be wrong
        for name in (n for n in store._redis.scan_iter() if n.endswith((b":item:old", b":counted:ann"))):
            assert 179 * 86_400 < store._redis.ttl(name) <= 180 * 86_400
            store._redis.expire(name, 0)
    store.append([happened(3, "new", 0, user="bob")])
    counted(store)
    assert store.item_counts(["old", "new"]) == [{}, {"click": 2}]
    assert store.user_counts(["ann", "bob"]) == [{}, {"click": 2}]


def test_a_crash_at_any_step_counts_each_entry_once(store: OnlineStore) -> None:
    store.append([happened(n, "a", 0) for n in range(10)])
    [partition] = {p for p in range(3) if store.log.read(p, 0, 1)}
    [lease] = store.leases.hold(Job.TRENDING, [partition], "me", 30)
    counting = Counting(store, HALF_LIFE_S, batch_size=4)
    assert [counting.step(partition, lambda: lease) for _ in range(2)] == [4, 4]
    again = Counting(store, HALF_LIFE_S, batch_size=4)
    assert [again.step(partition, lambda: lease) for _ in range(2)] == [2, None]
    assert store.item_counts(["a"]) == [{"click": 10}]


def test_the_weight_falls_with_time(store: OnlineStore) -> None:
    store.append([happened(1, "a", 0)])
    count(store, 0.5, 30, lambda _: None)
    weights = []
    for pause_s in (0, 0.5):
        time.sleep(pause_s)
        before = time.time()
        weights.append((before, store.trending(None, None, 1)[0].weight, time.time()))
    (before, first, after), (later, second, latest) = weights
    # Halved for each half second between the two, whose moments are known this well:
    assert 2 ** (-2 * (latest - before)) <= second / first <= 2 ** (-2 * (later - after))
