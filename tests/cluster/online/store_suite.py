"""What every online store does, written once. Each back end's test file names the back end."""

from __future__ import annotations

import multiprocessing
import pickle
import random
import threading
import time
from collections import Counter
from datetime import UTC, datetime, timedelta
from multiprocessing.connection import Connection
from typing import Any, ClassVar

import pytest

from cluster.online.event_log import Logged, Undecodable
from cluster.online.store import HISTORY_LIMIT, OnlineStore, OnlineUser
from models.events import EventType, Interaction
from models.exposures import Exposure
from models.user_state import HistoryEvent

START = datetime(2025, 1, 1, tzinfo=UTC)
spawn = multiprocessing.get_context("spawn")


def event(
    number: int | str,
    user: str = "ann",
    item: str | None = None,
    kind: EventType = EventType.CLICK,
    at_s: float = 0.0,
    **fields: Any,
) -> Interaction:
    return Interaction(
        interaction_id=f"event-{number}",
        user_id=user,
        item_id=item if item is not None else f"item-{number}",
        event_type=kind,
        timestamp=START + timedelta(seconds=at_s),
        **fields,
    )


def exposure(number: int) -> Exposure:
    return Exposure(
        recommendation_id=f"shown-{number}",
        user_id="ann",
        surface="home",
        variant="model",
        model_version=None,
        fallback="popular",
        item_ids=("item-1", "item-2"),
        propensity=0.5,
        timestamp=START,
        propensities=(1.0, 0.25),
        num_above=20,
    )


def items(store: OnlineStore, user: str = "ann") -> list[str]:
    return [e.item_id for e in store.users([user])[0].history]


def read_all(store: OnlineStore) -> list[Logged]:
    """The whole log, in the order of the appends as far as partitions have one in common."""
    log = store.log
    entries = [e for partition in range(log.num_partitions()) for e in log.read(partition, 0, 1_000_000)]
    return sorted(entries, key=lambda e: e.offset)


def logged(store: OnlineStore) -> list[Interaction | Exposure]:
    """What can be read of the log."""
    return [e.entry for e in read_all(store) if not isinstance(e.entry, Undecodable)]


def logged_ids(store: OnlineStore) -> list[str]:
    return [entry.interaction_id for entry in logged(store) if isinstance(entry, Interaction)]


def _append_all(store: OnlineStore, start: int, answers: Connection) -> None:
    """Runs in a process of its own: events start … start+199, each of them offered by two processes."""
    num_taken = 0
    for first in range(start, start + 200, 5):
        num_taken += sum(store.append([event(n, user=f"user-{n % 7}", at_s=n) for n in range(first, first + 5)]))
    answers.send(num_taken)


def _append_for_ever(store: OnlineStore, acknowledged: Connection) -> None:
    number = 0
    while True:
        store.append([event(number, at_s=number)])
        acknowledged.send(number)
        number += 1


class OnlineStoreSuite:
    store_type: ClassVar[type]

    @pytest.fixture
    def address(self) -> str:
        raise NotImplementedError

    @pytest.fixture
    def store(self, address: str) -> OnlineStore:
        made: OnlineStore = self.store_type(address)
        return made

    def test_a_store_keeps_the_name_it_was_given(self, address: str) -> None:
        stores = [self.store_type(address) for _ in range(2)]
        names = {store.identity() for store in stores for _ in range(2)}
        assert len(names) == 1
        assert len(names.pop()) == 16

    def test_an_unknown_user_is_empty_and_order_is_kept(self, store: OnlineStore) -> None:
        store.append([event(1, user="ann", country="NL"), event(2, user="bob")])
        ann = OnlineUser((HistoryEvent("item-1", EventType.CLICK, event(1).timestamp_us),), "NL")
        bob = OnlineUser((HistoryEvent("item-2", EventType.CLICK, event(2).timestamp_us),))
        assert store.users(["bob", "nobody", "ann", "bob"]) == [bob, OnlineUser(), ann, bob]
        assert store.users([]) == []

    def test_a_duplicate_id_is_refused_within_a_batch_and_across_batches(self, store: OnlineStore) -> None:
        assert store.append([event(1), event(1, item="other"), event(2)]) == [True, False, True]
        assert store.append([event(2), event(3)]) == [False, True]
        assert logged_ids(store) == ["event-1", "event-2", "event-3"]
        assert sorted(items(store)) == ["item-1", "item-2", "item-3"]
        assert store.append([]) == []

    def test_an_id_is_free_again_after_the_window(self, address: str) -> None:
        store: OnlineStore = self.store_type(address, seen_window_s=0.3)
        assert store.append([event(1), event(2)]) == [True, True]
        assert store.append([event(1)]) == [False]
        time.sleep(0.4)
        assert store.append([event(1), event(2), event(1)]) == [True, True, False]

    def test_late_events_are_placed_by_their_own_time(self, store: OnlineStore) -> None:
        times = [5, 1, 4, 4.5, 0, 9, 2]
        for number, at_s in enumerate(times):
            store.append([event(number, item=f"at-{at_s}", at_s=at_s)])
        assert items(store) == [f"at-{at_s}" for at_s in sorted(times)]

    def test_the_history_keeps_the_newest_by_event_time(self, store: OnlineStore) -> None:
        numbers = list(range(HISTORY_LIMIT + 60))
        random.Random(7).shuffle(numbers)
        for start in range(0, len(numbers), 40):
            store.append([event(n, at_s=n) for n in numbers[start : start + 40]])
        assert items(store) == [f"item-{n}" for n in range(60, HISTORY_LIMIT + 60)]

    def test_a_hidden_item_outlives_any_number_of_clicks(self, store: OnlineStore) -> None:
        store.append([event("hide", kind=EventType.HIDE)])
        store.append([event(n, at_s=1 + n) for n in range(HISTORY_LIMIT + 5)])
        history = store.users(["ann"])[0].history
        assert history[0].event_type is EventType.HIDE
        assert len(history) == HISTORY_LIMIT + 1
        store.append([event(f"hide-{n}", kind=EventType.HIDE, at_s=10 + n) for n in range(HISTORY_LIMIT)])
        assert len(store.users(["ann"])[0].history) == 2 * HISTORY_LIMIT

    def test_a_hide_is_in_the_very_next_read_of_another_client(self, store: OnlineStore, address: str) -> None:
        other: OnlineStore = self.store_type(address)
        other.users(["ann"])
        for number in range(20):
            store.append([event(number, kind=EventType.HIDE, at_s=number)])
            assert items(other)[-1] == f"item-{number}"
        other.close()

    def test_any_id_of_128_bytes_is_kept_whole(self, store: OnlineStore) -> None:
        ids = ["é" * 64, "🐟" * 32, "a\x00b", "שלום", "{0}", "x' OR 1=1 --", " ", "a,b:c|d"]
        store.append([event(n, user=text, item=text, country="ÅX") for n, text in enumerate(ids)])
        for text, user in zip(ids, store.users(ids), strict=True):
            assert [e.item_id for e in user.history] == [text]
            assert user.country == "ÅX"
        assert {e.user_id for e in logged(store)} == set(ids)

    def test_every_event_type_and_field_comes_back_from_the_log(self, store: OnlineStore) -> None:
        full: dict[str, Any] = {
            "session_id": "s",
            "recommendation_id": "r",
            "position": 3,
            "country": "NL",
            "device": "tv",
        }
        sent: list[Interaction | Exposure] = [
            event(number, kind=kind, at_s=number + 1e-6) for number, kind in enumerate(EventType)
        ]
        sent.append(event("full", rating=4.5, **full))
        store.append([e for e in sent if isinstance(e, Interaction)])
        store.append_exposures([exposure(1), exposure(2)])
        store.append_exposures([])
        assert logged(store) == [*sent, exposure(1), exposure(2)]
        assert {e.event_type for e in store.users(["ann"])[0].history} == set(EventType)

    def test_an_event_country_fills_an_unknown_one_only(self, store: OnlineStore) -> None:
        store.append([event(1)])
        assert store.users(["ann"])[0].country is None
        store.append([event(2, country="NL")])
        store.append([event(3, country="BE")])
        assert store.users(["ann"])[0].country == "NL"

    def test_warming_merges_under_what_is_there_and_repeats_as_a_no_op(self, store: OnlineStore) -> None:
        live = event("live", at_s=50, country="NL")
        store.append([live])
        again = HistoryEvent(live.item_id, live.event_type, live.timestamp_us)
        old = [HistoryEvent(f"old-{n}", EventType.VIEW, live.timestamp_us - 1_000_000 * (9 - n)) for n in range(9)]
        newer = HistoryEvent("newer", EventType.LIKE, live.timestamp_us + 1)
        lake = {
            "ann": OnlineUser((*old, again, newer), "BE"),
            "bob": OnlineUser((), "DE"),
            "cyd": OnlineUser((old[0],)),
        }
        for _ in range(2):
            store.warm(lake)
            ann, bob, cyd = store.users(["ann", "bob", "cyd"])
            assert ann == OnlineUser((*old, again, newer), "NL")
            assert bob == OnlineUser((), "DE")
            assert cyd == OnlineUser((old[0],))
        assert len(logged(store)) == 1
        store.warm({})

    def test_attributes_are_merged_under_what_is_there_and_none_is_said_in_the_text(self, store: OnlineStore) -> None:
        store.append([event(1)])
        first = {"gender": "F", "prénom": "Zoé 🐟", "note": "a\x00b ' {0}"}
        for _ in range(2):
            store.warm({"ann": OnlineUser(attributes=first), "bob": OnlineUser(country="NO")})
            ann, bob, nobody = store.users(["ann", "bob", "nobody"])
            assert list(ann.attributes.items()) == sorted(first.items())
            assert [e.item_id for e in ann.history] == ["item-1"]
            assert (bob.attributes, nobody.attributes) == ({}, {})
        store.warm({"ann": OnlineUser((), "DE", {"age": "25", "gender": "M"})})
        store.append([event(2)])
        [ann] = store.users(["ann"])
        assert (ann.country, ann.attributes) == ("DE", {"age": "25", **first})
        assert "Zoé" not in repr(ann)

    def test_many_users_are_warmed_at_once(self, store: OnlineStore) -> None:
        past = tuple(HistoryEvent(f"item-{n}", EventType.VIEW, n) for n in range(HISTORY_LIMIT))
        lake = {f"user-{n}": OnlineUser(past, "NO", {"age": str(n), "zip": "48067"}) for n in range(60)}
        store.warm(lake)
        assert store.users(list(lake)) == list(lake.values())

    def test_warming_in_any_order_keeps_the_newest(self, store: OnlineStore) -> None:
        day = [HistoryEvent(f"item-{n}", EventType.VIEW, 1_000_000 + n) for n in range(3 * HISTORY_LIMIT)]
        for first in (2 * HISTORY_LIMIT, 0, HISTORY_LIMIT):
            store.warm({"ann": OnlineUser(tuple(day[first : first + HISTORY_LIMIT]))})
        assert store.users(["ann"])[0].history == tuple(day[2 * HISTORY_LIMIT :])

    def test_threads_share_a_store_and_every_event_is_taken_once(self, store: OnlineStore) -> None:
        taken: Counter[int] = Counter()
        lock = threading.Lock()

        def work(seed: int) -> None:
            numbers = list(range(100))
            random.Random(seed).shuffle(numbers)
            for number in numbers:
                (is_new,) = store.append([event(number, user=f"user-{seed}")])
                store.users([f"user-{seed}"])
                with lock:
                    taken[number] += is_new

        threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert taken == Counter(range(100))
        assert Counter(logged_ids(store)) == Counter(f"event-{n}" for n in range(100))

    def test_an_id_stays_taken_over_a_restart(self, address: str) -> None:
        for taken in (True, False):
            store: OnlineStore = self.store_type(address)
            assert store.append([event(1), event(2, user="bob")]) == [taken, taken]
            store.close()

    @pytest.mark.slow
    def test_processes_share_a_store_and_every_event_is_taken_once(self, store: OnlineStore) -> None:
        readers, workers = [], []
        for start in (0, 100, 200):  # each event but the outer hundreds is offered twice
            reader, writer = spawn.Pipe(duplex=False)
            workers.append(spawn.Process(target=_append_all, args=(store, start, writer)))
            readers.append(reader)
        for worker in workers:
            worker.start()
        num_taken = sum(reader.recv() for reader in readers)
        for worker in workers:
            worker.join(30)
        assert num_taken == 400
        assert Counter(logged_ids(store)) == Counter(f"event-{n}" for n in range(400))
        assert sum(len(user.history) for user in store.users([f"user-{n}" for n in range(7)])) == 400

    @pytest.mark.slow
    def test_a_killed_writer_loses_nothing_it_acknowledged(self, store: OnlineStore) -> None:
        for delay_s in (0.05, 0.21):
            reader, writer = spawn.Pipe(duplex=False)
            worker = spawn.Process(target=_append_for_ever, args=(store, writer))
            worker.start()
            writer.close()
            acknowledged = [reader.recv()]
            time.sleep(delay_s)
            worker.kill()
            worker.join(30)
            while reader.poll():
                try:
                    acknowledged.append(reader.recv())
                except EOFError:
                    break
            ids = Counter(logged_ids(store))
            assert ids >= Counter(f"event-{n}" for n in acknowledged)
            assert set(ids.values()) == {1}
            assert items(store)[-1] == f"item-{len(ids) - 1}"

    def test_a_store_travels_by_its_address(self, store: OnlineStore) -> None:
        store.append([event(1)])
        copy: OnlineStore = pickle.loads(pickle.dumps(store))
        assert items(copy) == ["item-1"]
        copy.close()

    def test_a_closed_store_opens_again(self, store: OnlineStore) -> None:
        store.append([event(1)])
        store.close()
        store.ping()
        assert items(store) == ["item-1"]
