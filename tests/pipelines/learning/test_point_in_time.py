"""No feature sees its own future: whatever comes after an event, the event's example is the same."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.features import FeatureSpec
from models.vocabulary import Vocabulary
from pipelines.learning.data.encoding import encode
from pipelines.learning.data.example_pool import expand
from pipelines.learning.data.sequences import build
from pipelines.learning.data.split import Split
from pipelines.learning.data.windows import training_sequences

pytestmark = pytest.mark.slow

ITEMS, USERS = Vocabulary([f"item-{n}" for n in range(6)]), Vocabulary(["ann", "bob"])
SPEC = FeatureSpec(history_length=4)
START = datetime(2026, 1, 1, tzinfo=UTC)


AGE = {"age": "25"}
PROFILE = pa.table({"user_id": ["ann"], "attributes": ['{"age": "25"}'], "personalization": pa.nulls(1, pa.bool_())})


class Event(NamedTuple):
    """One line of a log; the n-th event happens at n minutes."""

    user: str
    item: int
    event_type: str
    country: str | None


events = st.builds(
    Event,
    st.sampled_from(["ann", "bob"]),
    st.integers(0, 5),
    st.sampled_from(["view", "click", "purchase", "dislike"]),
    st.sampled_from([None, "NO", "SE"]),
)
logs = st.lists(events, min_size=1, max_size=14)
patiently = settings(deadline=None)  # of a busy machine


def encoded(log: list[Event]) -> dict[str, np.ndarray]:
    """The log as the training pipeline sees it."""
    rows = pa.table(
        {
            "user_id": [event.user for event in log],
            "item_id": [f"item-{event.item}" for event in log],
            "event_type": [event.event_type for event in log],
            "timestamp": pa.array([START + timedelta(minutes=n) for n in range(len(log))], pa.timestamp("us", "UTC")),
            "country": pa.array([event.country for event in log], pa.string()),
            "interaction_id": [f"{n:03}" for n in range(len(log))],
        }
    )
    everything = pa.concat_tables([rows, PROFILE], promote_options="default")
    return encode(build(everything, seed=1), ITEMS, USERS, SPEC, Split("none"))


def examples(log: list[Event], until: int) -> set[tuple[object, ...]]:
    """Examples of the first `until` events: who, when, what, from where, after what. A profile holds at all times."""
    made = expand(encoded(log), SPEC.history_length)
    assert made["profile"].tolist() == SPEC.profiles([AGE if user == 0 else {} for user in made["user"]]).tolist()
    limit = int((START + timedelta(minutes=until)).timestamp() * 1e6)
    rows = zip(made["user"], made["now_us"], made["item"], made["country"], made["history"].tolist(), strict=True)
    return {
        (int(user), int(now), int(item), int(country), tuple(history))
        for user, now, item, country, history in rows
        if now < limit
    }


@patiently
@given(logs, logs, logs)
def test_what_comes_later_changes_no_example(past: list[Event], one: list[Event], other: list[Event]) -> None:
    assert examples(past + one, len(past)) == examples(past + other, len(past)) == examples(past, len(past))


@patiently
@given(logs)
def test_history_and_country_are_of_strictly_earlier_events(log: list[Event]) -> None:
    for user, now, item, country, history in examples(log, len(log)):
        at = int((now - START.timestamp() * 1e6) // 60_000_000)
        before = [event for event in log[:at] if event.user == USERS.ids[user]]
        countries = [event.country for event in before if event.country]
        assert log[at].item == item
        assert country == SPEC.country(countries[-1] if countries else None)
        liked = {event.item for event in before if event.event_type != "dislike"}
        assert {row for row in history if row >= 0} <= liked


@patiently
@given(logs, logs)
def test_what_comes_later_changes_no_step_of_a_sequence(past: list[Event], later: list[Event]) -> None:
    whole, prefix = (training_sequences(encoded(log)) for log in (past + later, past))
    longer = {tuple(items.tolist()) for items in whole["items"]}
    for items in prefix["items"]:
        assert any(candidate[: len(items)] == tuple(items.tolist()) for candidate in longer)
