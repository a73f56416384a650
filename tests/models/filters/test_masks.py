"""Masks that are remembered: the same while nothing changed, another for another version, and never too many."""

from __future__ import annotations

import pytest

from models.errors import FilterError
from models.filters import Fields, ItemColumns, Masks


def items(version: str, *years: int) -> ItemColumns:
    documents = [{"item_id": f"i{row}", "metadata": {"year": year}} for row, year in enumerate(years)]
    return ItemColumns.of_documents(documents, version)


def test_a_mask_is_made_once_for_each_version() -> None:
    masks, old, new = Masks(), items("1", 1999, 2001), items("2", 2001, 2001)
    first = masks.mask("year > 2000", old)
    assert first.tolist() == [False, True]
    assert masks.mask("year > 2000", old) is first
    assert masks.mask("year > 2000", new).tolist() == [True, True]
    assert masks.mask("year > 2000", old) is first


def test_a_mask_cannot_be_changed_by_who_asked() -> None:
    mask = Masks().mask("year > 2000", items("1", 2001))
    with pytest.raises(ValueError, match="read-only"):
        mask[0] = False


def test_the_longest_unused_makes_room() -> None:
    columns = items("1", *range(10))
    masks = Masks(max_bytes=25)
    kept, dropped = masks.mask("year = 1", columns), masks.mask("year = 2", columns)
    assert masks.mask("year = 1", columns) is kept
    masks.mask("year = 3", columns)
    assert masks.num_bytes == 20
    assert masks.mask("year = 1", columns) is kept
    assert masks.mask("year = 2", columns) is not dropped


def test_a_mask_too_large_to_keep_is_answered_all_the_same() -> None:
    masks = Masks(max_bytes=5)
    assert masks.mask("year < 3", items("1", *range(10))).sum() == 3
    assert masks.num_bytes == 0


def test_a_text_that_is_no_filter_is_not_kept() -> None:
    masks = Masks(Fields(frozenset({"year"})))
    for _ in range(2):
        with pytest.raises(FilterError, match="nearest is year"):
            masks.mask("yeer = 1", items("1", 1))
