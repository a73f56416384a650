"""How long it takes to erase a user, and a thousand, from a lake of 10⁷ events; and that no byte of them is left.

Every file of lake, registry, runs and both stores is searched for ids and addresses, Parquet unpacked too; the rows of
everybody else have the checksum they had.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator
from dataclasses import replace
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
import redis

from cluster.delta.lake import Lake
from cluster.online.store import OnlineStore
from cluster.privacy.emails import seal_emails
from cluster.redis.store import RedisStore
from models.events import INTERACTIONS
from models.tables import Table
from pipelines.privacy.forgetting import Places, forget
from tests.benchmarks.event_logs import write_log
from tests.benchmarks.sizes import sizes
from tests.cluster.online.store_suite import event
from tests.cluster.redis.redis_server import start
from tests.pipelines.privacy.whole_world import make

pytestmark = pytest.mark.slow

MARK = "gone-7f3a"
"""In every id and address that is erased, and in nothing else."""
GONE = [*(f"{MARK}-{n}" for n in range(1_000)), f"{MARK}-0x"]
MAX_FOR_A_THOUSAND = 3.0
"""× the time of one user: they are one pass over the lake."""
_WHOLE_BYTES = 8 << 20


@pytest.mark.timeout(3_600)
@pytest.mark.parametrize("num_events", sizes("BENCHMARK_EVENTS", [10_000_000]))
def test_nobody_is_left(tmp_path: Path, num_events: int) -> None:
    (tmp_path / "redis").mkdir()
    with start(tmp_path / "redis") as (_, url), redis.Redis.from_url(url) as client:
        client.config_set("rdbcompression", "no")
        sqlite = make(tmp_path, user=GONE[0]).places
        on_redis = replace(sqlite, store=RedisStore(url))
        write_log(sqlite.lake, num_events, guests=GONE)
        for store in (sqlite.store, on_redis.store):
            seal_emails(store, sqlite.keys, {user: f"{user}@mail.example" for user in GONE})
            fill(store, max(1, num_events // 100))
        client.save()
        assert {path.parts[len(tmp_path.parts)] for path in hits(tmp_path)} >= {"lake", "registry", "runs", "redis"}
        before = checksum(sqlite.lake)
        print(f"\n{num_events:,} events, {folder_mb(tmp_path / 'lake'):,.0f} MB of lake")
        one = timed("one user", GONE[:1], sqlite)
        thousand = timed("a thousand users", GONE[1:], sqlite)
        timed("the same, from Redis", GONE, on_redis)
        client.save()
        started = time.perf_counter()
        assert list(hits(tmp_path)) == []
        print(f"0 hits in {sum(1 for _ in files(tmp_path)):,} files ({time.perf_counter() - started:.1f} s to search)")
        assert checksum(sqlite.lake) == before
        assert len(sqlite.store.users(["u1"])[0].history) == len(on_redis.store.users(["u1"])[0].history) > 0
        assert thousand < MAX_FOR_A_THOUSAND * one
        on_redis.store.close()


def fill(store: OnlineStore, num_events: int) -> None:
    """Events of a thousand users who stay and of those who go, in turn."""
    users = [f"u{n}" for n in range(1_000)]
    for first in range(0, num_events, 2_000):
        numbers = range(first, min(first + 2_000, num_events))
        named = ((n, GONE[n // 2 % len(GONE)] if n % 2 else users[n // 2 % len(users)]) for n in numbers)
        store.append([event(f"online-{n}", user=user, at_s=n) for n, user in named])


def timed(name: str, user_ids: Collection[str], places: Places) -> float:
    """Seconds of an erasure; prints those of each place that took part in it."""
    started = last = time.perf_counter()
    parts = []

    def on_place(place: str, num_rows: int) -> None:
        nonlocal last
        now = time.perf_counter()
        if num_rows or now - last > 0.1:
            parts.append(f"{place} {num_rows:,} in {now - last:.2f} s")
        last = now

    forget(list(user_ids), places, on_place)
    seconds = time.perf_counter() - started
    print(f"{name}: {seconds:.1f} s ({'; '.join(parts)})")
    return seconds


def checksum(lake: Lake) -> tuple[int, int]:
    """Number and sum of hashes of the rows of everybody who stays, in any order."""
    num_rows = total = 0
    for batch in lake.batches(Table.INTERACTIONS, INTERACTIONS.names):
        rows = pl.DataFrame(pa.Table.from_batches([batch])).filter(~pl.col("user_id").str.contains(MARK, literal=True))
        # What the log of the stores brings in is not there before.
        rows = rows.filter(~pl.col("interaction_id").str.starts_with("event-"))
        num_rows += len(rows)
        total += int(rows.hash_rows(seed=1).to_numpy().sum(dtype="uint64"))
    return num_rows, total % (1 << 64)


def files(folder: Path) -> Iterator[Path]:
    return (path for path in sorted(folder.rglob("*")) if path.is_file())


def hits(folder: Path) -> Iterator[Path]:
    """Files that hold the mark, in their bytes or, of Parquet, in what they unpack to."""
    for path in files(folder):
        if MARK.encode() in path.read_bytes() or (path.suffix == ".parquet" and _in_parquet(path)):
            yield path


def _in_parquet(path: Path) -> bool:
    table = pq.read_table(path, partitioning=None)
    if path.stat().st_size < _WHOLE_BYTES:
        return MARK in repr(table.to_pylist())
    texts = [column for column in table.columns if pa.types.is_string(column.type)]
    return any(pc.any(pc.match_substring(column, MARK)).as_py() for column in texts)


def folder_mb(folder: Path) -> float:
    return sum(path.stat().st_size for path in files(folder)) / 1e6
