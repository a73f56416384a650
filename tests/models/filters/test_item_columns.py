"""Columns: made of any part of the lake's items, once, as they are needed, and as small as they say."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pyarrow as pa
import pytest

from models.errors import SchemaError
from models.filters import ItemColumns, item_columns, mask, parse
from models.filters.expressions import Field


def test_items_of_a_bundle_or_of_the_lake() -> None:
    table = pa.table(
        {
            "item_id": ["a", "b", "c"],
            "tags": [["x", "y"], None, []],
            "released": [date(2020, 1, 1), None, date(1960, 1, 1)],
            "expires_at": pa.array([None, datetime(2026, 1, 1, tzinfo=UTC), None], pa.timestamp("us", "UTC")),
            "num_interactions": [5, 0, 7],
            "available": [None, False, True],
            "attributes": ['{"year": 2020}', "no JSON", "[1]"],
        }
    )
    columns = ItemColumns(table, "v1")

    def passing(text: str) -> list[str]:
        passes = mask(parse(text), columns).tolist()
        return [item for item, one in zip("abc", passes, strict=True) if one]

    assert passing('tags = "y"') == ["a"]
    assert passing("EXISTS tags") == ["a"]
    assert passing('released_at < "2000-01-01"') == ["c"]
    assert passing('expires_at <= "2026-01-01T00:00:00Z"') == ["b"]
    assert passing("num_interactions >= 5") == ["a", "c"]
    assert passing("available = true") == ["a", "c"]
    assert passing("year = 2020 OR EXISTS year") == ["a"]
    assert passing('title = "x" OR EXISTS description') == []
    assert passing('item_id > "a"') == ["b", "c"]


def test_chunks_and_no_items_at_all() -> None:
    chunked = pa.chunked_array([["a", "b"], [], ["c"]])
    columns = ItemColumns(pa.table({"item_id": chunked, "attributes": pa.chunked_array([['{"n":1}'] * 3])}), "v1")
    assert mask(parse('item_id = "c" AND n = 1'), columns).tolist() == [False, False, True]
    none = ItemColumns(pa.table({"item_id": pa.array([], pa.string())}), "v1")
    assert mask(parse('item_id != "c" OR n = 1 OR NOT EXISTS n'), none).tolist() == []


def test_items_without_ids_are_refused() -> None:
    with pytest.raises(SchemaError, match="no column item_id; got title"):
        ItemColumns(pa.table({"title": ["x"]}), "v1")


def test_a_column_is_made_once_and_only_when_it_is_named() -> None:
    columns = ItemColumns.of_documents([{"item_id": "a", "title": "x", "metadata": {"year": 1}}], "v1")
    assert columns.num_bytes == 0
    year = Field("metadata", ("year",))
    first = columns.columns([year])[year]
    assert columns.columns([year, Field("title")])[year] is first
    assert set(columns.columns([])) == set()


def test_columns_that_are_not_used_make_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(item_columns, "MAX_COLUMNS", 2)
    columns = ItemColumns.of_documents([{"item_id": "a", "metadata": {"x": 1, "y": 2, "z": 3}}], "v1")
    x, y, z = (Field("metadata", (name,)) for name in "xyz")
    first = columns.columns([x])[x]
    columns.columns([y])
    assert columns.columns([x])[x] is first
    columns.columns([z])  # y is the longest unused
    assert columns.columns([x])[x] is first
    assert columns.num_bytes == 2 * (1 + 8)


def test_memory_is_what_it_is_said_to_be() -> None:
    num = 1_000
    documents = [
        {"item_id": f"i{row}", "categories": ["Drama", "War"], "metadata": {"year": row, "sold": True, "few": [1, 2]}}
        for row in range(num)
    ]
    columns = ItemColumns.of_documents(documents, "v1")

    def bytes_an_item(text: str) -> float:
        before = columns.num_bytes
        mask(parse(text), columns)
        return (columns.num_bytes - before) / num

    assert bytes_an_item("year = 1") == 1 + 8
    assert bytes_an_item("sold = true") == 1 + 2
    assert bytes_an_item("few = 1") == 1 + 2 * 12
    assert bytes_an_item('categories = "War"') == pytest.approx(1 + 2 * 4, abs=0.1)
    assert bytes_an_item('released_at = "2020-01-01"') == 1
