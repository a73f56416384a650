"""Ids to rows: known ones have their own, unknown ones share buckets."""

from __future__ import annotations

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from models.vocabulary import Vocabulary, hash_bucket

KNOWN = Vocabulary(["b", "a", "ü"], num_buckets=2)


def test_known_ids_have_rows_in_the_order_given() -> None:
    assert [KNOWN.row(value) for value in ("b", "a", "ü", "x")] == [0, 1, 2, None]
    assert KNOWN.ids == ["b", "a", "ü"]


def test_unknown_ids_are_left_out_or_bucketed() -> None:
    assert KNOWN.known_rows(["x", "ü", "b", "b"]) == [2, 0, 0]
    assert KNOWN.bucket("x") in (3, 4)
    assert KNOWN.bucket("a") == 1
    for ids in (pa.array(["ü", "x", "a"]), pa.array(["ü", "x", "a"], pa.large_string())):
        assert KNOWN.buckets(ids).tolist() == [2, KNOWN.bucket("x"), 1]
    assert Vocabulary(pa.array(["b", "a"], pa.large_string())).ids == ["b", "a"]
    assert KNOWN.num_rows == 5


def test_arrow_lookup_marks_the_unknown() -> None:
    assert KNOWN.lookup(pa.array(["ü", "x", "b", None])).tolist() == [2, -1, 0, -1]
    assert KNOWN.lookup(pa.chunked_array([pa.array(["a"]), pa.array(["b"])])).tolist() == [1, 0]


def test_a_bucket_never_changes() -> None:
    # Stored weights depend on it: `printf country:DE | b2sum -l 64` read as a number, modulo 63.
    assert hash_bucket("country:DE", 63) == 51


@given(st.text(min_size=1, max_size=20), st.integers(1, 1_000))
def test_a_bucket_lies_in_its_range(value: str, num_buckets: int) -> None:
    assert 0 <= hash_bucket(value, num_buckets) < num_buckets
