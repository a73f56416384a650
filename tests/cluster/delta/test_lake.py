"""Delta tables on a local folder; S3 is in test_lake_s3.py."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import write_deltalake

from cluster.delta.lake import AppTransaction, Lake
from cluster.delta.parts import Part, write_part
from models.errors import NotFoundError
from models.tables import TABLES, Table

DAY = date(2026, 1, 31)
NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(str(tmp_path / "lake"))


def events(*ids: str, day: date = DAY) -> pa.Table:
    rows = [
        {"interaction_id": i, "user_id": "u", "item_id": i, "event_type": "view", "timestamp": NOON, "date": day}
        for i in ids
    ]
    return pa.Table.from_pylist(rows, TABLES[Table.INTERACTIONS].schema)


def items(*titles: str | None, updated: datetime = NOON, **columns: object) -> pa.Table:
    rows = [{"item_id": f"i{n}", "title": title, "updated_at": updated, **columns} for n, title in enumerate(titles)]
    return pa.Table.from_pylist(rows, TABLES[Table.ITEMS].schema)


def test_a_lake_without_tables_is_empty_but_has_schemas(lake: Lake) -> None:
    assert not lake.exists(Table.ITEMS)
    assert (lake.version(Table.ITEMS), lake.num_rows(Table.ITEMS)) == (-1, 0)
    assert lake.rows_by_date(Table.INTERACTIONS) == {}
    assert lake.parts(Table.INTERACTIONS) == []
    assert lake.read(Table.ITEMS).schema == TABLES[Table.ITEMS].schema
    assert list(lake.batches(Table.ITEMS, ["item_id"])) == []


def test_an_append_is_read_back_whole_by_column_and_by_day(lake: Lake) -> None:
    lake.append(Table.INTERACTIONS, events("a", "b"))
    lake.append(Table.INTERACTIONS, events("c", day=DAY + timedelta(1)))
    assert sorted(lake.read(Table.INTERACTIONS)["interaction_id"].to_pylist()) == ["a", "b", "c"]
    one_day = lake.read(Table.INTERACTIONS, ["item_id", "date"], [("date", "=", "2026-02-01")])
    assert one_day.to_pylist() == [{"item_id": "c", "date": DAY + timedelta(1)}]
    assert lake.rows_by_date(Table.INTERACTIONS) == {DAY: 2, DAY + timedelta(1): 1}
    assert lake.read(Table.INTERACTIONS, ["item_id"], version=0).num_rows == 2


def test_a_transaction_is_applied_once(lake: Lake) -> None:
    assert lake.append(Table.INTERACTIONS, events("a"), AppTransaction("w", 3))
    assert not lake.append(Table.INTERACTIONS, events("a"), AppTransaction("w", 3))
    assert not lake.append(Table.INTERACTIONS, events("b"), AppTransaction("w", 9, after=7))
    assert lake.applied(Table.INTERACTIONS, "w") == 3
    assert lake.num_rows(Table.INTERACTIONS) == 1


def test_an_upsert_changes_what_differs_and_commits_nothing_otherwise(lake: Lake) -> None:
    assert lake.upsert(Table.ITEMS, items("a", None, "c")) == 3
    version = lake.version(Table.ITEMS)
    assert lake.upsert(Table.ITEMS, items("a", None, "c", updated=NOON + timedelta(1))) == 0
    assert lake.version(Table.ITEMS) == version
    assert lake.upsert(Table.ITEMS, items("a", "b", "c", "d", updated=NOON + timedelta(1))) == 2
    rows = sorted(
        lake.read(Table.ITEMS, ["item_id", "title", "updated_at"]).to_pylist(), key=lambda row: row["item_id"]
    )
    assert [row["title"] for row in rows] == ["a", "b", "c", "d"]
    assert [row["updated_at"] > NOON for row in rows] == [False, True, False, True]
    assert lake.upsert(Table.ITEMS, items("a", categories=["x", "y"])) == 1
    assert lake.upsert(Table.ITEMS, items("a", categories=["x", "y"])) == 0


def test_parts_are_in_the_table_from_their_commit_on(lake: Lake) -> None:
    uri = lake.table_uri(Table.INTERACTIONS)
    parts = [write_part(uri, events("a", "b"), DAY), write_part(uri, events("c"), DAY)]
    assert lake.num_rows(Table.INTERACTIONS) == 0
    assert lake.commit(Table.INTERACTIONS, parts, AppTransaction("ingest", 0, after=-1))
    assert lake.rows_by_date(Table.INTERACTIONS) == {DAY: 3}
    assert lake.read(Table.INTERACTIONS).sort_by("interaction_id").equals(events("a", "b", "c"))
    assert sorted(lake.parts(Table.INTERACTIONS), key=lambda p: p.path) == sorted(parts, key=lambda p: p.path)
    assert lake.parts(Table.INTERACTIONS, {DAY + timedelta(1)}) == []


def test_a_commit_behind_another_is_refused(lake: Lake) -> None:
    uri = lake.table_uri(Table.INTERACTIONS)
    first = AppTransaction("ingest", 0, after=-1)
    assert lake.commit(Table.INTERACTIONS, [write_part(uri, events("a"), DAY)], first)
    assert not lake.commit(Table.INTERACTIONS, [write_part(uri, events("b"), DAY)], first)
    assert not lake.commit(
        Table.INTERACTIONS, [write_part(uri, events("b"), DAY)], AppTransaction("ingest", 5, after=3)
    )
    # Another writer's batches do not stand in the way.
    lake.append(Table.INTERACTIONS, events("x"), AppTransaction("event-sink", 40))
    assert lake.commit(Table.INTERACTIONS, [write_part(uri, events("b"), DAY)], AppTransaction("ingest", 1, after=0))
    assert sorted(lake.read(Table.INTERACTIONS)["item_id"].to_pylist()) == ["a", "b", "x"]


def test_a_table_without_days(lake: Lake) -> None:
    part = write_part(lake.table_uri(Table.ITEMS), items("a"), None)
    assert part == Part(part.path, None, 1, part.num_bytes, part.written_ms)
    assert lake.commit(Table.ITEMS, [part], AppTransaction("x", 0))
    assert lake.read(Table.ITEMS).equals(items("a"))


def test_columns_that_an_old_table_lacks_are_null(lake: Lake) -> None:
    old = items("a").drop_columns(["description"])
    schema = pa.schema([field for field in TABLES[Table.ITEMS].schema if field.name != "description"])
    write_deltalake(lake.table_uri(Table.ITEMS), old.cast(schema))
    assert lake.read(Table.ITEMS, ["item_id", "description"]).to_pylist() == [{"item_id": "i0", "description": None}]
    assert lake.upsert(Table.ITEMS, items("a", description="new")) == 1


def test_an_upsert_needs_no_table_but_a_change_of_a_missing_one_says_so(lake: Lake) -> None:
    with pytest.raises(NotFoundError, match=r"no table items in .*Ingest a log first"):
        lake._must_open(Table.ITEMS)
