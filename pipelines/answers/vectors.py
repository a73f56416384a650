"""Vectors of a bundle's items and of the lake's users into the lake and the online store, block by block.

    rows of the items ───────────> vectors ─┐                       ┌─> upserts of `UPSERT_ROWS`
    sequences of users ─> states ─> vectors ─┴─> in order of id ─────┴─> the online store

An upsert compares with those files alone whose ids overlap its own. In order of id these are few, and so the work grows
with the users and not with their square.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
import pyarrow as pa
import ray.data
from ray.data import Dataset

from cluster.commands.console import progress
from cluster.delta.lake import Lake
from cluster.online.store import OnlineStore
from cluster.online.vectors import VectorBatch
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
    """Vectors of one version, rows of the lake that were added or changed, and vectors that the online store has taken;
    None: it was not asked.
    """

    version: str
    num_items: int
    num_users: int
    num_changed: int
    num_online: int | None = None

    def __str__(self) -> str:
        return (
            f"vectors of version {self.version}: {self.num_items:,} items and {self.num_users:,} users; "
            f"{self.num_changed:,} rows of the lake are new or changed"
            + ("" if self.num_online is None else f"; {self.num_online:,} are in the online store")
        )


def write_vectors(
    lake: Lake,
    registry_uri: str,
    version: str,
    users: Sequence[str] | None = None,
    now: datetime | None = None,
    store: OnlineStore | None = None,
) -> VectorSummary:
    """Upsert the vectors of all items, and of all users of the lake's events (or those of `users`) as of `now`; all of
    them go to `store` as well.

    Left out are users of whom the bundle knows nothing; the store leaves out who refuses personalization or was erased.
    `InputError` for a bundle whose retriever has no vectors, or vectors that are too long for the store.
    """
    recommender, now = recommender_at(registry_uri, version), now or datetime.now(UTC)
    no_vectors = recommender.item_vectors(np.zeros(0, np.int64))
    if no_vectors is None:
        recipe = Registry(registry_uri).manifest(version).recipe
        raise InputError(
            f"version {version} is of recipe {recipe}, whose users and items are no vectors. "
            "Name a version of two_tower, sequence, als or content with --version; shoal models lists them."
        )
    if store is not None:
        VectorBatch((), no_vectors, version, now)  # refuses what is too long before anything is written
    bundle = {"registry_uri": registry_uri, "version": version, "now": now}
    rows = ray.data.range(len(recommender.items)).map_batches(
        item_block, batch_format="pyarrow", batch_size=_ITEM_ROWS, fn_kwargs=bundle
    )
    log = sequences(lake, seed=0, users=None if users is None else set(users))
    people = log.map_batches(user_block, batch_format="pyarrow", batch_size=_USER_ROWS, fn_kwargs=bundle)
    keep_items, keep_users = (store.vectors.keep_items, store.vectors.keep_users) if store else (None, None)
    items = write_rows(lake, Table.ITEM_EMBEDDINGS, _parts(rows, "item_id"), keep_items)
    known = write_rows(lake, Table.USER_EMBEDDINGS, _parts(people, "user_id"), keep_users)
    num_online = items.num_online + known.num_online if store else None
    return VectorSummary(version, items.num_rows, known.num_rows, items.num_changed + known.num_changed, num_online)


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


@dataclass(frozen=True, slots=True)
class Written:
    """Rows there were, rows that were new or changed in the lake, vectors that the online store has taken."""

    num_rows: int = 0
    num_changed: int = 0
    num_online: int = 0


def write_rows(
    lake: Lake, table: Table, parts: Iterable[pa.Table], keep: Callable[[VectorBatch], int] | None
) -> Written:
    """Write parts of a table of vectors, each of one model and moment, to the lake and then by `keep` online."""
    done = Written()
    with progress() as bar:
        task = bar.add_task(f"embeddings: {table}", total=None)
        for part in parts:
            num_changed = lake.upsert(table, part)
            num_online = keep(_batch(table, part)) if keep else 0
            done = Written(done.num_rows + len(part), done.num_changed + num_changed, done.num_online + num_online)
            bar.update(task, completed=done.num_rows)
    return done


def _batch(table: Table, part: pa.Table) -> VectorBatch:
    vectors = part["vector"].combine_chunks().flatten().to_numpy().reshape(len(part), -1)
    ids = part[TABLES[table].key].to_pylist()
    return VectorBatch(ids, vectors, part["model_version"][0].as_py(), part["updated_at"][0].as_py())


def _parts(rows: Dataset, key: str) -> Iterator[pa.Table]:
    for part in rows.sort(key).iter_batches(batch_size=UPSERT_ROWS, batch_format="pyarrow"):
        if len(part):
            yield part
