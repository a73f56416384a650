"""Rows of vectors go to the lake and to both online stores; who refuses is in the store with none."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from cluster.delta.lake import Lake
from cluster.online.consent import set_consent
from cluster.online.store import OnlineStore
from models.tables import TABLES, Table
from pipelines.answers.vectors import Written, write_rows
from tests.cluster.online.stores import open_fresh, store  # noqa: F401  (fixtures)
from tests.cluster.redis.redis_server import redis_url  # noqa: F401  (a fixture)

NOW = datetime(2026, 1, 31, tzinfo=UTC)


def rows(*user_ids: str, version: str = "v1") -> pa.Table:
    """The vector of the n-th user is the n-th unit vector, of four coordinates."""
    columns = [user_ids, np.eye(4, dtype=np.float32)[: len(user_ids)].tolist(), [version] * len(user_ids)]
    schema = TABLES[Table.USER_EMBEDDINGS].schema
    return pa.table(dict(zip(schema.names, [*columns, [NOW] * len(user_ids)], strict=True)), schema=schema)


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(f"{tmp_path}/lake")


def test_each_part_goes_to_both(store: OnlineStore, lake: Lake) -> None:  # noqa: F811
    set_consent(store, ["bob"], False)
    parts = [rows("ann", "bob"), rows("cid", "dan", "eve")]
    keep = store.vectors.keep_users
    assert write_rows(lake, Table.USER_EMBEDDINGS, parts, keep) == Written(5, 5, 4)
    assert write_rows(lake, Table.USER_EMBEDDINGS, parts, keep) == Written(5, 0, 4)
    ann, bob, eve = store.user_vectors(["ann", "bob", "eve"])
    assert (bob, ann and ann.vector.tolist(), eve and eve.vector.tolist()) == (None, [1, 0, 0, 0], [0, 0, 1, 0])
    assert ann is not None
    assert (ann.model_version, ann.updated_at) == ("v1", NOW)
    assert store.item_vectors(["ann"]) == [None]


def test_without_a_store_the_lake_alone_is_written(lake: Lake) -> None:
    assert write_rows(lake, Table.USER_EMBEDDINGS, [rows("ann")], None) == Written(1, 1, 0)
    assert lake.read(Table.USER_EMBEDDINGS)["user_id"].to_pylist() == ["ann"]
