"""Popular lists: everywhere, by country, and what follows a short list of a country."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pyarrow.parquet as pq
import pytest

from models.popularity import FILE, LIST_LENGTH, Popularity, popular_lists

# Item 2 leads everywhere (6 of 10), item 0 leads in DE; item 3 was never seen; item 1 has events of no known country.
COUNTS = pl.DataFrame(
    {
        "country": ["DE", "FR", "DE", None],
        "item_row": [0, 2, 2, 1],
        "score": [3.0, 5.0, 1.0, 1.0],
    }
)


def test_everywhere_lists_every_item_by_its_share() -> None:
    rows, scores = Popularity(popular_lists(COUNTS, 4)).top(None)
    assert rows.tolist() == [2, 0, 1, 3]
    assert scores == pytest.approx([0.6, 0.3, 0.1, 0.0])


def test_a_country_has_its_own_list_then_everywhere_without_repeats() -> None:
    popular = Popularity(popular_lists(COUNTS, 4))
    rows, scores = popular.top("DE")
    assert rows.tolist() == [0, 2, 1, 3]
    assert scores[:2] == pytest.approx([0.75, 0.25])
    assert (np.diff(scores) <= 0).all()
    assert popular.knows("DE")


def test_an_unknown_country_is_answered_with_everywhere() -> None:
    popular = Popularity(popular_lists(COUNTS, 4))
    assert popular.top("JP")[0].tolist() == popular.top(None)[0].tolist()
    assert not popular.knows("JP")
    assert not popular.knows(None)


def test_a_catalogue_without_events_still_has_a_list() -> None:
    empty = COUNTS.clear()
    assert Popularity(popular_lists(empty, 3)).top(None)[0].tolist() == [0, 1, 2]


def test_ties_keep_row_order_and_lists_are_cut() -> None:
    num = LIST_LENGTH + 50
    columns = {"country": [None] * num, "item_row": range(num), "score": [1.0] * num}
    flat = pl.DataFrame(columns, schema_overrides={"country": pl.String})
    assert Popularity(popular_lists(flat, num)).top(None)[0].tolist() == list(range(LIST_LENGTH))


def test_the_file_gives_the_same_lists(tmp_path: Path) -> None:
    table = popular_lists(COUNTS, 4)
    pq.write_table(table, tmp_path / FILE)
    assert Popularity.load(tmp_path).top("DE")[0].tolist() == Popularity(table).top("DE")[0].tolist()
