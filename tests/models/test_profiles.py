"""What of a profile is an attribute."""

from __future__ import annotations

import json

import pytest

from models.profiles import MAX_ATTRIBUTES, parse_attributes


def test_values_are_texts_in_order_of_name() -> None:
    parsed = parse_attributes('{"zip": "48067", "age": 25, "member": true, "prénom": "Zoé 🐟"}')
    assert list(parsed.items()) == [("age", "25"), ("member", "true"), ("prénom", "Zoé 🐟"), ("zip", "48067")]


def test_nulls_lists_objects_and_prose_are_left_out() -> None:
    values = {"a": None, "b": ["x"], "c": {"x": 1}, "d": "word " * 40, "e" * 129: "x", "f": "é" * 65, "g": "kept"}
    assert parse_attributes(json.dumps(values)) == {"g": "kept"}
    assert parse_attributes(r'{"a": "\ud800", "b": "kept"}') == {"b": "kept"}


@pytest.mark.parametrize("text", [None, "", "{}", "[1]", "null", "25", "not JSON", "[" * 100_000])
def test_what_is_no_object_has_no_attributes(text: str | None) -> None:
    assert parse_attributes(text) == {}


def test_no_user_has_more_than_so_many() -> None:
    values = {f"{n:02}": "x" for n in reversed(range(MAX_ATTRIBUTES + 5))}
    assert list(parse_attributes(json.dumps(values))) == [f"{n:02}" for n in range(MAX_ATTRIBUTES)]
