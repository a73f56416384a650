"""Vectors in the online store: what was kept comes back, for so long, and never of who left or refused. Both stores."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import redis
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from cluster.online import catalogue
from cluster.online.consent import set_consent
from cluster.online.store import OnlineStore
from cluster.online.vectors import MAX_DIM, VECTOR_LIFE_S, StoredVector, VectorBatch, stored
from cluster.redis.store import RedisStore
from cluster.sqlite import vectors as sqlite_vectors
from cluster.sqlite.store import SqliteStore
from models.catalogue_entries import Kind, UserEntry
from models.errors import InputError
from models.privacy import ANONYMOUS_ID
from tests.cluster.online.store_suite import event
from tests.cluster.online.stores import Open

NOW = datetime(2026, 1, 31, 12, 0, 0, 7, UTC)
ODD_IDS = ["é" * 64, "🐟" * 32, "a\x00b", "{0}", "x' OR 1=1 --", " "]


def batch(*ids: str, dim: int = 8, version: str = "v1", at: datetime = NOW, first: float = 1.0) -> VectorBatch:
    """The vector of the n-th id is first + n in each coordinate."""
    numbers = first + np.arange(len(ids), dtype=np.float32)
    return VectorBatch(ids, np.repeat(numbers[:, None], dim, axis=1), version, at)


def said(found: StoredVector | None) -> tuple[float, str, datetime] | None:
    return None if found is None else (float(found.vector[0]), found.model_version, found.updated_at)


@given(
    arrays(np.float32, (3, 5), elements=st.floats(-(2.0**100), 2.0**100, width=32)),
    st.text(max_size=40),
    st.datetimes(datetime(1970, 1, 1), datetime(9999, 1, 1)),
)
def test_a_record_gives_back_its_vector_to_half_precision(numbers: Any, version: str, moment: datetime) -> None:
    made = VectorBatch(["a", "b", "c"], numbers, version, moment.replace(tzinfo=UTC))
    for row, (_, record) in zip(numbers, made.records(), strict=True):
        found = stored(record)
        assert found is not None
        np.testing.assert_allclose(found.vector, row, rtol=0, atol=2**-11 * float(np.abs(row).max()) + 1e-37)
        assert (found.model_version, found.updated_at) == (version, made.updated_at)
        assert len(record) == 13 + len(version.encode()) + 2 * 5


def test_users_and_items_come_back_in_order_and_apart(store: OnlineStore) -> None:
    assert store.vectors.keep_users(batch("ann", "bob")) == 2
    assert store.vectors.keep_items(batch("ann", first=5)) == 1
    found = store.user_vectors(["bob", "nobody", "ann", "bob"])
    assert list(map(said, found)) == [(2, "v1", NOW), None, (1, "v1", NOW), (2, "v1", NOW)]
    assert list(map(said, store.item_vectors(["bob", "ann"]))) == [None, (5, "v1", NOW)]
    assert store.user_vectors([]) == store.item_vectors([]) == []
    assert store.vectors.keep_users(batch()) == store.vectors.keep_items(batch()) == 0
    assert "1." not in repr(found[0])


def test_the_newest_writing_stands(store: OnlineStore, open_fresh: Open) -> None:
    later = NOW + timedelta(days=1)
    for _ in range(2):
        store.vectors.keep_users(batch("ann", "bob"))
        store.vectors.keep_users(batch("ann", version="v2", dim=3, at=later, first=9))
    other = open_fresh() if isinstance(store, SqliteStore) else store
    assert list(map(said, other.user_vectors(["ann", "bob"]))) == [(9, "v2", later), (2, "v1", NOW)]
    [ann] = other.user_vectors(["ann"])
    assert ann is not None
    assert ann.vector.shape == (3,)


def test_any_id_and_thousands_at_once(store: OnlineStore) -> None:
    ids = [*ODD_IDS, *(f"id-{n}" for n in range(2_500))]
    for keep, read in (
        (store.vectors.keep_users, store.user_vectors),
        (store.vectors.keep_items, store.item_vectors),
    ):
        assert keep(batch(*ids)) == len(ids)
        # The largest coordinate is kept whole.
        assert [said(found) for found in read(ids)] == [(1 + n, "v1", NOW) for n in range(len(ids))]


def test_vectors_that_are_too_long_are_refused_with_the_way_out() -> None:
    batch("ann", dim=MAX_DIM)
    with pytest.raises(InputError, match=r"2,049 coordinates.*--no-store"):
        batch("ann", dim=MAX_DIM + 1)


def test_nobody_in_particular_has_none(store: OnlineStore) -> None:
    assert store.vectors.keep_users(batch(ANONYMOUS_ID, "ann")) == 1
    assert list(map(said, store.user_vectors([ANONYMOUS_ID, "ann"]))) == [None, (2, "v1", NOW)]


def test_who_refuses_loses_theirs_and_gets_none(store: OnlineStore) -> None:
    store.vectors.keep_users(batch("ann", "bob"))
    set_consent(store, ["ann"], False)
    assert list(map(said, store.user_vectors(["ann", "bob"]))) == [None, (2, "v1", NOW)]
    assert store.vectors.keep_users(batch("ann", "bob", first=3)) == 1
    assert list(map(said, store.user_vectors(["ann", "bob"]))) == [None, (4, "v1", NOW)]
    set_consent(store, ["ann"], True)
    assert store.vectors.keep_users(batch("ann")) == 1


def test_who_is_erased_loses_theirs_and_a_writer_from_before_brings_none_back(open_fresh: Open) -> None:
    store, writer = open_fresh(), open_fresh()
    writer.vectors.keep_users(batch("ann", "bob"))
    assert store.privacy.hide(["ann"], "job", b"").entries["vector"] == 1
    assert store.privacy.hide(["ann"], "job-2", b"").entries["vector"] == 0
    assert writer.vectors.keep_users(batch("ann", "bob", first=7)) == 1
    assert list(map(said, store.user_vectors(["ann", "bob"]))) == [None, (8, "v1", NOW)]
    store.close()
    writer.close()


def test_a_profile_that_is_deleted_takes_the_vector_along(store: OnlineStore) -> None:
    catalogue.put(store.catalogue, Kind.USER, [("ann", UserEntry(country="NO"))])
    store.vectors.keep_users(batch("ann"))
    store.vectors.keep_items(batch("ann"))
    catalogue.delete(store.catalogue, Kind.USER, ["ann"])
    assert store.user_vectors(["ann"]) == [None]
    assert store.item_vectors(["ann"]) != [None]


def test_vectors_end_in_redis(empty_redis_url: str) -> None:
    store = RedisStore(empty_redis_url)
    store.vectors.keep_users(batch("ann"))
    store.vectors.keep_items(batch("i1"))
    with redis.Redis.from_url(empty_redis_url) as client:
        lives = [client.ttl(name) for name in client.scan_iter("*vector:*")]
    assert len(lives) == 2
    assert all(0 < life <= VECTOR_LIFE_S for life in lives)
    store.close()


def test_vectors_end_in_sqlite_and_leave_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = SqliteStore(str(tmp_path / "online.db"))
    store.vectors.keep_users(batch("ann", "bob"))
    assert None not in store.user_vectors(["ann", "bob"])
    late: Callable[[], int] = lambda: time.time_ns() // 1_000 + (VECTOR_LIFE_S + 1) * 1_000_000  # noqa: E731
    monkeypatch.setattr(sqlite_vectors, "_now_us", late)
    assert store.user_vectors(["ann", "bob"]) == [None, None]
    store.vectors.keep_users(batch("cid"))
    with store._file.read() as db:
        assert db.execute("SELECT id FROM vectors").fetchall() == [("cid",)]
    store.close()


def test_a_file_from_before_there_were_vectors_moves_along(tmp_path: Path) -> None:
    path = str(tmp_path / "online.db")
    store = SqliteStore(path)
    store.append([event(1)])
    with store._file.write() as db:
        db.execute("DROP TABLE vectors")
        db.execute("PRAGMA user_version = 5")
    store.close()
    again = SqliteStore(path)
    assert again.vectors.keep_users(batch("ann")) == 1
    assert len(again.users(["ann"])[0].history) == 1
    again.close()
