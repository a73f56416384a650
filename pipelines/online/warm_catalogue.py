"""Items of the lake, and users who said something of their consent, into the store's catalogue, under what is newer.

An item that the store has never heard of comes quietly: it is no change, and only its document is kept. A row that is
newer than the document in the store replaces it, but never lifts a restriction of which it says nothing, and never
brings a deleted item back.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from cluster.delta.lake import Lake
from cluster.online import catalogue
from cluster.online.catalogue_store import CatalogueStore, Document, Edit
from cluster.online.store import OnlineStore
from models.catalogue_entries import Kind
from models.item_state import ItemState
from models.tables import Table
from models.user_state import EPOCH
from pipelines.online.catalogue_rows import ITEM_COLUMNS, USER_COLUMNS, item_entry, under, user_entry


def warm_catalogue(lake: Lake, store: OnlineStore) -> int:
    """Fill the catalogue from the lake; the number of documents written. Again is a no-op.

    Of users who were erased nothing is taken: the lake may still hold them.
    """
    num_written = 0
    for batch in lake.batches(Table.ITEMS, ITEM_COLUMNS):
        num_written += _write(store.catalogue, Kind.ITEM, batch.to_pylist())
    for batch in lake.batches(Table.USERS, USER_COLUMNS):
        said = [row for row in batch.to_pylist() if row["personalization"] is not None and row["deleted_at"] is None]
        users = store.users([row["user_id"] for row in said])
        here = [row for row, user in zip(said, users, strict=True) if not user.erased]
        num_written += _write(store.catalogue, Kind.USER, here)
    return num_written


def _write(store: CatalogueStore, kind: Kind, rows: list[dict[str, Any]]) -> int:
    found = store.get(kind, [row[kind.key] for row in rows])
    edit_of = _item_edit if kind is Kind.ITEM else _user_edit
    edits = [edit_of(row, before) for row, before in zip(rows, found, strict=True)]
    # An edit that finds another version has come after somebody's write, which is newer.
    outcomes = store.write(kind, [edit for edit in edits if edit is not None])
    return sum(outcome is not None and outcome.changed for outcome in outcomes)


def _item_edit(row: Mapping[str, Any], before: Document | None) -> Edit | None:
    id_ = row["item_id"]
    if before is not None:
        updated_us = (row["updated_at"] - EPOCH) // timedelta(microseconds=1)
        if before.body is None or before.version >= updated_us:
            return None
    expected = before.version if before else 0
    if row["deleted_at"] is not None:
        return Edit(id_, None, ItemState.of(None).to_bytes(), restricted=True, expected=expected)
    entry = item_entry(row)
    if before is None:
        return catalogue.edit(id_, entry, expected=0, quiet=True)
    return catalogue.edit(id_, under(entry, before), expected=expected)


def _user_edit(row: Mapping[str, Any], before: Document | None) -> Edit | None:
    """Only where nothing was ever put: a profile is its application's, whatever a later ingest says."""
    return None if before is not None else catalogue.edit(row["user_id"], user_entry(row), expected=0, quiet=True)
