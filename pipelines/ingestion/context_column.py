"""The context of interactions: the source's own column of JSON objects, and its columns that we have no name for."""

from __future__ import annotations

import json

import polars as pl

from pipelines.ingestion import fields


def context_column(own: pl.Series, extra: pl.Series) -> tuple[pl.Series, pl.Series]:
    """One JSON object a row or null, and where `own` is none. A name in both is the own column's."""
    if own.dtype == pl.Struct:
        own = own.struct.json_encode()
    own = fields.text(own)
    if own.null_count() == len(own):
        return extra, own.is_not_null()
    parsed = {text: _object(text) for text in own.drop_nulls().unique()}
    bad = pl.Series([text is not None and parsed[text] is None for text in own], dtype=pl.Boolean)
    joined = [
        more if text is None or parsed[text] is None else text if more is None else _joined(more, parsed[text])
        for text, more in zip(own, extra, strict=True)
    ]
    return pl.Series("context", joined, dtype=pl.String), bad


def _object(text: str) -> dict[str, object] | None:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _joined(extra: str, own: dict[str, object] | None) -> str:
    return json.dumps({**json.loads(extra), **(own or {})}, ensure_ascii=False, sort_keys=True)
