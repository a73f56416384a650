"""The index of a retriever that is exported, its recall measured on the users who validate."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from cluster.commands.console import say
from models.features import UserBatch
from models.index.arrays import Vectors
from models.index.config import IndexConfig
from models.index.vector_index import VectorIndex
from models.retrievers.loading import INDEX_FILE
from pipelines.learning.data.held_out import HeldOut

_MAX_USERS = 1_024


def save_index(
    out: Path, vectors: Vectors, encode: Callable[[UserBatch], Vectors], held_out: HeldOut | None, seed: int
) -> VectorIndex:
    """Build and write the index of [num_items, dim] and its record; without validation users, items stand in for them.

    `encode` makes of users what the index will be asked.
    """
    users = None if held_out is None else held_out.take(slice(0, _MAX_USERS)).examples.users
    index = VectorIndex.build(vectors, None if users is None else encode(users), IndexConfig(seed=seed))
    index.save(out / INDEX_FILE)
    if index.record is not None and index.record.kind != "exact":
        record = index.record
        say(
            f"index {record.kind} of {record.num_items:,} items: recall@100 is {record.recall_at_100:.3f} at "
            f"{record.nprobe} lists a query, {record.num_bytes / 1e6:,.0f} MB, built in {record.build_s:.0f} s"
        )
    return index
