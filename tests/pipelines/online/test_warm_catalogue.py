"""The lake fills the store's catalogue under what is newer there, and lifts nothing of which it says nothing."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from deltalake import write_deltalake

from cluster.delta.lake import Lake
from cluster.online import catalogue
from cluster.sqlite.store import SqliteStore
from models.catalogue import ITEMS, USERS
from models.catalogue_entries import Kind, document, parse_entry
from models.errors import NotFoundError
from models.item_state import ItemState
from models.tables import Table
from pipelines.online.catalogue_sink import catalogue_sink
from pipelines.online.warm import warm
from pipelines.online.warm_catalogue import warm_catalogue

LONG_AGO = datetime(2025, 1, 1, tzinfo=UTC)


@pytest.fixture
def store(tmp_path: Path) -> SqliteStore:
    return SqliteStore(str(tmp_path / "online.db"))


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(str(tmp_path / "lake"))


def upsert(lake: Lake, item_id: str, updated_at: datetime = LONG_AGO, **fields: Any) -> None:
    rows = [{"item_id": item_id, "categories": [], "tags": [], "updated_at": updated_at, **fields}]
    lake.upsert(Table.ITEMS, pa.Table.from_pylist(rows, ITEMS))


def put(store: SqliteStore, item_id: str, **fields: Any) -> None:
    catalogue.put(store.catalogue, Kind.ITEM, [(item_id, parse_entry(Kind.ITEM, fields))])


def kept(store: SqliteStore, item_id: str) -> Any:
    return catalogue.get(store.catalogue, Kind.ITEM, item_id).entry


def restricted(store: SqliteStore) -> dict[str, ItemState]:
    changes = store.catalogue.changes(Kind.ITEM, 0, 100, restricted=True)
    return {change.id: ItemState.from_bytes(change.state) for change in changes}


def later() -> datetime:
    return datetime.now(UTC) + timedelta(minutes=1)


def test_a_fresh_store_has_every_item_and_tells_only_of_restricted_ones(store: SqliteStore, lake: Lake) -> None:
    full = {"title": "A", "categories": ["x"], "tags": ["t"], "description": "…", "attributes": '{"b":[1]}'}
    upsert(lake, "a", released=date(2024, 5, 1), **full)
    upsert(lake, "off", available=False)
    upsert(lake, "ends", expires_at=datetime(2030, 1, 1, tzinfo=UTC), countries=["NO"])
    upsert(lake, "gone", deleted_at=LONG_AGO)
    assert warm_catalogue(lake, store) == 4
    version = store.fetch([]).items_version
    assert warm_catalogue(lake, store) == 0
    assert store.fetch([]).items_version == version
    attributes = {"attributes", "categories", "tags"}
    rest = {name: value for name, value in full.items() if name not in attributes}
    expected = {**rest, "categories": ["x"], "tags": ["t"], "metadata": {"b": [1]}, "released_at": "2024-05-01"}
    assert kept(store, "a") == parse_entry(Kind.ITEM, expected)
    assert restricted(store) == {
        "off": ItemState(blocked=True),
        "ends": ItemState(expires_us=1_893_456_000_000_000, countries=("NO",)),
        "gone": ItemState(blocked=True),
    }
    with pytest.raises(NotFoundError):
        kept(store, "gone")
    assert catalogue_sink(store, Lake(lake.uri)).num_items == 3


def test_what_was_put_later_stays(store: SqliteStore, lake: Lake) -> None:
    upsert(lake, "a", title="old", available=False)
    put(store, "a", title="new")
    put(store, "b", available=False)
    catalogue_sink(store, lake)
    assert warm_catalogue(lake, store) == 0
    assert (kept(store, "a").title, set(restricted(store))) == ("new", {"b"})


def test_a_newer_row_replaces_but_lifts_nothing_of_which_it_is_silent(store: SqliteStore, lake: Lake) -> None:
    put(store, "a", title="old", available=False, countries=["NO"])
    put(store, "b", title="old", available=False)
    upsert(lake, "a", later(), title="new")
    upsert(lake, "b", later(), title="new", available=True)
    assert warm_catalogue(lake, store) == 2
    assert kept(store, "a") == parse_entry(Kind.ITEM, {"title": "new", "available": False, "countries": ["NO"]})
    assert (kept(store, "b").title, set(restricted(store))) == ("new", {"a"})


def test_a_deleted_item_does_not_come_back(store: SqliteStore, lake: Lake) -> None:
    catalogue.delete(store.catalogue, Kind.ITEM, ["a"])
    upsert(lake, "a", later(), title="new")
    assert warm_catalogue(lake, store) == 0
    assert set(restricted(store)) == {"a"}


def test_consent_and_restrictions_outlive_the_store(store: SqliteStore, lake: Lake, tmp_path: Path) -> None:
    put(store, "a", title="A", available=False)
    catalogue.delete(store.catalogue, Kind.ITEM, ["b"])
    for user_id, fields in {
        "ann": {"personalization": False, "country": "NO", "attributes": {"age": 25, "b": [1]}},
        "bob": {"country": "SE"},
        "cyd": {"country": "DK", "personalization": True},
    }.items():
        catalogue.put(store.catalogue, Kind.USER, [(user_id, parse_entry(Kind.USER, fields))])
    catalogue.delete(store.catalogue, Kind.USER, ["cyd"])
    catalogue_sink(store, lake)
    fresh = SqliteStore(str(tmp_path / "fresh.db"))
    for _ in range(2):
        warm(lake, fresh)
        assert set(restricted(fresh)) == {"a", "b"}
        ann, bob, cyd = fresh.users(["ann", "bob", "cyd"])
        assert (ann.country, ann.attributes, ann.personalization) == ("NO", {}, False)
        assert (bob.country, bob.personalization) == ("SE", None)
        assert (cyd.country, cyd.personalization) == (None, None)
    fields = {"country": "NO", "attributes": {"age": 25, "b": [1]}, "personalization": False}
    assert catalogue.get(fresh.catalogue, Kind.USER, "ann").entry == parse_entry(Kind.USER, fields)


def test_a_row_that_no_entry_may_be_keeps_its_restrictions(store: SqliteStore, lake: Lake) -> None:
    upsert(lake, "a", description="x" * 100_000, available=False)
    upsert(lake, "b", title="B", attributes="no JSON")
    upsert(lake, "c", title="C", categories=["x" * 200])
    warm_catalogue(lake, store)
    assert document(kept(store, "a")) == b'{"available":false}'
    assert document(kept(store, "b")) == b'{"title":"B"}'
    assert document(kept(store, "c")) == b"{}"


def test_a_lake_of_before_still_warms(store: SqliteStore, lake: Lake) -> None:
    Path(lake.uri).mkdir()
    for table, schema, key, new in (
        (Table.ITEMS, ITEMS, "item_id", {"available", "expires_at", "countries", "deleted_at"}),
        (Table.USERS, USERS, "user_id", {"personalization", "deleted_at"}),
    ):
        old = pa.schema([field for field in schema if field.name not in new])
        rows = [{key: "x", "title": "X", "country": "NO", "updated_at": LONG_AGO}]
        write_deltalake(lake.table_uri(table), pa.Table.from_pylist(rows, schema=old))
    warm(lake, store)
    assert kept(store, "x").title == "X"
    assert store.users(["x"])[0].country == "NO"
