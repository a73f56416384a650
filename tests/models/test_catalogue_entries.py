"""Entries name what is wrong with them, keep what came, and merge as RFC 7396 says."""

from __future__ import annotations

import json
from typing import Any

import pytest

from models.catalogue_entries import (
    MAX_DOCUMENT_BYTES,
    Kind,
    document,
    entry_of,
    merge_patch,
    merged,
    parse_entry,
    parse_named,
)
from models.errors import InputError
from models.item_state import ItemState

FULL = {
    "title": "The Silent Orbit",
    "categories": ["Drama"],
    "tags": ["slow", "é"],
    "description": "A long\nstory",
    "metadata": {"z": None, "a": {"b": [1, 2.5, {"c": True}], "id": 2**60}, "": "x"},
    "released_at": "2024-05-01",
    "available": True,
    "expires_at": "2027-01-01T01:00:00+01:00",
    "countries": ["NO", "SE"],
}


def item(**fields: Any) -> Any:
    return parse_entry(Kind.ITEM, fields)


def test_an_item_is_kept_as_it_came_and_null_is_absent() -> None:
    kept = document(item(**FULL))
    assert json.loads(kept) == {**FULL, "expires_at": "2027-01-01T00:00:00+00:00"}
    assert list(json.loads(kept)["metadata"]) == ["z", "a", ""]
    assert document(entry_of(Kind.ITEM, kept)) == kept
    assert document(item(title=None, countries=None)) == b"{}"


@pytest.mark.parametrize(
    ("raw", "problem"),
    [
        ({"titel": "x"}, "'titel': unknown field. The nearest is 'title'; what has none goes under 'metadata'"),
        ({"titel": None}, "unknown field"),
        ({"title": 3}, "title: .*string; got '3'"),
        ({"title": "\ud800"}, "title: .*UTF-8"),
        ({"categories": "Drama"}, "categories: .*list"),
        ({"categories": ["x" * 129]}, "categories.0: "),
        ({"tags": ["é" * 65]}, "tags.0: .*1 to 128 bytes; got 130"),
        ({"metadata": [1]}, "metadata: .*dictionary"),
        ({"metadata": {"a": "\ud800"}}, "cannot be kept"),
        ({"released_at": "yesterday"}, "released_at: it is no date. Send 2026-01-31"),
        ({"released_at": "2026-01-31T12:00:00"}, "released_at: it is no date"),
        ({"available": "no"}, "available: .*boolean; got 'no'"),
        ({"expires_at": "2026-01-31T12:00:00"}, "expires_at: .*timezone"),
        ({"expires_at": 0}, "expires_at: it is a number, whose unit is not known. Send 2026-01-31T12:00:00Z"),
        ({"expires_at": " 1769860800.5"}, "expires_at: it is a number"),
        ({"expires_at": "1969-01-31T12:00:00Z"}, "expires_at: .*between 1970"),
        ({"countries": []}, "countries: .*at least 1"),
        ({"description": "x" * MAX_DOCUMENT_BYTES}, "at most 65536 are kept"),
        ([], "an item is a JSON object; got list"),
    ],
)
def test_what_is_wrong_is_named(raw: Any, problem: str) -> None:
    with pytest.raises(InputError, match=problem):
        parse_entry(Kind.ITEM, raw)


def test_metadata_nested_beyond_what_json_writers_take_is_refused() -> None:
    deep: Any = 1
    for _ in range(900):
        deep = {"a": deep}
    with pytest.raises(InputError, match="Nest less"):
        item(metadata=deep)
    with pytest.raises(InputError, match="Nest less"):
        merged(Kind.ITEM, b"{}", {"metadata": deep})


def test_a_user_has_a_country_attributes_and_consent() -> None:
    user = {"country": "NO", "attributes": {"age": 25, "likes": ["a"]}, "personalization": True}
    assert json.loads(document(parse_entry(Kind.USER, user))) == user
    for raw, problem in (({"age": 25}, "'age': unknown field.*'attributes'"), ({"personalization": 1}, "boolean")):
        with pytest.raises(InputError, match=problem):
            parse_entry(Kind.USER, raw)


def test_who_refuses_personalization_has_no_attributes_even_where_some_were_kept() -> None:
    refusing = {"country": "NO", "personalization": False}
    kept = json.dumps({**refusing, "attributes": {"age": 25}}).encode()
    for entry in (
        parse_entry(Kind.USER, {**refusing, "attributes": {"age": 25}}),
        entry_of(Kind.USER, kept),
        merged(Kind.USER, b'{"country": "NO", "attributes": {"age": 25}}', {"personalization": False}),
        merged(Kind.USER, json.dumps(refusing).encode(), {"attributes": {"age": 25}}),
    ):
        assert json.loads(document(entry)) == refusing
    with pytest.raises(InputError, match="attributes"):
        parse_entry(Kind.USER, {**refusing, "attributes": 3})


def test_an_entry_of_a_batch_carries_its_id() -> None:
    assert parse_named(Kind.ITEM, {"item_id": "a", "title": "A"}) == ("a", item(title="A"))
    for raw, problem in (
        ({"title": "A"}, "item_id: this field is needed"),
        ({"item_id": "é" * 65}, "item_id must be 1 to 128 bytes"),
        ({"item_id": 3}, "item_id must be a string"),
        ("a", "got str"),
    ):
        with pytest.raises(InputError, match=problem):
            parse_named(Kind.ITEM, raw)


@pytest.mark.parametrize(
    ("target", "patch", "whole"),
    [  # the examples of RFC 7396, appendix A
        ({"a": "b"}, {"a": "c"}, {"a": "c"}),
        ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
        ({"a": "b"}, {"a": None}, {}),
        ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
        ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
        ({"a": "c"}, {"a": ["b"]}, {"a": ["b"]}),
        ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
        ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
        (["a", "b"], ["c", "d"], ["c", "d"]),
        ({"a": "b"}, ["c"], ["c"]),
        ({"a": "foo"}, None, None),
        ({"a": "foo"}, "bar", "bar"),
        ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
        ([1, 2], {"a": "b", "c": None}, {"a": "b"}),
        ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
    ],
)
def test_a_patch_merges_as_the_standard_says(target: Any, patch: Any, whole: Any) -> None:
    assert merge_patch(target, patch) == whole


def test_a_patch_of_an_unknown_field_is_an_error_even_when_it_removes_it() -> None:
    for value in (None, 1):
        with pytest.raises(InputError, match="'colour': unknown field"):
            merged(Kind.ITEM, b"{}", {"colour": value})
    with pytest.raises(InputError, match="a patch is a JSON object"):
        merged(Kind.ITEM, b"{}", [])


def test_a_state_says_what_restricts_an_item() -> None:
    state = ItemState.of(item(**FULL))
    assert state == ItemState(False, 1_798_761_600_000_000, ("NO", "SE"), "The Silent Orbit", ("Drama",))
    assert ItemState.from_bytes(state.to_bytes()) == state
    restricted = [
        ItemState.of(None),
        ItemState.of(item(available=False)),
        ItemState.of(item(expires_at=FULL["expires_at"])),
        ItemState.of(item(countries=["NO"])),
    ]
    assert [state.restricted for state in restricted] == [True] * 4
    assert [state.blocked for state in restricted] == [True, True, False, False]
    assert not ItemState.of(item(available=True, title="x")).restricted
