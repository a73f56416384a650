"""Bulk ingest of Parquet beside polars doing the same work on the same files. Prints its figures and draws memory.

The same work: check every row, keep the first of each id, write by day. `BENCHMARK_EVENTS` sets the sizes (`1e5,1e6`).
"""

from __future__ import annotations

import json
import os
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from cluster.delta.lake import Lake
from models.events import MAX_ID_BYTES, EventType
from models.tables import Table
from tests.benchmarks.process_memory import run_measured
from tests.benchmarks.sizes import plot, sizes

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3_600)]

MIN_OF_POLARS, MAX_GROWTH = 0.25, 1.3
"""Of polars' rows/s; of the peak memory at the largest log to that at the smallest."""
ROOT = Path(__file__).resolve().parents[2]
_FILE_ROWS = 1_000_000
_NOW = datetime(2026, 1, 11, tzinfo=UTC)
_DUPLICATES, _BAD = 50, 1_000
"""One row in so many."""
_POLARS = """
import sys
from tests.benchmarks.test_ingest_speed import by_polars
by_polars(sys.argv[1], sys.argv[2])
"""


def test_ingest_beside_polars(tmp_path: Path) -> None:
    logs = sizes("BENCHMARK_EVENTS", [5_000_000, 20_000_000])
    peaks, speeds = [], {}
    for num_rows in logs:
        source = tmp_path / f"log-{num_rows}"
        write_files(source, num_rows)
        lake = tmp_path / f"lake-{num_rows}"
        command = [sys.executable, "-m", "pipelines.ingest", str(source), "--lake", str(lake), "--json"]
        seconds, shown, peak = timed(command)
        by_hand_out = tmp_path / f"polars-{num_rows}"
        by_hand_out = tmp_path / f"polars-{num_rows}"
        by_hand, _, polars_peak = timed([sys.executable, "-c", _POLARS, str(source), str(by_hand_out)])
        summary = json.loads(shown)
        kept = Lake(str(lake)).num_rows(Table.INTERACTIONS)
        assert kept == pl.scan_parquet(by_hand_out).select(pl.len()).collect().item()
        speeds = {"ingest": num_rows / seconds, "polars": num_rows / by_hand}
        peaks.append(peak)
        print(
            f"\n{num_rows:,} rows, {kept:,} kept, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}: ingest "
            f"{seconds:.1f} s, {speeds['ingest']:,.0f} rows/s, peak {peak / 2**20:,.0f} MiB; polars {by_hand:.1f} s, "
            f"{speeds['polars']:,.0f} rows/s, peak {polars_peak / 2**20:,.0f} MiB; {summary}"
        )
    print(plot("ingest-memory", tmp_path, logs, {"peak memory, MiB": [p / 2**20 for p in peaks]}, "rows"))
    assert speeds["ingest"] >= MIN_OF_POLARS * speeds["polars"]
    assert peaks[-1] <= MAX_GROWTH * peaks[0]


def timed(command: list[str]) -> tuple[float, str, int]:
    """Seconds, output and peak memory of a command, Python's own start included."""
    started = time.monotonic()
    shown, peak = run_measured(command, ROOT)
    return time.monotonic() - started, shown, peak


def write_files(folder: Path, num_rows: int) -> None:
    """Events of ten days in files of a million, in the order of their time; some twice, some bad."""
    folder.mkdir()
    random = np.random.default_rng(num_rows)
    for first in range(0, num_rows, _FILE_ROWS):
        size = min(_FILE_ROWS, num_rows - first)
        number = np.arange(first, first + size)
        number[_DUPLICATES - 1 :: _DUPLICATES] -= 1
        moment = _NOW - timedelta(days=10)
        frame = pl.DataFrame(
            {
                "interaction_id": pl.Series(number).cast(pl.String),
                "user_id": "u" + pl.Series(random.integers(0, num_rows // 50, size)).cast(pl.String),
                "item_id": "i" + pl.Series(random.integers(0, 100_000, size)).cast(pl.String),
                "event_type": np.where(number % _BAD, "click", "lick"),
                "timestamp": pl.Series(number * (10 * 86_400_000_000 // num_rows)).cast(pl.Duration("us")) + moment,
                "country": np.asarray(["NO", "SE", "DK"])[random.integers(0, 3, size)],
            }
        )
        frame.write_parquet(folder / f"{first:012}.parquet")


def by_polars(source: str, out: str) -> None:
    """What a person would write with polars alone, streaming."""
    rows = pl.scan_parquet(source)
    ids = ["interaction_id", "user_id", "item_id"]
    good = pl.all_horizontal(
        *(pl.col(name).is_not_null() & pl.col(name).str.len_bytes().is_between(1, MAX_ID_BYTES) for name in ids),
        pl.col("event_type").is_in([kind.value for kind in EventType]),
        pl.col("timestamp").is_not_null() & (pl.col("timestamp") <= pl.lit(datetime.now(UTC))),
    )
    kept = rows.filter(good).unique("interaction_id", keep="any")
    kept = kept.with_columns(pl.col("timestamp").dt.date().alias("date"))
    kept.sink_parquet(pl.PartitionBy(out, key="date"), mkdir=True)
