"""The items of a bundle in row order: what is shown of them, and the static features of the nets."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from models.category_lists import CategoryLists
from models.features import FeatureSpec, ItemFeatures, item_features
from models.vocabulary import Vocabulary

FILE = "items.parquet"
SCHEMA = pa.schema(
    [
        pa.field("item_id", pa.string(), nullable=False),
        pa.field("title", pa.string()),
        pa.field("categories", pa.list_(pa.string())),
        pa.field("tags", pa.list_(pa.string())),
        pa.field("released", pa.date32()),
        # Training events of the item: what "popularity" means in an evaluation.
        pa.field("num_interactions", pa.int64(), nullable=False),
        # Metadata as one JSON object: read when a filter asks for it, and not before.
        pa.field("attributes", pa.string()),
    ]
)


class ItemTable:
    """Item row ↔ item id, title, categories and counts."""

    def __init__(self, table: pa.Table, source: Path | None = None) -> None:
        """`table`: columns of `SCHEMA`; nullable ones may be missing. `source`: the file that has them all."""
        self._source = source
        self._table = _whole(table)
        self.vocabulary = Vocabulary(self._table["item_id"].to_pylist())
        self.counts: NDArray[np.int64] = np.asarray(self._table["num_interactions"])

    @classmethod
    def load(cls, folder: Path) -> ItemTable:
        """Read `items.parquet` of a bundle."""
        source = folder / FILE
        there = pq.read_schema(source).names
        return cls(pq.read_table(source, columns=[name for name in there if name != "attributes"]), source)

    def table(self) -> pa.Table:
        """All columns, read anew where they are not held."""
        return self._table if self._source is None else _whole(pq.read_table(self._source))

    def save(self, folder: Path) -> None:
        """Write `items.parquet`."""
        pq.write_table(self.table(), folder / FILE)

    def __len__(self) -> int:
        return len(self._table)

    @cached_property
    def ids(self) -> list[str]:
        """Item ids in row order."""
        return self.vocabulary.ids

    @cached_property
    def titles(self) -> list[str | None]:
        """Titles in row order."""
        return list(self._table["title"].to_pylist())

    @cached_property
    def categories(self) -> list[list[str]]:
        """Categories in row order."""
        return [names or [] for names in self._table["categories"].to_pylist()]

    @cached_property
    def released_us(self) -> NDArray[np.int64]:
        """Days of release in row order, as their first microsecond, UTC; -1 where it is not known."""
        days = self._table["released"].cast(pa.int32()).fill_null(-1).to_numpy().astype(np.int64)
        return np.where(days >= 0, days * 86_400_000_000, -1)

    def by_release(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Rows of the items whose release is known, the oldest first, and when that was; made anew."""
        rows = np.flatnonzero(self.released_us >= 0)
        rows = rows[np.argsort(self.released_us[rows], kind="stable")]
        return rows, self.released_us[rows]

    def category_lists(self) -> CategoryLists:
        """Popular items by category, made anew."""
        return CategoryLists(self._table["categories"], self.counts)

    def features(self, spec: FeatureSpec, *, words: bool = True) -> ItemFeatures:
        """The nets' static item features. Categories and tags share their buckets.

        `words` False: without those of the titles, which only the making of item vectors needs.
        """
        tags = [[f"tag {name}" for name in names or []] for names in self._table["tags"].to_pylist()]
        labels = [[*categories, *tagged] for categories, tagged in zip(self.categories, tags, strict=True)]
        titles = pl.Series(self._table["title"]) if words else None
        return item_features(spec, labels, self.counts, self.released_us, titles)


def _whole(table: pa.Table) -> pa.Table:
    """In the one layout; a nullable column that an earlier bundle lacks is null."""
    for field in SCHEMA:
        if field.nullable and field.name not in table.column_names:
            table = table.append_column(field, pa.nulls(len(table), field.type))
    return table.select(SCHEMA.names).cast(SCHEMA)
