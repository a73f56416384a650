"""Sequences of users from rows in any order."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pytest

from models.privacy import ANONYMOUS_ID
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
            "personalization": pa.nulls(len(order), pa.bool_()),
        }
    )


def profile(country: str | None, attributes: str | None = None, personalization: bool | None = None) -> pa.Table:
    """The row of ann in the users table, in the layout of events."""
    ann = rows("-", [country])
    given = {
        "item_id": pa.nulls(1, pa.string()),
        "attributes": pa.array([attributes], pa.string()),
        "personalization": pa.array([personalization], pa.bool_()),
    }
    return pa.table({name: given.get(name, ann[name]) for name in ann.column_names})


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


@pytest.mark.parametrize(("personalization", "num_sequences"), [(None, 1), (True, 1), (False, 0)])
def test_who_refuses_personalization_is_not_learned_from(personalization: bool | None, num_sequences: int) -> None:
    built = build(pa.concat_tables([rows("ab"), profile("DK", personalization=personalization)]), seed=1)
    assert len(built) == num_sequences


def test_events_without_an_id_are_nobodys() -> None:
    nobody = rows("xy").set_column(0, "user_id", pa.array([ANONYMOUS_ID] * 2))
    [ann] = build(pa.concat_tables([rows("ab"), nobody]), seed=1).to_pylist()
    assert (ann["user_id"], ann["item_ids"]) == ("ann", ["a", "b"])
