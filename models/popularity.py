"""Popular items, everywhere and by country: the baseline, and what a stranger is answered with."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

FILE = "popular.parquet"
LIST_LENGTH = 200
HALF_LIFE_DAYS = 14.0


class Popularity:
    """Lists of item rows by country, best first; `None` is everywhere."""

    def __init__(self, table: pa.Table) -> None:
        frame = pl.DataFrame(table).sort("country", "rank", nulls_last=False)
        self._lists: dict[str | None, tuple[NDArray[np.int64], NDArray[np.float32]]] = {
            country: (part["item_row"].to_numpy(), part["score"].cast(pl.Float32).to_numpy())
            for (country,), part in frame.partition_by("country", as_dict=True).items()
        }

    @classmethod
    def load(cls, folder: Path) -> Popularity:
        """Read `popular.parquet` of a bundle."""
        return cls(pq.read_table(folder / FILE))

    def top(self, country: str | None) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Item rows and scores: the country's own list, continued by the list of everywhere."""
        rows, scores = self._lists[None]
        own = self._lists.get(country) if country else None
        if own is None:
            return rows, scores
        rest = ~np.isin(rows, own[0])
        # Shares of the country lie above any share of the rest, so the list stays in one order.
        return np.concatenate([own[0], rows[rest]]), np.concatenate([own[1], scores[rest] * 1e-3])

    def knows(self, country: str | None) -> bool:
        """True when the country has a list of its own."""
        return country is not None and country in self._lists

    def in_country(self, country: str | None, rows: NDArray[np.int64]) -> NDArray[np.bool_]:
        """For each item row, whether it stands on the country's own list."""
        if not self.knows(country):
            return np.zeros(len(rows), np.bool_)
        return np.isin(rows, self._lists[country][0])


def popular_lists(counts: pl.DataFrame, num_items: int) -> pa.Table:
    """Lists from time-decayed counts (columns `country`, `item_row`, `score`; null country is unknown).

    A score is the item's share of its list's decayed events. Everywhere lists every item up to `LIST_LENGTH`,
    never-seen ones last, so that a new catalogue still has an answer.
    """
    everywhere = counts.group_by("item_row").agg(pl.col("score").sum())
    unseen = pl.DataFrame({"item_row": np.arange(num_items)}).join(everywhere, on="item_row", how="anti")
    everywhere = pl.concat([everywhere, unseen.with_columns(pl.lit(0.0).alias("score"))], how="vertical_relaxed")
    parts = [
        everywhere.with_columns(pl.lit(None, pl.String).alias("country")),
        counts.filter(pl.col("country").is_not_null()),
    ]
    columns = ["country", "item_row", "score"]
    ranked = (
        pl.concat([part.select(columns) for part in parts], how="vertical_relaxed")
        .with_columns(
            (pl.col("score") / pl.max_horizontal(pl.col("score").sum().over("country"), 1e-12)).alias("score")
        )
        .sort(["score", "item_row"], descending=[True, False])
        .with_columns(pl.int_range(pl.len()).over("country").alias("rank"))
        .filter(pl.col("rank") < LIST_LENGTH)
        .sort("country", "rank")
    )
    return ranked.select("country", "rank", "item_row", "score").to_arrow()
