"""Full-text search: what is found, in which order, and that no question is a program."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.text_index import Text, TextIndex

FILMS = [
    Text("i1", "The Great War", ["Drama"]),
    Text("i2", "Great Expectations", ["Drama", "War"]),
    Text("i3", "Blåbærtur på fjellet", ["Comedy"]),
    Text("i4", None, ["Comedy"]),
]


@pytest.fixture
def index() -> TextIndex:
    return TextIndex(FILMS)


def found(index: TextIndex, question: str, k: int = 10) -> list[str]:
    return [item_id for item_id, _ in index.search(question, k)]


def test_a_title_counts_more_than_a_category(index: TextIndex) -> None:
    assert found(index, "war") == ["i1", "i2"]
    scores = [score for _, score in index.search("war", 10)]
    assert scores == sorted(scores, reverse=True)
    assert found(index, "war", k=1) == ["i1"]


def test_any_case_and_any_script(index: TextIndex) -> None:
    assert found(index, "BLÅBÆRTUR") == ["i3"]
    index.put([Text("i5", "東京 物語")])
    assert found(index, "東京") == ["i5"]


def test_a_beginning_or_a_typing_error_is_found_where_nothing_else_is(index: TextIndex) -> None:
    assert found(index, "expec") == ["i2"]
    assert found(index, "expectatoins") == ["i2"]
    assert found(index, "nothing like it") == []


def test_what_is_put_again_is_replaced_and_what_is_removed_is_gone(index: TextIndex) -> None:
    index.put([Text("i1", "Another name")])
    assert found(index, "war") == ["i2"]
    assert found(index, "another") == ["i1"]
    index.remove(["i2", "nobody"])
    assert found(index, "war") == []


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=300))
def test_no_text_is_an_error_or_a_query_of_the_library(question: str) -> None:
    index = TextIndex(FILMS)
    assert len(found(index, question)) <= len(FILMS)


def test_syntax_has_no_meaning(index: TextIndex) -> None:
    assert found(index, 'title:war OR item_id:i4 "') == ["i1", "i2"]
    assert found(index, "*") == []
