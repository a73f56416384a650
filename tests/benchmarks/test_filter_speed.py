"""Filters over a million items: making columns, a mask of two comparisons, a remembered mask, one item.

Prints figures; asserts ratios within the run. `BENCHMARK_ITEMS=1e5` makes it smaller.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable

import numpy as np
import orjson
import pyarrow as pa
import pytest

from models.filters import ItemColumns, Masks, mask, matches, parse

pytestmark = pytest.mark.slow

NUM_ITEMS = int(float(os.environ.get("BENCHMARK_ITEMS", "1e6")))
GENRES = ["Drama", "Comedy", "Action", "Horror", "Romance", "Crime", "Thriller", "Sci-Fi", "War", "Music"]
FILTERS = (
    'categories ANY ("Drama", "Comedy") AND released_at >= "2000-01-01"',
    'genres ANY ("Drama", "Comedy") AND year >= 2000',
    'studio.name = "S7" OR price < 10',
    'title < "Title 5"',
    f"year IN ({', '.join(str(1900 + n) for n in range(200))})",
)
MIN_RATIO = 100
"""How many times faster an item is in a mask than alone."""
_ITEM = {"item_id": "i1", "metadata": {"year": 2001, "genres": ["Comedy"]}}


def test_a_mask_of_the_whole_catalogue() -> None:
    columns, masks = ItemColumns(_items(), "v1"), Masks()
    print()
    for text in FILTERS:
        expression = parse(text)
        first_s = _best(lambda e=expression: mask(e, columns), 1)
        again_s = _best(lambda e=expression: mask(e, columns), 9)
        masks.mask(text, columns)
        kept_s = _best(lambda t=text: masks.mask(t, columns), 99)
        print(
            f"{text[:66]:66} first {1e3 * first_s:7.1f} ms, again {1e3 * again_s:6.2f} ms, kept {1e6 * kept_s:4.1f} µs"
        )
    print(f"{columns.num_bytes / NUM_ITEMS:.1f} bytes an item in all columns")
    expression = parse(FILTERS[1])
    one_s = _best(lambda: matches(expression, _ITEM), 999)
    parse_s = _best(lambda: parse(FILTERS[1]), 99)
    ratio = one_s / (_best(lambda: mask(expression, columns), 9) / NUM_ITEMS)
    print(f"one item alone {1e6 * one_s:.1f} µs, {ratio:.0f} × as long as in a mask; parsing {1e6 * parse_s:.0f} µs")
    assert ratio > MIN_RATIO


def _items() -> pa.Table:
    random = np.random.default_rng(0)
    years, studios = random.integers(1950, 2026, NUM_ITEMS).tolist(), random.integers(0, 500, NUM_ITEMS).tolist()
    documents = (
        {
            "year": year,
            "genres": [GENRES[year % 10], GENRES[studio % 10]],
            "studio": {"name": f"S{studio}"},
            "price": studio / 7,
            "note": "Some longer text about this item, of no use to any filter at all",
        }
        for year, studio in zip(years, studios, strict=True)
    )
    offsets = np.concatenate([[0], np.cumsum(random.integers(1, 4, NUM_ITEMS))]).astype(np.int32)
    names = pa.array(GENRES).take(pa.array(random.integers(0, len(GENRES), offsets[-1])))
    return pa.table(
        {
            "item_id": [f"i{row}" for row in range(NUM_ITEMS)],
            "title": [f"Title {row * 7_919 % NUM_ITEMS}" for row in range(NUM_ITEMS)],
            "categories": pa.ListArray.from_arrays(pa.array(offsets), names),
            "released": pa.array(random.integers(0, 20_000, NUM_ITEMS).astype(np.int32)).cast(pa.date32()),
            "attributes": [orjson.dumps(document).decode() for document in documents],
        }
    )


def _best(work: Callable[[], object], rounds: int) -> float:
    """Seconds of CPU of the quickest of some rounds."""
    times = []
    for _ in range(rounds):
        started = time.thread_time()
        work()
        times.append(time.thread_time() - started)
    return min(times)
