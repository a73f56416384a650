"""Whatever bytes a log holds: every row that is read comes out once, good or bad."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import polars as pl
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from cluster.delta.lake import Lake
from models.tables import TABLES, Table
from pipelines.ingestion.datasource import conform
from pipelines.ingestion.loading import write_new
from pipelines.ingestion.tally import count_block
from tests.pipelines.ingestion.checked import checked, good

GOOD = [f"u{n},i{n},{978300760 + n},{n % 5},view,x{n}" for n in range(6)]
HEADER = "user_id,item_id,timestamp,rating,event_type,note"
fields = st.one_of(
    st.sampled_from(
        ["u", "", "978300760", "5", "abc", '"', '"a,b"', '""', "nan", "1e400", "::", "\x1f", "é", "😀", "NULL"]
    ),
    st.text(st.characters(exclude_characters="\r\n"), max_size=5),
)
rows = st.one_of(
    st.sampled_from(GOOD),
    st.lists(fields, min_size=1, max_size=8).map(",".join),
    st.binary(max_size=20).map(lambda raw: raw.replace(b"\n", b"").replace(b"\r", b"").decode("latin-1")),
)


def encoded(row: str) -> bytes:
    return row.encode("utf-8", errors="surrogatepass")


@pytest.mark.slow
@settings(max_examples=150, deadline=None)
@example(["\ufeff"], False)
@example(['0","', GOOD[0]], False)
@example(["\ufeff" + GOOD[0], GOOD[1]], False)
@given(st.lists(rows, max_size=12), st.booleans())
def test_csv(lines: list[str], foreign: bool) -> None:
    body = [line.encode("latin-1", errors="replace") if foreign else encoded(line) for line in lines]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "log.csv"
        path.write_bytes(HEADER.encode() + b"\n" + b"\n".join(body) + b"\n")
        read = checked(path, time_unit="s")
    num_lines = sum(bool(line) for line in body)
    assert sorted(read["_row"].to_list()) == list(range(1, num_lines + 1))
    assert len(good(read)) >= sum(line.decode("latin-1") in GOOD for line in body)
    check_accounts(read)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=3,
)
names = st.sampled_from(
    ["user_id", "item_id", "timestamp", "rating", "event_type", "position", "note", "_row", "_extra", "date"]
)


@pytest.mark.slow
@settings(max_examples=150, deadline=None)
@given(st.lists(json_values | st.dictionaries(names, json_values, max_size=6), max_size=8))
def test_json_lines(values: list[object]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "log.jsonl"
        sound = json.dumps({"user_id": "u", "item_id": "i", "timestamp": 978300760})
        path.write_text("\n".join([sound, *map(json.dumps, values)]))
        read = checked(path, time_unit="s")
    assert sorted(read["_row"].to_list()) == list(range(1, len(values) + 2))
    assert read.filter(pl.col("_row") == 1)["_reason"].to_list() == [None]
    check_accounts(read)


def check_accounts(read: pl.DataFrame) -> None:
    """new + known + bad = read, with half of the good rows in the lake already."""
    sound = good(read)
    block = conform(read, Table.INTERACTIONS)
    counts = pl.DataFrame(count_block(block))
    assert counts["rows"].sum() == len(read)
    assert counts.filter(pl.col("kind").is_null())["rows"].sum() == len(sound)
    with tempfile.TemporaryDirectory() as folder:
        table_uri = Lake(folder).table_uri(Table.INTERACTIONS)
        existing = sound[::2].with_columns(pl.lit(-1, pl.Int64).alias("_split"))
        meeting = conform(pl.concat([sound, existing]), Table.INTERACTIONS)
        written = pl.DataFrame(write_new(meeting, table_uri, Table.INTERACTIONS))
    keys = [TABLES[Table.INTERACTIONS].key, "date"]
    fresh = sound.unique(keys).join(existing, on=keys, how="anti")
    assert written["num_rows"].sum() == len(fresh)
