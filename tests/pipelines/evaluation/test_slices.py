"""Slices: which case belongs where."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from models.vocabulary import Vocabulary
from pipelines.evaluation.cases import EvaluationCase
from pipelines.evaluation.slices import slices_of
from tests.models.tiny_bundle import user

ITEMS = Vocabulary(["a", "b", "c", "d", "e"])
# Rising: 2, 5, 10, 13, 60; a third of the 90 events is passed at 13, two thirds at 60.
COUNTS = np.asarray([60, 13, 10, 5, 2])


def case(num_events: int, *relevant: str, country: str | None = None) -> EvaluationCase:
    return EvaluationCase(replace(user("u", *(["a"] * num_events)), country=country), frozenset(relevant or ("a",)))


def members(cases: list[EvaluationCase]) -> dict[str, list[int]]:
    return {name: np.flatnonzero(mask).tolist() for name, mask in slices_of(cases, ITEMS, COUNTS).items()}


def test_users_by_the_events_before_the_case() -> None:
    found = members([case(n) for n in (0, 4, 5, 49, 50, 200)])
    assert found["users: cold"] == [0, 1]
    assert found["users: warm"] == [2, 3]
    assert found["users: hot"] == [4, 5]


def test_history_in_thirds_named_by_their_ends() -> None:
    found = members([case(n) for n in (5, 9, 6, 7, 8, 10)])
    assert {name: at for name, at in found.items() if name.startswith("history")} == {
        "history: 5–6 events": [0, 2],
        "history: 7–8 events": [3, 4],
        "history: 9–10 events": [1, 5],
    }


def test_equal_histories_stay_together() -> None:
    found = members([case(n) for n in (3, 3, 3, 3, 9)])
    assert found["history: 3–3 events"] == [0, 1, 2, 3]
    assert found["history: 9–9 events"] == [4]


def test_the_largest_countries_and_the_rest() -> None:
    countries = ["NO", "NO", "DE", "FR", "IT", "SE", "SE", "XX", None]
    found = members([case(3, country=name) for name in countries])
    assert [name for name in found if name.startswith("country")] == [
        "country: NO", "country: SE", "country: DE", "country: FR", "country: IT", "country: other", "country: unknown",
    ]  # fmt: skip
    assert found["country: NO"] == [0, 1]
    assert found["country: other"] == [7]
    assert found["country: unknown"] == [8]


def test_a_country_may_be_any_text() -> None:
    found = members([case(3, country="$a\x00\n"), case(3, country="x" * 100)])
    assert {"country: $a??", "country: " + "x" * 20} <= set(found)


def test_items_by_how_much_is_known_of_them() -> None:
    # e has under 5 events and an unknown item none; d and c lie in the lower third, b ends it, a holds the upper one.
    found = members([case(1, "a"), case(1, "b"), case(1, "c"), case(1, "d"), case(1, "e"), case(1, "unknown")])
    assert found["items: hot"] == [0]
    assert found["items: middle"] == [1]
    assert found["items: tail"] == [2, 3]
    assert found["items: cold"] == [4, 5]


def test_several_relevant_items_count_by_their_median() -> None:
    # 0, 2, 60: 2. 60. 2 and 5: 3.5. 13, 60: 36.5.
    found = members([case(1, "e", "a", "unknown"), case(1, "a"), case(1, "e", "d"), case(1, "a", "b")])
    assert found["items: cold"] == [0, 2]
    assert found["items: hot"] == [1]
    assert found["items: middle"] == [3]


def test_what_does_not_part_the_cases_is_left_out() -> None:
    assert members([case(10), case(10)]) == {}
    assert members([]) == {}
