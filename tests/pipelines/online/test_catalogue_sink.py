"""Whatever was put, patched or deleted is in the lake as it is now, whatever happens on the way."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from deltalake import write_deltalake

from cluster.delta.lake import Lake
from cluster.online import catalogue
from cluster.online.store import OnlineStore
from cluster.sqlite.store import SqliteStore
from models.catalogue import ITEMS
from models.catalogue_entries import Kind, parse_entry
from models.tables import Table
from pipelines.catalogue_sink import main
from pipelines.online.catalogue_sink import CatalogueSummary, catalogue_sink


class Crash(Exception):
    """The process ends here."""


class CrashingLake(Lake):
    """The real lake, in a process that dies behind an upsert, before it says how far it came."""

    def append(self, table: Table, rows: Any, *args: Any, **options: Any) -> bool:
        if not rows.num_rows:
            raise Crash(table)
        return super().append(table, rows, *args, **options)


@pytest.fixture
def store(tmp_path: Path) -> SqliteStore:
    return SqliteStore(str(tmp_path / "online.db"))


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(str(tmp_path / "lake"))


def put(store: OnlineStore, item_id: str, **fields: Any) -> None:
    catalogue.put(store.catalogue, Kind.ITEM, [(item_id, parse_entry(Kind.ITEM, fields))])


def put_user(store: OnlineStore, user_id: str, **fields: Any) -> None:
    catalogue.put(store.catalogue, Kind.USER, [(user_id, parse_entry(Kind.USER, fields))])


def titles(lake: Lake) -> dict[str, str | None]:
    return dict(zip(*lake.read(Table.ITEMS, ["item_id", "title"]).to_pydict().values(), strict=True))


@pytest.mark.parametrize(
    ("released_at", "day"),
    [
        ("0001-01-01T00:00:00+14:00", date(1, 1, 1)),
        ("9999-12-31T23:59:59-01:00", date(9999, 12, 31)),
        ("0001-01-02T00:00:00+14:00", date(1, 1, 1)),
    ],
)
def test_a_moment_that_has_no_day_in_utc_stops_nothing(
    store: SqliteStore, lake: Lake, released_at: str, day: date
) -> None:
    put(store, "a", released_at=released_at)
    assert catalogue_sink(store, lake) == CatalogueSummary(1, 0)
    assert lake.read(Table.ITEMS, ["released"])["released"].to_pylist() == [day]


def test_an_entry_is_a_row_of_its_table(store: SqliteStore, lake: Lake) -> None:
    put(
        store,
        "a",
        title="A",
        categories=["x"],
        tags=["t"],
        description="…",
        metadata={"b": [None, 1]},
        released_at="2024-05-01T23:30:00-01:00",
        available=False,
        expires_at="2030-01-01T00:00:00Z",
        countries=["NO"],
    )
    put_user(store, "ann", country="NO", attributes={"age": 25}, personalization=True)
    assert catalogue_sink(store, lake) == CatalogueSummary(1, 1)
    [item] = lake.read(Table.ITEMS).to_pylist()
    version = catalogue.get(store.catalogue, Kind.ITEM, "a").version
    assert item.pop("updated_at") == datetime.fromtimestamp(version // 1_000_000, UTC).replace(
        microsecond=version % 1_000_000
    )
    assert item == {
        "item_id": "a",
        "title": "A",
        "categories": ["x"],
        "tags": ["t"],
        "released": date(2024, 5, 2),
        "description": "…",
        "attributes": '{"b":[null,1]}',
        "available": False,
        "expires_at": datetime(2030, 1, 1, tzinfo=UTC),
        "countries": ["NO"],
        "deleted_at": None,
    }
    [user] = lake.read(Table.USERS, ["user_id", "country", "attributes", "personalization", "deleted_at"]).to_pylist()
    assert user == {
        "user_id": "ann",
        "country": "NO",
        "attributes": '{"age":25}',
        "personalization": True,
        "deleted_at": None,
    }


def test_only_what_changed_moves_and_what_is_deleted_says_so(store: SqliteStore, lake: Lake) -> None:
    for n in range(7):
        put(store, f"i{n}", title=f"T{n}")
    seen: list[CatalogueSummary] = []
    assert catalogue_sink(store, lake, batch_size=3, on_batch=seen.append) == CatalogueSummary(7, 0)
    assert [summary.num_items for summary in seen] == [3, 6, 7]
    version = lake.version(Table.ITEMS)
    assert catalogue_sink(store, lake) == CatalogueSummary()
    assert lake.version(Table.ITEMS) == version
    put(store, "i3", title="new")
    catalogue.delete(store.catalogue, Kind.ITEM, ["i5"])
    assert catalogue_sink(store, lake) == CatalogueSummary(2, 0)
    assert titles(lake) == {f"i{n}": f"T{n}" for n in range(7)} | {"i3": "new", "i5": None}
    rows = lake.read(Table.ITEMS, ["item_id", "deleted_at"]).to_pylist()
    assert [row["item_id"] for row in rows if row["deleted_at"]] == ["i5"]
    put(store, "i5", title="back")
    catalogue_sink(store, lake)
    assert titles(lake)["i5"] == "back"
    assert set(lake.read(Table.ITEMS, ["deleted_at"])["deleted_at"].to_pylist()) == {None}


def test_a_crash_behind_the_upsert_replays_without_a_change(store: SqliteStore, lake: Lake) -> None:
    put(store, "a", title="A")
    put_user(store, "ann", country="NO")
    with pytest.raises(Crash):
        catalogue_sink(store, CrashingLake(lake.uri))
    assert titles(lake) == {"a": "A"}
    rows = lake.read(Table.ITEMS)
    assert catalogue_sink(store, lake) == CatalogueSummary(1, 1)
    assert lake.read(Table.ITEMS).equals(rows)
    assert catalogue_sink(store, lake) == CatalogueSummary()


def test_two_stores_and_a_second_lake_are_each_followed(store: SqliteStore, lake: Lake, tmp_path: Path) -> None:
    other = SqliteStore(str(tmp_path / "other.db"))
    put(other, "b", title="B")
    put(store, "a", title="A")
    catalogue_sink(store, lake)
    catalogue_sink(other, lake)
    assert titles(lake) == {"a": "A", "b": "B"}
    second = Lake(str(tmp_path / "second"))
    catalogue_sink(store, second)
    assert titles(second) == {"a": "A"}


def test_a_write_between_reading_and_the_upsert_is_moved_too(store: SqliteStore, lake: Lake) -> None:
    class Busy(Lake):
        """While it upserts, somebody puts the same item again, and another sink moves it."""

        def upsert(self, table: Table, rows: pa.Table) -> int:
            if rows["title"].to_pylist() == ["old"]:
                put(store, "a", title="new")
                catalogue_sink(store, lake)
            return super().upsert(table, rows)

    put(store, "a", title="old")
    catalogue_sink(store, Busy(lake.uri))
    assert titles(lake) == {"a": "new"}


def test_a_lake_of_before_takes_the_new_columns(store: SqliteStore, lake: Lake) -> None:
    old = pa.schema(
        [field for field in ITEMS if field.name not in ("available", "expires_at", "countries", "deleted_at")]
    )
    moment = datetime(2025, 1, 1, tzinfo=UTC)
    Path(lake.uri).mkdir()
    write_deltalake(
        lake.table_uri(Table.ITEMS),
        pa.Table.from_pylist([{"item_id": "old", "title": "Old", "updated_at": moment}], schema=old),
    )
    put(store, "a", available=False)
    catalogue_sink(store, lake)
    rows = {row["item_id"]: row["available"] for row in lake.read(Table.ITEMS).to_pylist()}
    assert rows == {"old": None, "a": False}


def test_the_command_says_what_it_moved(
    store: SqliteStore, lake: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    put(store, "a", title="A")
    put_user(store, "ann", country="NO")
    monkeypatch.setenv("SHOAL_STORE", f"sqlite:///{tmp_path}/online.db")
    assert main(["--lake", lake.uri]) == 0
    assert capsys.readouterr().out == "moved 1 items and 1 users\n"
