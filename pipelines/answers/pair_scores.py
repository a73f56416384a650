"""Scores for given pairs, part by part: a part is read, its users' histories with it, and written in order."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from cluster.commands.console import progress
from cluster.delta.lake import Lake
from models.errors import InputError, SchemaError
from models.recommender import Recommender
from models.user_state import UserState
from pipelines.answers.bundle import recommender_at
from pipelines.answers.parquet_out import write_parquet
from pipelines.answers.states import states, without_events
from pipelines.learning.data.sequences import sequences

PART_ROWS = 2_000_000
_USERS = 512
SCORES = pa.schema([("user_id", pa.string()), ("item_id", pa.string()), ("score", pa.float32())])


def score_pairs(lake: Lake, registry_uri: str, version: str, pairs: Path, out: Path, part_rows: int = PART_ROWS) -> int:
    """Write the pairs of a Parquet file with their scores, in their order; returns the number of rows.

    The score is the model's; for a user it knows nothing of, the log of the item's popularity. It is null for an
    item that the bundle does not know.
    """
    recommender = recommender_at(registry_uri, version)
    parts = _read(pairs, part_rows)
    return write_parquet((_score(recommender, lake, part) for part in parts), SCORES, out)


def _read(path: Path, part_rows: int) -> Iterator[pa.Table]:
    try:
        file = pq.ParquetFile(path)
    except (OSError, pa.ArrowInvalid) as error:
        raise InputError(f"pairs file {path} cannot be read: {error}. Give a Parquet file.") from error
    missing = {"user_id", "item_id"} - set(file.schema_arrow.names)
    if missing:
        seen = ", ".join(file.schema_arrow.names)
        raise SchemaError(f"pairs file {path} lacks {', '.join(sorted(missing))}; it has {seen}. Rename the columns.")
    with progress() as bar:
        task = bar.add_task("rank: pairs", total=file.metadata.num_rows)
        for batch in file.iter_batches(part_rows, columns=["user_id", "item_id"]):
            text = [batch.column(name).cast(pa.string()) for name in ("user_id", "item_id")]
            yield pa.table(text, names=["user_id", "item_id"])
            bar.advance(task, len(batch))


def _score(recommender: Recommender, lake: Lake, pairs: pa.Table) -> pa.Table:
    frame = pl.DataFrame(pairs).with_row_index("at")
    wanted = frame.group_by("user_id", maintain_order=True).agg("item_id", "at")
    now = datetime.now(UTC)
    known = {user.user_id: user for user in _histories(lake, set(wanted["user_id"]), now)}
    known |= {user.user_id: user for user in without_events(lake, set(wanted["user_id"]) - known.keys(), now)}
    scores = np.full(len(pairs), np.nan, np.float32)
    for start in range(0, len(wanted), _USERS):
        part = wanted[start : start + _USERS]
        users = [known[user_id] for user_id in part["user_id"]]
        found = recommender.score_pairs(users, part["item_id"].to_list())
        for user, item_ids, at, values in zip(users, part["item_id"], part["at"], found, strict=True):
            signal = recommender.has_signal(user)
            scores[at.to_numpy()] = values if signal else _popularity(recommender, item_ids.to_list())
    return pairs.append_column("score", pa.array(scores, pa.float32(), mask=np.isnan(scores)))


def _histories(lake: Lake, users: set[str], now: datetime) -> Iterator[UserState]:
    for block in sequences(lake, seed=0, users=users).iter_batches(batch_size=None, batch_format="pyarrow"):
        yield from states(block, now)


def _popularity(recommender: Recommender, item_ids: list[str]) -> np.ndarray:
    rows = [recommender.items.vocabulary.row(item_id) for item_id in item_ids]
    return np.asarray([np.nan if row is None else np.log1p(recommender.items.counts[row]) for row in rows], np.float32)
