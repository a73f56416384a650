"""What was put, patched and deleted into the lake's `items` and `users`, each id as it is now.

    read a part of the changes ─> read their documents ─> upsert ─> record how far

The lake itself records, for this store, the last version that it holds, in a commit behind the upsert. A crash between
the two is mended by running again: an upsert of what is there changes nothing. A sink reads on from its own last
version until nothing new is left, so of several at once the last to write an id has read its newest document.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from cluster.delta.lake import AppTransaction, Lake
from cluster.online.store import OnlineStore
from models.catalogue_entries import Kind
from models.tables import TABLES
from pipelines.online.catalogue_rows import TABLE_OF, rows_of

BATCH_SIZE = 10_000
"""Ids of one upsert."""


@dataclass(frozen=True, slots=True)
class CatalogueSummary:
    """How many changed ids one run moved; a replay counts what it moves again."""

    num_items: int = 0
    num_users: int = 0


def catalogue_sink(
    store: OnlineStore,
    lake: Lake,
    *,
    batch_size: int = BATCH_SIZE,
    on_batch: Callable[[CatalogueSummary], None] | None = None,
) -> CatalogueSummary:
    """Move everything that has changed up to now. Can be run again at any time, and beside itself."""
    moved, app_id = dict.fromkeys(Kind, 0), f"catalogue-sink-{store.identity()}"
    for kind in Kind:
        after = max(0, lake.applied(TABLE_OF[kind], app_id))
        while changes := store.catalogue.changes(kind, after, batch_size):
            after = changes[-1].version
            _move(store, lake, kind, [change.id for change in changes], AppTransaction(app_id, after))
            moved[kind] += len(changes)
            if on_batch is not None:
                on_batch(CatalogueSummary(moved[Kind.ITEM], moved[Kind.USER]))
    return CatalogueSummary(moved[Kind.ITEM], moved[Kind.USER])


def _move(store: OnlineStore, lake: Lake, kind: Kind, ids: Sequence[str], through: AppTransaction) -> None:
    table = TABLE_OF[kind]
    documents = [kept for kept in store.catalogue.get(kind, ids) if kept is not None]
    lake.upsert(table, rows_of(kind, documents))
    if kind is Kind.USER:  # who was erased meanwhile must not come back
        left = store.catalogue.get(kind, [kept.id for kept in documents])
        gone = [kept.id for kept, now in zip(documents, left, strict=True) if now is None]
        lake.erase(table, "user_id", gone)
    # No rows: the commit says how far the table is. False, when another sink is further, is as good.
    lake.append(table, TABLES[table].schema.empty_table(), through)
