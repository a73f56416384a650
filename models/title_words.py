"""The words of titles as buckets: what tells of an item before anyone has turned to it."""

from __future__ import annotations

import polars as pl

from models.ragged import Ragged
from models.vocabulary import hash_bucket

MAX_WORDS = 12
"""Distinct words of a title that count, from its beginning."""
_WORD = r"\w{2,}"


def title_words(titles: pl.Series, num_buckets: int) -> Ragged:
    """Buckets of each title's words, lower-cased, of two characters or more; none for a null.

    Column by column, and each distinct word hashed once: 10 M titles take seconds.
    """
    words = titles.cast(pl.String).str.to_lowercase().str.extract_all(_WORD).list.unique(maintain_order=True)
    kept = words.list.head(MAX_WORDS)
    flat = kept.explode(keep_nulls=False, empty_as_null=False)
    distinct = flat.unique()
    buckets = [hash_bucket(word, num_buckets) for word in distinct]
    return Ragged.of(flat.replace_strict(distinct, buckets, return_dtype=pl.Int32), kept.list.len().fill_null(0))
