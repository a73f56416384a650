"""Learned vectors as the lake keeps them: one row a user or item, with the version of the model that made it.

Vectors of two versions mean nothing to one another: a reader asks for one `model_version`.
"""

from __future__ import annotations

import pyarrow as pa

from models.events import SCHEMA_VERSION, TIMESTAMP


def _schema(id_column: str) -> pa.Schema:
    return pa.schema(
        [
            pa.field(id_column, pa.string(), nullable=False),
            pa.field("vector", pa.list_(pa.float32()), nullable=False),
            pa.field("model_version", pa.string(), nullable=False),
            pa.field("updated_at", TIMESTAMP, nullable=False),
        ],
        metadata={"schema_version": str(SCHEMA_VERSION)},
    )


USER_EMBEDDINGS = _schema("user_id")
ITEM_EMBEDDINGS = _schema("item_id")
