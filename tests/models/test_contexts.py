"""Contexts from JSON to rows: known values have rows of their own, unknown ones share their field's."""

from __future__ import annotations

import pytest

from models.contexts import ABSENT, ContextVocabulary, parse_context
from models.errors import InputError

COUNTS = {("weather", "sunny"): 9, ("weather", "foggy"): 1, ("daytime", "morning"): 5, ("daytime", "night"): 5}


def test_numbers_and_truth_values_are_their_json_and_nulls_are_absent() -> None:
    assert parse_context('{"a": "x", "b": 2, "c": true, "d": null}') == {"a": "x", "b": "2", "c": "true"}
    assert parse_context(None) == {}


@pytest.mark.parametrize("text", ["[]", "morning", '"morning"', '{"a": {"b": "c"}}', '{"a": [1]}', "{"])
def test_what_is_no_object_of_strings_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="context must be one JSON object of strings"):
        parse_context(text)


def test_frequent_values_have_rows_and_rare_ones_share_their_field() -> None:
    vocabulary = ContextVocabulary.count(COUNTS, min_count=2, max_values=100)
    assert vocabulary.fields == ("daytime", "weather")
    assert vocabulary.num_rows == 2 + 3
    assert vocabulary.rows({"daytime": "night", "weather": "sunny"}).tolist() == [3, 4]
    assert vocabulary.rows({"daytime": "noon", "weather": "foggy"}).tolist() == [0, 1]
    assert vocabulary.rows({"planet": "earth"}).tolist() == [ABSENT, ABSENT]


def test_only_the_most_frequent_values_are_kept_and_a_tie_is_settled_by_name() -> None:
    assert ContextVocabulary.count(COUNTS, 1, 2).values == (("daytime", "morning"), ("weather", "sunny"))


def test_a_vocabulary_is_written_and_read() -> None:
    vocabulary = ContextVocabulary.count(COUNTS, 2, 100)
    again = ContextVocabulary(**vocabulary.to_json())
    assert again.rows({"weather": "sunny"}).tolist() == vocabulary.rows({"weather": "sunny"}).tolist()
