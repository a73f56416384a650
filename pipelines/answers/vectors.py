"""Vectors of a bundle's items and of the lake's users into the lake, block by block.

    rows of the items ───────────> vectors ─┐
    sequences of users ─> states ─> vectors ─┴─> in order of id ─> upserts of `UPSERT_ROWS`

An upsert compares with those files alone whose ids overlap its own. In order of id these are few, and so the work grows
with the users and not with their square.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
import pyarrow as pa
import ray.data
from ray.data import Dataset

from cluster.commands.console import progress
from cluster.delta.lake import Lake
from cluster.registry import Registry
from models.errors import InputError
from models.index.arrays import Vectors
from models.recommender import Recommender
from models.tables import TABLES, Table
from models.user_state import UserState
from pipelines.answers.bundle import recommender_at
from pipelines.answers.states import states
from pipelines.learning.data.sequences import sequences

UPSERT_ROWS = 100_000
"""Rows the driver holds and one commit takes, some 50 MB."""
_ITEM_ROWS = 65_536
_USER_ROWS = 1_024


@dataclass(frozen=True, slots=True)
class VectorSummary:
    """How many vectors there are of one version, and how many rows of the lake were added or changed."""

    version: str
    num_items: int
    num_users: int
    num_changed: int

    def __str__(self) -> str:
        return (
            f"vectors of version {self.version}: {self.num_items:,} items and {self.num_users:,} users; "
            f"{self.num_changed:,} rows of the lake are new or changed"
        )


def write_vectors(
    lake: Lake, registry_uri: str, version: str, users: Sequence[str] | None = None, now: datetime | None = None
) -> VectorSummary:
    """Upsert the vectors of all items, and of all users of the lake's events (or those of `users`) as of `now`.

    Left out are users of whom the bundle knows nothing. `InputError` for a bundle whose retriever has no vectors.
    """
    recommender, now = recommender_at(registry_uri, version), now or datetime.now(UTC)
    if recommender.item_vectors(np.zeros(0, np.int64)) is None:
        recipe = Registry(registry_uri).manifest(version).recipe
        raise InputError(
            f"version {version} is of recipe {recipe}, whose users and items are no vectors. "
            "Name a version of two_tower, sequence, als or content with --version; shoal models lists them."
        )
    bundle = {"registry_uri": registry_uri, "version": version, "now": now}
    rows = ray.data.range(len(recommender.items)).map_batches(
        item_block, batch_format="pyarrow", batch_size=_ITEM_ROWS, fn_kwargs=bundle
    )
    num_items, items_changed = _upsert(lake, Table.ITEM_EMBEDDINGS, rows)
    log = sequences(lake, seed=0, users=None if users is None else set(users))
    people = log.map_batches(user_block, batch_format="pyarrow", batch_size=_USER_ROWS, fn_kwargs=bundle)
    num_users, users_changed = _upsert(lake, Table.USER_EMBEDDINGS, people)
    return VectorSummary(version, num_items, num_users, items_changed + users_changed)


def item_block(block: pa.Table, registry_uri: str, version: str, now: datetime) -> pa.Table:
    """Rows of `item_embeddings` for a block of item rows (`id`)."""
    recommender = recommender_at(registry_uri, version)
    rows = block["id"].to_numpy()
    ids = [recommender.items.ids[row] for row in rows]
    return _table(Table.ITEM_EMBEDDINGS, ids, recommender.item_vectors(rows), version, now)


def user_block(block: pa.Table, registry_uri: str, version: str, now: datetime) -> pa.Table:
    """Rows of `user_embeddings` for a block of sequences."""
    return user_rows(recommender_at(registry_uri, version), states(block, now), version, now)


def user_rows(recommender: Recommender, users: Sequence[UserState], version: str, now: datetime) -> pa.Table:
    """Rows of `user_embeddings` for the users of whom the bundle knows something."""
    known = [user for user in users if recommender.has_signal(user)]
    vectors = recommender.user_vectors(known) if known else None
    return _table(Table.USER_EMBEDDINGS, [user.user_id for user in known], vectors, version, now)


def _table(table: Table, ids: Sequence[str], vectors: Vectors | None, version: str, now: datetime) -> pa.Table:
    schema = TABLES[table].schema
    if vectors is None or not len(ids):
        return schema.empty_table()
    lists = pa.FixedSizeListArray.from_arrays(pa.array(vectors.ravel()), vectors.shape[1])
    columns = [ids, lists.cast(schema.field("vector").type), [version] * len(ids), [now] * len(ids)]
    return pa.table(dict(zip(schema.names, columns, strict=True)), schema=schema)


def _upsert(lake: Lake, table: Table, rows: Dataset) -> tuple[int, int]:
    """How many rows there were, and how many were new or changed."""
    num_rows = num_changed = 0
    with progress() as bar:
        task = bar.add_task(f"embeddings: {table}", total=None)
        for part in _parts(rows.sort(TABLES[table].key)):
            num_changed += lake.upsert(table, part)
            num_rows += len(part)
            bar.update(task, completed=num_rows)
    return num_rows, num_changed


def _parts(rows: Dataset) -> Iterator[pa.Table]:
    for part in rows.iter_batches(batch_size=UPSERT_ROWS, batch_format="pyarrow"):
        if len(part):
            yield part
