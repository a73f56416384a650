"""The lake into a fresh online store: the catalogue, and every user's newest events, country and attributes.

Reads one date partition after the other, oldest first as a store likes its events, and hands over a chunk of
rows at a time, so that memory does not grow with the lake or its users. The store itself merges and keeps the
bound, which makes warming idempotent and harmless beside live traffic: an event it has is not added again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

import polars as pl
import pyarrow as pa

from cluster.delta.lake import Lake
from cluster.online.store import HISTORY_LIMIT, OnlineStore, OnlineUser
from models.events import NEGATIVE_TYPES, EventType
from models.privacy import ANONYMOUS_ID
from models.profiles import parse_attributes
from models.tables import Table
from models.user_state import HistoryEvent
from pipelines.online.warm_catalogue import warm_catalogue

CHUNK_ROWS = 50_000
"""Rows handed over at once, some 0.5 s of work for a store that also serves."""

_EVENT_COLUMNS = ("user_id", "item_id", "event_type", "timestamp", "country")


@dataclass(frozen=True, slots=True)
class WarmProgress:
    """Rows read so far of the rows there are."""

    num_read: int
    num_rows: int


def warm(lake: Lake, store: OnlineStore, *, on_batch: Callable[[WarmProgress], None] | None = None) -> int:
    """Fill the store from the lake; the number of interactions read.

    Countries and attributes come from the users table, and who refuses personalization into the catalogue; the country
    of users that it gives none, from their first interaction with one.
    """
    warm_catalogue(lake, store)
    for batch in lake.batches(Table.USERS, ("user_id", "country", "attributes", "deleted_at")):
        store.warm(_profiles(batch))
    days = lake.rows_by_date(Table.INTERACTIONS)
    num_rows, num_read = sum(days.values()), 0
    for chunk in _chunks(_by_day(lake, sorted(days))):
        store.warm(_histories(chunk))
        num_read += chunk.num_rows
        if on_batch is not None:
            on_batch(WarmProgress(num_read, num_rows))
    return num_read


def _by_day(lake: Lake, days: Sequence[date]) -> Iterator[pa.RecordBatch]:
    for day in days:
        yield from lake.batches(Table.INTERACTIONS, _EVENT_COLUMNS, [("date", "=", day.isoformat())])


def _chunks(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.Table]:
    """Batches joined until they hold `CHUNK_ROWS`: a store does less work for fewer, longer histories."""
    joined: list[pa.RecordBatch] = []
    for batch in batches:
        joined.append(batch)
        if sum(b.num_rows for b in joined) >= CHUNK_ROWS:
            yield pa.Table.from_batches(joined)
            joined = []
    if joined:
        yield pa.Table.from_batches(joined)


def _profiles(batch: pa.RecordBatch) -> Mapping[str, OnlineUser]:
    columns = (batch[name].to_pylist() for name in ("user_id", "country", "attributes", "deleted_at"))
    users = {
        user_id: OnlineUser(country=country, attributes=parse_attributes(text))
        for user_id, country, text, deleted_at in zip(*columns, strict=True)
        if deleted_at is None
    }
    return {user_id: user for user_id, user in users.items() if user.country or user.attributes}


def _histories(rows: pa.Table) -> Mapping[str, OnlineUser]:
    """Newest `HISTORY_LIMIT` events of each sign and first country of every user of the chunk."""
    named = pl.col("user_id") != ANONYMOUS_ID
    frame = (
        pl.DataFrame(rows)
        .filter(named)
        .with_columns(
            negative=pl.col("event_type").is_in([str(kind) for kind in NEGATIVE_TYPES]),
            timestamp_us=pl.col("timestamp").dt.epoch("us").fill_null(0),
        )
    )
    users = (
        frame.sort("timestamp_us")
        .group_by("user_id", "negative", maintain_order=True)
        .tail(HISTORY_LIMIT)
        .sort("timestamp_us")
        .group_by("user_id")
        .agg("item_id", "event_type", "timestamp_us", pl.col("country").drop_nulls().first())
    )
    return dict(_online_users(users))


def _online_users(users: pl.DataFrame) -> Iterator[tuple[str, OnlineUser]]:
    types = {str(kind): kind for kind in EventType}
    for user_id, item_ids, event_types, times_us, country in users.iter_rows():
        events = zip(item_ids, event_types, times_us, strict=True)
        yield user_id, OnlineUser(tuple(HistoryEvent(i, types[t], us) for i, t, us in events), country)
