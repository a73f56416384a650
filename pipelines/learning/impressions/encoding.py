"""From impressions of ids to impressions of rows: what examples are made from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import ray
from numpy.typing import NDArray

from models.contexts import ContextVocabulary, parse_context
from models.errors import InputError
from models.features import FeatureSpec
from models.vocabulary import Vocabulary
from pipelines.learning.impressions.impressions import TARGETS


def encode_impressions(
    block: pa.Table, items: Vocabulary, users: Vocabulary, contexts: ContextVocabulary, spec: FeatureSpec
) -> dict[str, NDArray[Any]]:
    """Columns by user: `user_row`, and the lists that `impressions_examples.expand_impressions` takes.

    Impressions of items that are not in the catalogue are left out; the others keep their positions.
    """
    frame = pl.DataFrame(block).filter(pl.col("shown_us").list.len() > 0)
    numbered = frame.select(pl.int_range(pl.len(), dtype=pl.Int64).alias("user"), *frame.columns)
    history = numbered.select("user", "history_item_ids", "history_us").explode("history_item_ids", "history_us")
    history = history.drop_nulls("history_item_ids").with_columns(_rows("history_item_ids", items, history))
    exposures = numbered.select("user", "shown_us", "countries", "contexts", "num_items").explode(
        "shown_us", "countries", "contexts", "num_items"
    )
    exposures = exposures.drop_nulls("shown_us")
    names = ("item_ids", "positions", "labels", *TARGETS)
    shown = numbered.select("user", *names).explode(*names).drop_nulls("item_ids")
    exposure_of = np.repeat(np.arange(len(exposures)), exposures["num_items"].to_numpy())
    first = np.searchsorted(exposures["user"].to_numpy(), np.arange(len(frame)))  # a user's first exposure
    shown = shown.with_columns(
        pl.Series("exposure", exposure_of - first[shown["user"].to_numpy()], dtype=pl.Int32),
        _rows("item_ids", items, shown),
        pl.concat_list(pl.col(TARGETS).cast(pl.Float32)).alias("targets"),
    ).filter(pl.col("row") >= 0)
    history = history.filter(pl.col("row") >= 0)
    fields = len(contexts.fields)
    countries = {country: spec.country(country) for country in exposures["countries"].unique()}
    context_rows = _context_rows(exposures["contexts"], contexts)
    num_users = len(frame)
    return {
        "user_row": users.buckets(frame["user_id"].to_arrow()),
        "history_rows": _lists(history["user"], history["row"].to_numpy().astype(np.int32), num_users),
        "history_us": _lists(history["user"], history["history_us"].to_numpy(), num_users),
        "shown_us": _lists(exposures["user"], exposures["shown_us"].to_numpy(), num_users),
        "country_rows": _lists(
            exposures["user"], np.asarray([countries[c] for c in exposures["countries"]], np.int32), num_users
        ),
        "context_rows": _lists(exposures["user"], context_rows.reshape(-1), num_users, fields),
        "exposure": _lists(shown["user"], shown["exposure"].to_numpy(), num_users),
        "item_rows": _lists(shown["user"], shown["row"].to_numpy().astype(np.int32), num_users),
        "positions": _lists(shown["user"], shown["positions"].to_numpy(), num_users),
        "labels": _lists(shown["user"], shown["labels"].to_numpy(), num_users),
        "targets": _lists(
            shown["user"],
            shown["targets"].explode().fill_null(np.nan).to_numpy().astype(np.float32),
            num_users,
            len(TARGETS),
        ),
    }


def encode_impressions_block(
    block: pa.Table, items: ray.ObjectRef, users: ray.ObjectRef, **options: Any
) -> dict[str, Any]:
    """`encode_impressions` as a Ray Data task: the vocabularies come by reference, once a node."""
    return encode_impressions(block, ray.get(items), ray.get(users), **options)


def _rows(column: str, items: Vocabulary, frame: pl.DataFrame) -> pl.Series:
    found = items.lookup(frame.drop_nulls(column)[column].to_arrow())
    return pl.Series("row", found, dtype=pl.Int64)


def _context_rows(texts: pl.Series, contexts: ContextVocabulary) -> NDArray[np.int32]:
    """[num_exposures, num_fields]; what is no JSON object counts as no context (`impressions_tally` counts it)."""
    row_of: dict[str | None, NDArray[np.int32]] = {text: _row(text, contexts) for text in texts.unique()}
    rows = [row_of[text] for text in texts]
    return np.stack(rows) if rows else np.zeros((0, len(contexts.fields)), np.int32)


def _row(text: str | None, contexts: ContextVocabulary) -> NDArray[np.int32]:
    try:
        return contexts.rows(parse_context(text))
    except InputError:
        return contexts.rows({})


def _lists(owner: pl.Series, values: NDArray[Any], num_users: int, width: int = 1) -> NDArray[Any]:
    """One array a user from values that lie end to end, `width` for each entry of `owner` (ascending)."""
    lists = np.empty(num_users, dtype=object)
    ends = np.searchsorted(owner.to_numpy(), np.arange(num_users), side="right") * width
    lists[:] = _split(values, ends)
    return lists


def _split(values: NDArray[Any], ends: NDArray[np.int64]) -> Sequence[NDArray[Any]]:
    return np.split(values, ends[:-1]) if len(ends) else []
