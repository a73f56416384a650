"""What was shown and what was done with it, as of the moment it was shown."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from models.contexts import ContextVocabulary
from models.features import FeatureSpec
from models.vocabulary import Vocabulary
from pipelines.learning.data.split import TEST, TRAIN, VALIDATION, Split
from pipelines.learning.impressions.encoding import encode_impressions
from pipelines.learning.impressions.examples import expand_impressions, expanded_impressions
from pipelines.learning.impressions.impressions import build
from tests.pipelines.learning.impression_log import SECOND_US, START_US, event, exposure, log

ALL = Split("none")
SPEC = FeatureSpec(history_length=3)
ITEMS = Vocabulary(list("abcdef"))
USERS = Vocabulary(["ann", "bob"], 2)
CONTEXTS = ContextVocabulary(["daytime"], [("daytime", "morning")])


def examples(rows: pa.Table, split: Split = ALL, part: int = TRAIN) -> dict[str, Any]:
    encoded = encode_impressions(build(rows, split), ITEMS, USERS, CONTEXTS, SPEC)
    return expand_impressions(encoded, SPEC.history_length, part)


def test_a_worked_example() -> None:
    rows = log(
        event("ann", "a", 0, country="NO"),
        exposure("ann", "r1", 10, "bcd", context='{"daytime": "morning"}'),
        event("ann", "c", 12, "view", "r1"),
        event("ann", "c", 14, "purchase", "r1", country="SE"),
        event("ann", "d", 15, "rating", "r1", rating=2.0),
        exposure("ann", "r2", 20, "a"),
    )
    made = examples(rows)
    assert made["item"].tolist() == [1, 2, 3, 0]
    assert made["position"].tolist() == [0, 1, 2, 0]
    assert made["history"].tolist() == [[-1, -1, 0]] * 3 + [[0, 2, 3]]
    assert made["now_us"].tolist() == [START_US + 10 * SECOND_US] * 3 + [START_US + 20 * SECOND_US]
    assert made["country"].tolist() == [SPEC.country("NO")] * 3 + [SPEC.country("SE")]
    assert made["context"].tolist() == [[1], [1], [1], [-1]]
    np.testing.assert_array_equal(
        made["targets"], [[0, 0, 0, np.nan], [1, 1, 1, np.nan], [1, 1, 0, 2.0], [0, 0, 0, np.nan]]
    )


def test_the_pages_of_a_recommendation_are_one_list_and_an_answer_to_any_counts() -> None:
    rows = log(
        event("ann", "f", 0),
        exposure("ann", "r1", 30, "de", num_above=3),
        exposure("ann", "r1", 10, "abc"),
        exposure("ann", "r1", 31, "f", num_above=3),  # the second page once more
        event("ann", "a", 20),
        event("ann", "d", 40, "click", "r1"),
        event("ann", "f", 41, "click", "r1"),  # was not shown
    )
    made = examples(rows)
    assert made["item"].tolist() == [0, 1, 2, 3, 4]
    assert made["position"].tolist() == [0, 1, 2, 3, 4]
    assert made["targets"][:, 1].tolist() == [0, 0, 0, 1, 0]
    assert made["history"].tolist() == [[-1, -1, 5]] * 5
    assert build(rows, ALL)["num_unmatched"].to_pylist() == [1]
    assert build(rows, ALL)["shown_us"].to_pylist() == [[START_US + 10 * SECOND_US]]


def test_an_answer_with_a_slow_clock_is_not_history_of_its_own_exposure() -> None:
    made = examples(log(exposure("ann", "r1", 10, "ab"), event("ann", "a", 3, "click", "r1")))
    assert made["history"].tolist() == [[-1, -1, -1]] * 2
    assert made["targets"][:, 1].tolist() == [1, 0]


def test_events_without_a_time_are_nobodys_history() -> None:
    assert examples(log(exposure("ann", "r1", 10, "a"), event("ann", "b", None)))["history"].tolist() == [[-1, -1, -1]]


def test_what_is_of_no_use_is_counted_or_left_out() -> None:
    rows = log(
        exposure("ann", "r1", 10, "azb"),  # z is not in the catalogue
        exposure("ann", "r1", 11, "f"),  # a second list under one id
        exposure("ann", "r2", 12, "a", surface="similar"),
        exposure("", "r3", 12, "a"),
        exposure("ann", "r4", 12, ""),
        exposure("bob", "r5", 13, "aa", context="[1]"),
        event("ann", "b", 20, "click", "r1"),
        event("ann", "c", 21, "click", "r1"),  # was not shown
        event("bob", "a", 22, "click", "r1"),  # not to bob
        event("zoe", "a", 23, "click", "r9"),
    )
    built = build(rows, ALL)
    assert dict(zip(built["user_id"].to_pylist(), built["num_unmatched"].to_pylist(), strict=True)) == {
        "ann": 1,
        "bob": 1,
        "zoe": 1,
    }
    made = examples(rows)
    assert list(zip(made["user"].tolist(), made["item"].tolist(), made["position"].tolist(), strict=True)) == [
        (0, 0, 0),
        (0, 1, 2),
        (1, 0, 0),
    ]
    assert made["context"].tolist() == [[-1], [-1], [-1]]


def test_a_log_of_nothing_shown_gives_no_examples() -> None:
    built = build(log(event("ann", "a", 1)), ALL)
    assert len(built) == 0
    assert examples(log(event("ann", "a", 1))) == {}
    assert list(expanded_impressions(encode_impressions(built, ITEMS, USERS, CONTEXTS, SPEC), 3)) == []


def test_lists_are_held_out_with_the_events_that_answer_them() -> None:
    rows = log(
        *(exposure("ann", f"r{n}", 10 * n, "abcdef") for n in range(1, 5)),
        event("ann", "a", 11, answers="r1"),
        event("ann", "b", 21, answers="r2"),
        event("ann", "c", 31, answers="r3"),
    )
    parts = [build(rows, split)["labels"].to_pylist()[0][::6] for split in (Split("leave_last_out"), ALL)]
    assert parts == [[TRAIN, VALIDATION, TEST, TEST], [TRAIN] * 4]
    timed = Split("time", validation_us=START_US + 15 * SECOND_US, test_us=START_US + 31 * SECOND_US)
    # The list of second 30 is answered by an event that tests.
    assert build(rows, timed)["labels"].to_pylist()[0][::6] == [TRAIN, VALIDATION, TEST, TEST]
    last_fit = Split("leave_last_out", validation=False)
    assert build(rows, last_fit)["labels"].to_pylist()[0][::6] == [TRAIN, TRAIN, TEST, TEST]


logs = st.lists(
    st.one_of(
        st.builds(
            lambda user, n, at, items: exposure(user, f"r{n}", at, "".join(items)),
            st.sampled_from(["ann", "bob"]),
            st.integers(0, 5),
            st.integers(0, 9),
            st.lists(st.sampled_from("abcdef"), min_size=1, max_size=3),
        ),
        st.builds(
            lambda user, item, at, kind, n, country: event(
                user, item, at, kind, None if n is None else f"r{n}", country=country
            ),
            st.sampled_from(["ann", "bob"]),
            st.sampled_from("abcdef"),
            st.integers(0, 9),
            st.sampled_from(["view", "click", "hide"]),
            st.none() | st.integers(0, 5),
            st.sampled_from([None, "NO", "SE"]),
        ),
    ),
    min_size=1,
    max_size=14,
)


@settings(max_examples=40, deadline=None)
@given(logs)
def test_no_feature_knows_the_exposures_own_moment_or_later(rows: list[dict[str, Any]]) -> None:
    made = examples(log(*rows))
    if not made:
        return
    for user, now, history, country in zip(made["user"], made["now_us"], made["history"], made["country"], strict=True):
        name, second = USERS.ids[user], (now - START_US) // SECOND_US
        earlier = [r for r in rows if "event_type" in r and r["user_id"] == name and _us(r) < now]
        known = {ITEMS.row(r["item_id"]) for r in earlier if r["event_type"] != "hide"}
        assert {int(row) for row in history if row >= 0} <= known, (second, rows)
        assert country in {0, *(SPEC.country(r["country"]) for r in earlier)}


def _us(row: dict[str, Any]) -> int:
    return int(row["timestamp"].timestamp()) * SECOND_US
