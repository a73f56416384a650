"""Entries of the catalogue to rows of the lake's `items` and `users`, and back."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

import orjson
import pyarrow as pa

from cluster.online.catalogue_store import Document
from models.catalogue_entries import ItemEntry, Kind, UserEntry, entry_of, parse_entry
from models.errors import InputError
from models.tables import TABLES, Table
from models.user_state import EPOCH

TABLE_OF: dict[Kind, Table] = {Kind.ITEM: Table.ITEMS, Kind.USER: Table.USERS}
ITEM_COLUMNS = tuple(name for name in TABLES[Table.ITEMS].schema.names)
USER_COLUMNS = ("user_id", "country", "attributes", "personalization", "deleted_at")
_FROM_ELSEWHERE = ("email_encrypted",)
RESTRICTIONS = ("available", "expires_at", "countries")


def rows_of(kind: Kind, documents: Sequence[Document]) -> pa.Table:
    """The documents as rows of their table, without what no document says; a deleted one has its key and the moment."""
    schema = pa.schema([field for field in TABLES[TABLE_OF[kind]].schema if field.name not in _FROM_ELSEWHERE])
    return pa.Table.from_pylist([_row(kind, kept) for kept in documents], schema=schema)


def item_entry(row: Mapping[str, Any]) -> ItemEntry:
    """The entry of an item's row; of one that is too large, or says what no entry may, only its restrictions."""
    fields = {name: row[name] for name in ("title", "description", *RESTRICTIONS)}
    fields |= {name: row[name] or None for name in ("categories", "tags")}
    fields["metadata"] = _object(row["attributes"])
    fields["released_at"] = None if row["released"] is None else row["released"].isoformat()
    try:
        entry = parse_entry(Kind.ITEM, fields)
    except InputError:
        entry = parse_entry(Kind.ITEM, {name: row[name] for name in RESTRICTIONS})
    assert isinstance(entry, ItemEntry)
    return entry


def user_entry(row: Mapping[str, Any]) -> UserEntry:
    """The entry of a user's row; of one whose attributes are too large without them."""
    fields = {"country": row["country"], "personalization": row["personalization"]}
    try:
        entry = parse_entry(Kind.USER, {**fields, "attributes": _object(row["attributes"])})
    except InputError:
        entry = parse_entry(Kind.USER, fields)
    assert isinstance(entry, UserEntry)
    return entry


def under(entry: ItemEntry, before: Document) -> ItemEntry:
    """The entry, and where it says nothing of a restriction what the document said."""
    if before.body is None:
        return entry
    said = entry_of(Kind.ITEM, before.body)
    silent = [name for name in RESTRICTIONS if getattr(entry, name) is None]
    return entry.model_copy(update={name: getattr(said, name) for name in silent})


def _row(kind: Kind, kept: Document) -> dict[str, Any]:
    moment = EPOCH + timedelta(microseconds=kept.version)
    row = {kind.key: kept.id, "updated_at": moment}
    if kept.body is None:
        return {**row, "deleted_at": moment}
    entry = entry_of(kind, kept.body)
    return {**row, **(_item(entry) if isinstance(entry, ItemEntry) else _user(entry))}


def _item(entry: ItemEntry) -> dict[str, Any]:
    as_they_are = ("title", "categories", "tags", "description", *RESTRICTIONS)
    return {
        **{name: getattr(entry, name) for name in as_they_are},
        "released": None if entry.released_at is None else _day(entry.released_at),
        "attributes": _text(entry.metadata),
    }


def _user(entry: UserEntry) -> dict[str, Any]:
    return {
        "country": entry.country,
        "attributes": _text(entry.attributes),
        "personalization": entry.personalization,
    }


def _day(released_at: str) -> date:
    """The day in UTC; as it is written where UTC has none, at the ends of the years 1 and 9999."""
    moment = datetime.fromisoformat(released_at)
    try:
        return moment.date() if moment.tzinfo is None else moment.astimezone(UTC).date()
    except OverflowError:
        return moment.date()


def _text(value: dict[str, Any] | None) -> str | None:
    return None if value is None else orjson.dumps(value).decode()


def _object(text: str | None) -> dict[str, Any] | None:
    """The JSON object of a column; None for anything else."""
    try:
        value = json.loads(text) if text else None
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None
