"""Users and items as the lake keeps them."""

from __future__ import annotations

import pyarrow as pa

from models.events import SCHEMA_VERSION, TIMESTAMP

USERS = pa.schema(
    [
        pa.field("user_id", pa.string(), nullable=False),
        pa.field("country", pa.string()),
        # Whatever else is known of the user (age, gender, …), as one JSON object.
        pa.field("attributes", pa.string()),
        pa.field("updated_at", TIMESTAMP, nullable=False),
        # The user's consent; null when it was never asked.
        pa.field("personalization", pa.bool_()),
        # When the profile was taken back: until it is put again nothing here counts.
        pa.field("deleted_at", TIMESTAMP),
        # Sealed under the user's own key (`cluster/privacy/emails.py`); no feature is made of it.
        pa.field("email_encrypted", pa.string()),
    ],
    metadata={"schema_version": str(SCHEMA_VERSION)},
)

ITEMS = pa.schema(
    [
        pa.field("item_id", pa.string(), nullable=False),
        pa.field("title", pa.string()),
        pa.field("categories", pa.list_(pa.string())),
        pa.field("tags", pa.list_(pa.string())),
        pa.field("released", pa.date32()),
        pa.field("description", pa.string()),
        pa.field("attributes", pa.string()),
        pa.field("updated_at", TIMESTAMP, nullable=False),
        # False takes it out of every answer; null says nothing.
        pa.field("available", pa.bool_()),
        pa.field("expires_at", TIMESTAMP),
        # Where it may be shown; null is everywhere.
        pa.field("countries", pa.list_(pa.string())),
        # When it was taken out of the catalogue: until it is put again it is in no answer.
        pa.field("deleted_at", TIMESTAMP),
    ],
    metadata={"schema_version": str(SCHEMA_VERSION)},
)
