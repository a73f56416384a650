"""Erasure beside what is alive: consumers, the catalogue and its sink, dead letters. On both back ends."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path

import pytest

from cluster.consuming.counting import count
from cluster.consuming.sink import LakeSink
from cluster.delta.lake import Lake
from cluster.online import catalogue
from cluster.online.catalogue_store import Document
from cluster.online.event_log import DeadLetter
from cluster.online.store import OnlineStore
from cluster.privacy.keys import load_keys
from cluster.registry import Registry
from cluster.storage import Folder
from models.catalogue_entries import Kind, UserEntry
from models.tables import Table
from pipelines.online.catalogue_sink import catalogue_sink
from pipelines.privacy.forgetting import Places, forget
from tests.cluster.online.privacy_suite import bad_record
from tests.cluster.online.store_suite import event, read_all
from tests.cluster.online.stores import open_fresh, store  # noqa: F401  (fixtures)
from tests.cluster.redis.redis_server import redis_url  # noqa: F401  (a fixture)

pytestmark = pytest.mark.slow

GONE = "gone-user-7f3a"


@pytest.fixture
def places(store: OnlineStore, tmp_path: Path) -> Places:  # noqa: F811
    registry = Registry(f"{tmp_path}/registry")
    return Places(
        store, Lake(f"{tmp_path}/lake"), registry, f"{tmp_path}/runs", Folder(f"{tmp_path}/receipts"), load_keys()
    )


def ids(lake: Lake, table: Table) -> set[str]:
    return set(lake.read(table, ["user_id"])["user_id"].to_pylist())


def test_a_profile_goes_from_the_store_and_the_lake(places: Places) -> None:
    for user in (GONE, "ann"):
        catalogue.put(places.store.catalogue, Kind.USER, [(user, UserEntry(country="NO", personalization=False))])
    catalogue_sink(places.store, places.lake)
    assert ids(places.lake, Table.USERS) == {GONE, "ann"}
    done = forget([GONE], places)
    assert {name: done.receipt.places[name].rows for name in ("store/profile", "store/consent", "lake/users")} == {
        "store/profile": 1, "store/consent": 1, "lake/users": 1,
    }  # fmt: skip
    catalogue_sink(places.store, places.lake)
    assert ids(places.lake, Table.USERS) == {"ann"}


def test_a_catalogue_sink_that_had_read_the_profile_brings_nobody_back(
    places: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    catalogue.put(places.store.catalogue, Kind.USER, [(GONE, UserEntry()), ("ann", UserEntry())])
    real = places.store.catalogue.get
    asked: list[int] = []

    def slow(kind: Kind, wanted: Sequence[str]) -> list[Document | None]:
        found = real(kind, wanted)
        if not asked:
            asked.append(1)
            forget([GONE], places)
        return found

    monkeypatch.setattr(places.store.catalogue, "get", slow)
    catalogue_sink(places.store, places.lake)
    assert ids(places.lake, Table.USERS) == {"ann"}


def test_dead_letters_and_refused_records_that_name_a_user_go(places: Places) -> None:
    log = places.store.log
    bodies = [b'{"user_id": "%s", "new": 1}' % user.encode() for user in (GONE, f"{GONE}x")]
    log.bury([DeadLetter(0, n, 9, body, "unknown", False) for n, body in enumerate(bodies, start=1)])
    places.store.append_rejected([bad_record(user) for user in (GONE, f"{GONE}x")])
    places.store.append([event(n, user=user) for n, user in enumerate((GONE, "ann"))])
    done = forget([GONE], places)
    assert done.receipt.places["store/dead letters"].rows == 1
    assert [letter.offset for letter in log.dead_letters(10)] == [2]
    records = places.lake.read(Table.QUARANTINE)["record"].to_pylist()
    assert records == [bad_record(f"{GONE}x").record]
    assert GONE not in {e.entry.user_id for e in read_all(places.store)}


def test_consumers_work_on_while_users_are_erased(places: Places) -> None:
    """They move and count without a pause; nothing of the erased is left, and nothing of others is lost or twice."""
    stop, errors = threading.Event(), []

    def consume() -> None:
        mover = LakeSink(places.store, places.lake, batch_size=7)
        try:
            while not stop.is_set():
                for partition in range(places.store.log.num_partitions()):
                    mover.step(partition)
                count(places.store, 3_600, 5, lambda _: None)
        except Exception as error:
            errors.append(error)

    consumers = [threading.Thread(target=consume) for _ in range(2)]
    for thread in consumers:
        thread.start()
    for part in range(3):
        users = [f"{GONE}-{part}" if n % 2 else f"user-{n}" for n in range(20)]
        places.store.append([event(f"{part}-{n}", user=user) for n, user in enumerate(users)])
        forget([f"{GONE}-{part}"], places)
    stop.set()
    for thread in consumers:
        thread.join()
    assert errors == []
    count(places.store, 3_600, 5, lambda _: None)
    forget(["nobody"], places)
    rows = places.lake.read(Table.INTERACTIONS, ["user_id"])["user_id"].to_pylist()
    assert sorted(rows) == sorted(f"user-{n}" for n in range(0, 20, 2) for _ in range(3))
    assert places.store.user_counts([f"{GONE}-{part}" for part in range(3)]) == [{}, {}, {}]
