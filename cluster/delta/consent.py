"""Consent in the lake's users table, where training reads it. Nothing else of a row changes."""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, datetime

import pyarrow as pa

from cluster.delta.lake import Lake
from models.catalogue import USERS
from models.tables import Table


def keep_consent(lake: Lake, user_ids: Collection[str], personalization: bool) -> None:
    """Write what the users decided; who has no row gets one."""
    ids = sorted(set(user_ids))
    columns = {
        "user_id": ids,
        "personalization": [personalization] * len(ids),
        "updated_at": [datetime.now(UTC)] * len(ids),
    }
    wanted = pa.schema([field for field in USERS if field.name in columns])
    lake.upsert(Table.USERS, pa.table({name: columns[name] for name in wanted.names}, schema=wanted))
