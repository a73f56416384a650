"""Sequences of users from rows in any order."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pyarrow as pa

from pipelines.learning.data.sequences import build

MOMENT = datetime(2026, 1, 1, tzinfo=UTC)


def rows(order: str, countries: list[str | None] | None = None, step: timedelta = timedelta(0)) -> pa.Table:
    """Events of one user, each a `step` later, arriving in this order; each letter is an item and its event's id."""
    moments = [MOMENT + n * step for n in range(len(order))]
    return pa.table(
        {
            "user_id": ["ann"] * len(order),
            "item_id": list(order),
            "event_type": ["click"] * len(order),
            "timestamp": pa.array(moments, pa.timestamp("us", "UTC")),
            "country": pa.array(countries or [None] * len(order), pa.string()),
            "interaction_id": list(order),
            "attributes": pa.nulls(len(order), pa.string()),
        }
    )


def profile(country: str | None, attributes: str | None = None) -> pa.Table:
    """The row of ann in the users table, in the layout of events."""
    ann = rows("-", [country]).set_column(1, "item_id", pa.nulls(1, pa.string()))
    return ann.set_column(ann.num_columns - 1, "attributes", pa.array([attributes], pa.string()))


def test_events_of_one_moment_have_one_order() -> None:
    sequences = [build(rows(order), seed=1)["item_ids"].to_pylist() for order in ("abcd", "dcba", "bdac")]
    assert sequences == [[["a", "b", "c", "d"]]] * 3


def test_a_country_is_what_was_known_before_each_event() -> None:
    events = rows("abcd", [None, "NO", None, "SE"], timedelta(hours=1))
    [stranger] = build(events, seed=1).to_pylist()
    assert (stranger["countries"], stranger["country"]) == ([None, None, "NO", "NO"], "SE")
    [known] = build(pa.concat_tables([events, profile("DK")]), seed=1).to_pylist()
    assert (known["countries"], known["country"]) == (["DK", "DK", "NO", "NO"], "SE")


def test_attributes_are_those_of_the_profile() -> None:
    [stranger] = build(rows("ab"), seed=1).to_pylist()
    [known] = build(pa.concat_tables([rows("ab"), profile(None, '{"age": "25"}')]), seed=1).to_pylist()
    assert (stranger["attributes"], known["attributes"]) == (None, '{"age": "25"}')
    assert known["item_ids"] == ["a", "b"]
