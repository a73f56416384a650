"""Every table of the lake by name: its schema, key and partition columns."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import pyarrow as pa

from models.catalogue import ITEMS, USERS
from models.embeddings import ITEM_EMBEDDINGS, USER_EMBEDDINGS
from models.events import INTERACTIONS
from models.exposures import EXPOSURES
from models.quarantine import QUARANTINE


class Table(StrEnum):
    """The tables of the lake."""

    USERS = "users"
    ITEMS = "items"
    INTERACTIONS = "interactions"
    USER_EMBEDDINGS = "user_embeddings"
    ITEM_EMBEDDINGS = "item_embeddings"
    EXPOSURES = "exposures"
    QUARANTINE = "quarantine"


@dataclass(frozen=True, slots=True)
class TableSpec:
    """How one table is laid out. `key` identifies a row, `partition_by` is its folder layout."""

    schema: pa.Schema
    key: str
    partition_by: tuple[str, ...] = ()


TABLES: dict[Table, TableSpec] = {
    Table.USERS: TableSpec(USERS, "user_id"),
    Table.ITEMS: TableSpec(ITEMS, "item_id"),
    Table.INTERACTIONS: TableSpec(INTERACTIONS, "interaction_id", ("date",)),
    Table.USER_EMBEDDINGS: TableSpec(USER_EMBEDDINGS, "user_id"),
    Table.ITEM_EMBEDDINGS: TableSpec(ITEM_EMBEDDINGS, "item_id"),
    Table.EXPOSURES: TableSpec(EXPOSURES, "recommendation_id", ("date",)),
    Table.QUARANTINE: TableSpec(QUARANTINE, "quarantine_id"),
}
