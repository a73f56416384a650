"""Items in row order, and what the nets know of them."""

from __future__ import annotations

from datetime import date

import numpy as np
import pyarrow as pa

from models.features import FeatureSpec
from models.item_table import SCHEMA, ItemTable


def test_categories_and_tags_are_told_apart() -> None:
    rows = [
        {"item_id": "a", "categories": ["space"], "tags": None, "num_interactions": 1},
        {"item_id": "b", "categories": None, "tags": ["space"], "num_interactions": 0},
        {"item_id": "c", "categories": ["space"], "tags": ["space", "far"], "num_interactions": 0},
        {"item_id": "d", "categories": None, "tags": None, "num_interactions": 0},
    ]
    spec = FeatureSpec(category_buckets=1 << 20)
    features = ItemTable(pa.Table.from_pylist(rows, schema=SCHEMA)).features(spec)
    a, b, c, d = (set(features.categories_of(np.asarray([row])).values.tolist()) for row in range(4))
    assert (len(a), len(b), len(c), len(d)) == (1, 1, 3, 0)
    assert not a & b
    assert a | b < c


def test_items_by_release() -> None:
    days = [date(2020, 1, 2), None, date(1970, 1, 1), date(2020, 1, 2), date(2021, 1, 1)]
    rows = [{"item_id": str(n), "released": day, "num_interactions": 0} for n, day in enumerate(days)]
    items = ItemTable(pa.Table.from_pylist(rows, schema=SCHEMA))
    oldest, when_us = items.by_release()
    assert oldest.tolist() == [2, 0, 3, 4]
    assert when_us.tolist() == [0, *[1_577_923_200_000_000] * 2, 1_609_459_200_000_000]
    assert items.released_us[1] == -1
