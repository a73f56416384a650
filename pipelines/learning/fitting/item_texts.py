"""What is said of the items, read from the lake at fitting time only: a bundle needs no descriptions."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import polars as pl

from cluster.delta.lake import Lake
from models.item_table import ItemTable
from models.tables import Table


@dataclass(frozen=True, slots=True)
class ItemTexts:
    """By item row: `words` is prose (title and description), `labels` are names of categories and tags."""

    words: list[str]
    labels: list[list[str]]

    def __len__(self) -> int:
        return len(self.words)

    def sentences(self) -> Iterator[str]:
        """All that is known of each item as one text; empty where nothing is."""
        for words, labels in zip(self.words, self.labels, strict=True):
            yield "\n".join(part for part in (words, ", ".join(labels)) if part)


def read_texts(lake: Lake, items: ItemTable) -> ItemTexts:
    """Texts of a catalogue in row order."""
    columns = ["item_id", "title", "categories", "tags", "description"]
    known = pl.DataFrame(lake.read(Table.ITEMS, columns))
    rows = pl.DataFrame({"item_id": items.ids}).join(known, on="item_id", how="left", maintain_order="left")
    words = rows.select(pl.concat_str("title", "description", separator="\n", ignore_nulls=True)).to_series()
    labels = [
        [f"category {name}" for name in categories or []] + [f"tag {name}" for name in tags or []]
        for categories, tags in rows.select("categories", "tags").iter_rows()
    ]
    return ItemTexts([text.strip() for text in words], labels)
