"""Where rows are compared, and what is written of them; the whole of it with Ray is in test_ingest.py."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta
from pathlib import Path

import polars as pl
import pytest

from cluster.delta.lake import AppTransaction, Lake
from cluster.delta.parts import Part, read_part
from models.tables import Table
from pipelines.ingestion import loading
from pipelines.ingestion.datasource import EXISTING, ExistingKeys, conform
from pipelines.ingestion.loading import place, plan_partitions, write_new
from pipelines.ingestion.upserting import into_buckets

DAY = date(2026, 1, 31)
NEXT = DAY + timedelta(1)


def rows(*keys: tuple[str, date], split: int = 0) -> pl.DataFrame:
    frame = pl.DataFrame(keys, schema={"interaction_id": pl.String, "date": pl.Date}, orient="row")
    columns = {"user_id": "u", "item_id": "i", "event_type": "view"}
    return frame.with_columns(
        *(pl.lit(value).alias(name) for name, value in columns.items()),
        pl.lit(split, pl.Int64).alias("_split"),
        pl.int_range(1, len(frame) + 1, dtype=pl.Int64).alias("_row"),
    )


@pytest.mark.parametrize(
    ("days", "expected", "count"),
    [
        ({DAY: 5, NEXT: 5}, [(0, 1), (0, 1)], 1),
        ({DAY: 60, NEXT: 60}, [(0, 1), (1, 1)], 2),
        ({DAY: 250, NEXT: 1}, [(0, 3), (3, 1)], 4),
        ({DAY: 1, NEXT: 250}, [(0, 1), (1, 3)], 4),
        ({None: 101}, [(0, 2)], 2),
    ],
)
def test_small_days_share_and_large_ones_spread(
    monkeypatch: pytest.MonkeyPatch, days: Mapping[date | None, int], expected: list[tuple[int, int]], count: int
) -> None:
    monkeypatch.setattr(loading, "_ROWS_A_PARTITION", 100)
    planned = plan_partitions(days, [])
    assert planned.days.select("first", "spread").rows() == expected
    assert planned.count == count


def test_keys_of_the_lake_count_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loading, "_ROWS_A_PARTITION", 100)
    existing = [Part("a", DAY, 400, 1, 1), Part("b", DAY, 400, 1, 1)]
    assert plan_partitions({DAY: 50}, existing).count == 3


def test_equal_keys_meet_and_days_keep_to_their_partitions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loading, "_ROWS_A_PARTITION", 100)
    keys = [(f"e{n % 300}", DAY) for n in range(600)] + [(f"e{n}", NEXT) for n in range(50)]
    planned = plan_partitions({DAY: 600, NEXT: 50}, [])
    block = place(conform(rows(*keys), Table.INTERACTIONS), planned.days, Table.INTERACTIONS)
    frame = pl.DataFrame(block)
    per_key = frame.group_by("interaction_id", "date").agg(pl.col("_partition").n_unique())
    assert per_key["_partition"].max() == 1
    assert sorted(frame.filter(date=DAY)["_partition"].unique().to_list()) == [0, 1, 2, 3, 4, 5]
    assert frame.filter(date=NEXT)["_partition"].unique().to_list() == [6]


def test_the_first_of_equal_keys_is_written_and_known_ones_are_not(tmp_path: Path) -> None:
    lake = Lake(str(tmp_path))
    uri = lake.table_uri(Table.INTERACTIONS)
    later = rows(("a", DAY), ("b", NEXT), split=2).with_columns(user_id=pl.lit("later"))
    first = rows(("b", NEXT), ("a", DAY), ("b", DAY), ("known", DAY), split=1)
    known = rows(("known", DAY), split=EXISTING)
    meeting = conform(pl.concat([later, first, known]), Table.INTERACTIONS)
    parts = [Part(*row) for row in pl.DataFrame(write_new(meeting, uri, Table.INTERACTIONS)).iter_rows()]
    assert [(part.day, part.num_rows) for part in parts] == [(DAY, 2), (NEXT, 1)]
    written = read_part(uri, parts[0].path, ["interaction_id", "user_id"])
    assert written.to_pydict() == {"interaction_id": ["a", "b"], "user_id": ["u", "u"]}
    assert lake.num_rows(Table.INTERACTIONS) == 0  # nothing is there before the commit
    assert lake.commit(Table.INTERACTIONS, parts, AppTransaction("x", 0))
    assert lake.rows_by_date(Table.INTERACTIONS) == {DAY: 2, NEXT: 1}
    keys = ExistingKeys(lake, Table.INTERACTIONS, [lake.parts(Table.INTERACTIONS, {NEXT})])
    (block,) = [block for task in keys.get_read_tasks(1) for block in task()]
    assert block.select(["interaction_id", "date", "_split"]).to_pylist() == [
        {"interaction_id": "b", "date": NEXT, "_split": EXISTING}
    ]


def test_nothing_new_writes_nothing(tmp_path: Path) -> None:
    both = pl.concat([rows(("a", DAY)), rows(("a", DAY), split=EXISTING)])
    written = write_new(conform(both, Table.INTERACTIONS), str(tmp_path), Table.INTERACTIONS)
    assert written.num_rows == 0
    assert list(tmp_path.iterdir()) == []


def test_rows_of_one_key_share_a_bucket() -> None:
    block = conform(rows(*((f"e{n % 10}", DAY) for n in range(100))), Table.INTERACTIONS)
    frame = pl.DataFrame(into_buckets(block, "interaction_id", 3))
    assert frame.group_by("interaction_id").agg(pl.col("_bucket").n_unique())["_bucket"].to_list() == [1] * 10
