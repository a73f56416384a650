"""One item, all items at once, and the meaning of the language agree."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings

from models.filters import ItemColumns, mask, matches, parse
from tests.models.filters.filter_cases import CASES, ITEMS, Case, passes, text_of


@settings(max_examples=100, deadline=None)
@given(ITEMS, CASES)
def test_a_filter_means_the_same_of_one_item_and_of_all(items: list[dict[str, Any]], case: Case) -> None:
    expression = parse(text_of(case))
    expected = [passes(case, item) for item in items]
    assert [matches(expression, item) for item in items] == expected
    assert mask(expression, ItemColumns.of_documents(items, "v1")).tolist() == expected


ANNIE = {
    "item_id": "annie",
    "title": "Annie",
    "categories": ["Drama", "Comedy"],
    "released_at": "1999-05-01",
    "metadata": {"year": 1999, "studio": {"name": "A24"}, "cast": [{"name": "Ann"}, {"name": "Bo"}], "sold": False},
}
BLANK: dict[str, Any] = {"item_id": "blank"}


def both(text: str) -> list[bool]:
    """Whether the filter lets ANNIE and BLANK pass, as both ways have it."""
    expression = parse(text)
    found = [matches(expression, item) for item in (ANNIE, BLANK)]
    assert mask(expression, ItemColumns.of_documents([ANNIE, BLANK], "v1")).tolist() == found
    return found


def test_values_are_found_inside_metadata() -> None:
    assert both('metadata.studio.name = "A24"') == [True, False]
    assert both('studio.name = "A24" AND year >= 1999') == [True, False]
    assert both('cast.name ALL ("Bo", "Ann")') == [True, False]
    assert both('cast.name ALL ("Bo", "Cy")') == [False, False]
    assert both('cast.name < "Ba"') == [True, False]


def test_what_is_missing_compares_with_nothing_and_not_turns_that_round() -> None:
    assert both("year < 2000") == [True, False]
    assert both("year != 2000") == [True, False]
    assert both("NOT year = 2000") == [True, True]
    assert both("EXISTS year AND NOT year = 2000") == [True, False]


def test_only_values_of_the_same_kind_compare() -> None:
    assert both('year = "1999"') == [False, False]
    assert both('year != "1999"') == [False, False]
    assert both("sold = false") == [True, False]
    assert both("sold = 0") == [False, False]
    assert both('year IN (true, "x", 1999)') == [True, False]


def test_unequal_of_a_list_is_that_none_is_equal() -> None:
    assert both('categories != "Drama"') == [False, False]
    assert both('categories != "War"') == [True, False]


def test_objects_are_there_but_compare_with_nothing() -> None:
    assert both("EXISTS studio") == [True, False]
    assert both('studio = "A24"') == [False, False]


def test_an_item_is_available_until_it_says_otherwise() -> None:
    assert both("available = true") == [True, True]
    assert not matches(parse("available = true"), {"item_id": "i", "available": False})


def test_times_are_compared_as_moments() -> None:
    assert both('released_at >= "1999-05-01" AND released_at < "1999-05-01T00:00:01Z"') == [True, False]
    assert both('released_at = "1999-05-01T02:00:00+02:00"') == [True, False]
