"""Every entry of the log is in the lake exactly once, whatever happens on the way."""

from __future__ import annotations

import threading
from collections import Counter
from pathlib import Path

import pytest

from cluster.consuming.drain import drain
from cluster.consuming.sink import LakeSink, Moved, sink
from cluster.delta.lake import AppTransaction, Lake
from cluster.online.event_log import Logged
from cluster.online.store import OnlineStore
from cluster.sqlite.file import SqliteFile
from cluster.sqlite.log import SqliteLog
from cluster.sqlite.schema import MIGRATIONS, SCHEMA
from cluster.sqlite.store import SqliteStore
from models.tables import Table
from pipelines.event_sink import main
from tests.cluster.online.store_suite import event, exposure, read_all

HALF_LIFE_S = 3_600.0


class Crash(Exception):
    """The process ends here."""


class CrashingLog(SqliteLog):
    """The real log, in a process that dies before it can say how far it came."""

    def __init__(self, path: str) -> None:
        super().__init__(SqliteFile(path, SCHEMA, MIGRATIONS), 1)

    def advance(self, partition: int, through: int) -> None:
        raise Crash(through)


def crashing(path: str) -> SqliteStore:
    store = SqliteStore(path)
    store.log = CrashingLog(path)
    return store


class CrashingLake(Lake):
    """The real lake, in a process that dies before it commits to one table."""

    def append(self, table: Table, *args: object, **options: object) -> bool:
        if table is Table.EXPOSURES:
            raise Crash(table)
        return super().append(table, *args, **options)  # type: ignore[arg-type]


@pytest.fixture
def path(tmp_path: Path) -> str:
    return str(tmp_path / "online.db")


@pytest.fixture
def store(path: str) -> SqliteStore:
    return SqliteStore(path, num_partitions=1)


def fill(store: OnlineStore, numbers: range) -> None:
    store.append([event(n, at_s=n * 40_000, country="NL", position=n) for n in numbers])
    store.append_exposures([exposure(n) for n in numbers])


def check(lake: Lake, num: int) -> None:
    """Both tables hold entries 0 … num−1 once each."""
    interactions = lake.read(Table.INTERACTIONS)["interaction_id"].to_pylist()
    assert Counter(interactions) == Counter(f"event-{n}" for n in range(num))
    exposures = lake.read(Table.EXPOSURES)["recommendation_id"].to_pylist()
    assert Counter(exposures) == Counter(f"shown-{n}" for n in range(num))


def test_the_log_moves_whole_and_is_trimmed(store: SqliteStore, lake: Lake) -> None:
    fill(store, range(7))
    seen: list[Moved] = []
    assert sink(store, lake, batch_size=4, on_batch=seen.append) == Moved(7, 7, 0, 14)
    assert [s.num_interactions for s in seen] == [4, 7, 7, 7]
    check(lake, 7)
    assert len(read_all(store)) == 14  # what is trending is not counted yet
    assert drain(store, lake, HALF_LIFE_S) == Moved()
    assert read_all(store) == []
    rows = lake.read(Table.INTERACTIONS).sort_by("timestamp").to_pylist()
    assert rows[3]["timestamp"] == event(3, at_s=120_000).timestamp
    assert rows[3]["date"] == event(3, at_s=120_000).timestamp.date()
    assert (rows[3]["event_type"], rows[3]["position"], rows[3]["country"]) == ("click", 3, "NL")
    assert lake.read(Table.EXPOSURES)["item_ids"][0].as_py() == ["item-1", "item-2"]


def test_a_crash_before_the_trim_replays_as_a_no_op(store: SqliteStore, path: str, lake: Lake) -> None:
    fill(store, range(5))
    with pytest.raises(Crash):
        sink(crashing(path), lake)
    version = lake.version(Table.INTERACTIONS)
    assert sink(store, lake).num_interactions == 0
    assert lake.version(Table.INTERACTIONS) == version
    check(lake, 5)


def test_a_crash_between_the_tables_and_a_longer_log_move_nothing_twice(store: SqliteStore, lake: Lake) -> None:
    fill(store, range(5))
    with pytest.raises(Crash):
        sink(store, CrashingLake(lake.uri))
    fill(store, range(5, 9))
    summary = sink(store, lake, batch_size=12)
    assert (summary.num_interactions, summary.num_exposures) == (4, 9)
    check(lake, 9)


def test_a_store_that_was_replaced_is_not_taken_for_a_replay(lake: Lake, tmp_path: Path) -> None:
    first, second = SqliteStore(str(tmp_path / "first.db")), SqliteStore(str(tmp_path / "second.db"))
    fill(first, range(5))
    sink(first, lake)
    fill(second, range(5, 8))
    sink(second, lake)
    check(lake, 8)


def test_two_stores_sink_into_one_lake(lake: Lake, tmp_path: Path) -> None:
    first, second = SqliteStore(str(tmp_path / "first.db")), SqliteStore(str(tmp_path / "second.db"))
    fill(second, range(3))  # older offsets than those of the first, which is moved before
    fill(first, range(3, 6))
    sink(first, lake)
    assert sink(second, lake).num_interactions == 3
    check(lake, 6)


def test_sinks_at_once_move_each_entry_once(store: SqliteStore, lake: Lake) -> None:
    fill(store, range(40))
    errors: list[BaseException] = []
    barrier = threading.Barrier(3)

    def work(batch_size: int) -> None:
        barrier.wait()
        try:
            sink(store, Lake(lake.uri), batch_size=batch_size)
        except BaseException as error:
            errors.append(error)
            raise

    threads = [threading.Thread(target=work, args=(size,)) for size in (7, 19, 80)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    check(lake, 40)


def test_a_batch_cut_before_another_sink_committed_is_cut_again(store: SqliteStore, path: str, lake: Lake) -> None:
    class Late(SqliteLog):
        """Between its read of the log and its commit another sink moves a part of the same entries."""

        def read(self, partition: int, after: int, limit: int) -> list[Logged]:
            entries = super().read(partition, after, limit)
            if entries and after == 0:
                with pytest.raises(Crash):
                    sink(crashing(path), lake, batch_size=3)
            return entries

    fill(store, range(6))
    store.log = Late(SqliteFile(path, SCHEMA, MIGRATIONS), 1)
    sink(store, lake)
    check(lake, 6)


def test_partitions_move_apart_and_a_lost_one_stops_before_it_commits(lake: Lake, tmp_path: Path) -> None:
    store = SqliteStore(str(tmp_path / "online.db"), num_partitions=3)
    store.append([event(n, user=f"user-{n}") for n in range(30)])
    mover = LakeSink(store, lake)
    assert mover.step(0, still=lambda: False) is None
    assert not lake.exists(Table.INTERACTIONS)
    assert [mover.step(partition) is not None for partition in (2, 0, 1)] == [True] * 3
    interactions = lake.read(Table.INTERACTIONS)["interaction_id"].to_pylist()
    assert sorted(interactions) == sorted(f"event-{n}" for n in range(30))


def test_what_an_earlier_version_moved_is_not_moved_again(store: SqliteStore, lake: Lake) -> None:
    fill(store, range(3))
    last = store.log.read(0, 0, 100)[1].offset
    rows = lake.read(Table.INTERACTIONS)
    lake.append(Table.INTERACTIONS, rows, AppTransaction(f"event-sink-{store.identity()}", last))
    assert sink(store, lake).num_interactions == 1


def test_the_command_says_what_it_moved(
    store: SqliteStore,
    path: str,
    lake: Lake,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    fill(store, range(3))
    monkeypatch.setenv("SHOAL_STORE", f"sqlite:///{path}")
    assert main(["--lake", lake.uri]) == 0
    assert capsys.readouterr().out == "moved 3 interactions and 3 exposures\n"
    check(lake, 3)
