"""A table that an older Shoal wrote, without a column of today: read, appended to, compacted, upserted, read by Ray."""

from __future__ import annotations

import uuid
from pathlib import Path

import pyarrow as pa
import pytest
import ray.data
from deltalake import write_deltalake

from cluster.delta.lake import AppTransaction, Lake
from cluster.delta.parts import write_part
from models.tables import TABLES, Table
from tests.cluster.delta.lake_rows import DAY, NOON


@pytest.fixture(params=["folder", pytest.param("s3", marks=pytest.mark.slow)])
def lake(request: pytest.FixtureRequest, tmp_path: Path) -> Lake:
    if request.param == "folder":
        return Lake(str(tmp_path / "lake"))
    request.getfixturevalue("s3_endpoint")
    return Lake(f"s3://shoal-test/{uuid.uuid4().hex}")


def exposures(*names: str, context: str | None = None) -> pa.Table:
    rows = [
        {
            "recommendation_id": name, "user_id": "u", "surface": "home", "variant": "v", "item_ids": ["a", "b"],
            "propensity": 1.0, "timestamp": NOON, "date": DAY, "context": context,
        }
        for name in names
    ]  # fmt: skip
    return pa.Table.from_pylist(rows, TABLES[Table.EXPOSURES].schema)


def old_exposures(lake: Lake, *names: str) -> None:
    """As schema version 1 wrote them, without `context`."""
    rows = exposures(*names).drop_columns(["context"])
    write_deltalake(
        lake.table_uri(Table.EXPOSURES),
        rows,
        partition_by=["date"],
        mode="append",
        schema_mode="merge",
        storage_options=lake.storage_options,
    )


def contexts(lake: Lake) -> dict[str, str | None]:
    rows = lake.read(Table.EXPOSURES, ["recommendation_id", "context"])
    return dict(zip(rows["recommendation_id"].to_pylist(), rows["context"].to_pylist(), strict=True))


def test_an_old_table_takes_new_rows_and_keeps_its_own(lake: Lake) -> None:
    old_exposures(lake, "a")
    old_exposures(lake, "b")
    assert contexts(lake) == {"a": None, "b": None}
    [batch, *_] = lake.batches(Table.EXPOSURES, ["context", "user_id"])
    assert batch.to_pylist()[0] == {"context": None, "user_id": "u"}
    lake.compact(Table.EXPOSURES)  # in the old schema
    assert contexts(lake) == {"a": None, "b": None}
    lake.append(Table.EXPOSURES, exposures("c", context="{}"), AppTransaction("sink", 1))
    part = write_part(lake.table_uri(Table.EXPOSURES), exposures("d", context="{}"), DAY)
    assert lake.commit(Table.EXPOSURES, [part], AppTransaction("ingest", 0, after=-1))
    old_exposures(lake, "e")  # an old writer beside the new
    expected = {"a": None, "b": None, "c": "{}", "d": "{}", "e": None}
    assert contexts(lake) == expected
    lake.compact(Table.EXPOSURES)
    assert len(lake.parts(Table.EXPOSURES)) == 1
    assert contexts(lake) == expected
    assert lake.erase(Table.EXPOSURES, "recommendation_id", ["a"]) == 1
    read = lake.read(Table.EXPOSURES)
    assert read.schema == TABLES[Table.EXPOSURES].schema
    assert set(read["recommendation_id"].to_pylist()) == {"b", "c", "d", "e"}


def test_parts_may_come_to_an_old_table_first(lake: Lake) -> None:
    """A commit of files whose schema is newer than the table's: the new column must not be lost."""
    old_exposures(lake, "a")
    part = write_part(lake.table_uri(Table.EXPOSURES), exposures("b", context="{}"), DAY)
    assert lake.commit(Table.EXPOSURES, [part], AppTransaction("ingest", 0, after=-1))
    lake.compact(Table.EXPOSURES)
    assert contexts(lake) == {"a": None, "b": "{}"}


def test_an_upsert_adds_the_column(lake: Lake) -> None:
    schema = TABLES[Table.ITEMS].schema
    rows = pa.Table.from_pylist([{"item_id": "i", "title": "t", "updated_at": NOON}], schema)
    write_deltalake(
        lake.table_uri(Table.ITEMS), rows.drop_columns(["description"]), storage_options=lake.storage_options
    )
    lake.append(Table.ITEMS, pa.Table.from_pylist([{"item_id": "j", "updated_at": NOON}], schema))
    lake.compact(Table.ITEMS)
    news = [{"item_id": "i", "title": "t", "description": "d", "updated_at": NOON}]
    assert lake.upsert(Table.ITEMS, pa.Table.from_pylist(news, schema)) == 1
    found = lake.read(Table.ITEMS, ["item_id", "description"]).sort_by("item_id").to_pylist()
    assert found == [{"item_id": "i", "description": "d"}, {"item_id": "j", "description": None}]


@pytest.mark.slow
def test_ray_reads_old_files_beside_new_ones(tmp_path: Path, ray_session: None) -> None:
    """As the pipelines read: exposures whole, of a version or of now, before a compaction and after."""
    lake = Lake(str(tmp_path / "lake"))
    old_exposures(lake, "a")
    lake.append(Table.EXPOSURES, exposures("b", context="{}"))
    before = lake.pinned()
    lake.compact(Table.EXPOSURES)
    for at in (before, lake.pinned()):
        rows = ray.data.read_delta(at.table_uri(Table.EXPOSURES), version=at.version(Table.EXPOSURES)).take_all()
        assert {(row["recommendation_id"], row["context"]) for row in rows} == {("a", None), ("b", "{}")}
        assert all(list(row["item_ids"]) == ["a", "b"] and row["date"] == DAY for row in rows)
