"""Whose rows training may use: not those of people who refuse personalization, nor what was logged without an id."""

from __future__ import annotations

import polars as pl

from models.privacy import ANONYMOUS_ID


def willing(rows: pl.DataFrame) -> pl.DataFrame:
    """The rows of all other users. `personalization` is what a user's profile says; null on every other row."""
    refused = rows.filter(~pl.col("personalization"))["user_id"]
    return rows.filter(~pl.col("user_id").is_in(refused.implode()) & (pl.col("user_id") != ANONYMOUS_ID))
