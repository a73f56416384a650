"""The exposure: what was shown to whom, where, by which variant and model, with what probability."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import pyarrow as pa

from models.events import SCHEMA_VERSION, TIMESTAMP

EXPOSURES = pa.schema(
    [
        pa.field("recommendation_id", pa.string(), nullable=False),
        pa.field("user_id", pa.string(), nullable=False),
        pa.field("surface", pa.string(), nullable=False),
        pa.field("variant", pa.string(), nullable=False),
        pa.field("model_version", pa.string()),
        pa.field("fallback", pa.string()),
        pa.field("item_ids", pa.list_(pa.string()), nullable=False),
        # Probability with which the assignment chose this variant for a random user.
        pa.field("propensity", pa.float32(), nullable=False),
        pa.field("timestamp", TIMESTAMP, nullable=False),
        pa.field("date", pa.date32(), nullable=False),
        # Circumstances of the request as one JSON object of strings, such as {"daytime": "morning"}.
        pa.field("context", pa.string()),
        # Of each item the probability of it at its place, given those above; null where nothing was left to chance.
        pa.field("propensities", pa.list_(pa.float32())),
        # Items of the same recommendation on the pages before this one; null: none.
        pa.field("num_above", pa.int32()),
    ],
    metadata={"schema_version": str(SCHEMA_VERSION)},
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Exposure:
    """One answer as it was shown; `surface` is `home` or `similar`. Further pages have the id of the first."""

    recommendation_id: str
    user_id: str
    surface: str
    variant: str
    model_version: str | None
    fallback: str | None
    item_ids: tuple[str, ...]
    propensity: float
    timestamp: datetime
    context: str | None = None
    propensities: tuple[float, ...] | None = None
    num_above: int | None = None
