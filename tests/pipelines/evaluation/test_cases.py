"""Cases: a user as they were just before the first held-out event."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pyarrow as pa

from pipelines.evaluation.cases import EvaluationCase, cases_of, sample_cases
from pipelines.learning.data.sequences import SEQUENCE
from pipelines.learning.data.split import TEST, VALIDATION, Split


def block(**items_by_user: str) -> pa.Table:
    """One sequence a user: a click a letter, event n at n seconds."""
    columns = {
        "user_id": list(items_by_user),
        "country": ["NO"] * len(items_by_user),
        "attributes": ['{"age": "25"}'] * len(items_by_user),
        "item_ids": [list(items) for items in items_by_user.values()],
        "event_types": [["click"] * len(items) for items in items_by_user.values()],
        "timestamps_us": [[n * 1_000_000 for n in range(len(items))] for items in items_by_user.values()],
        "countries": [["NO"] * (len(items) - 1) + ["SE"] for items in items_by_user.values()],
    }
    return pa.table(columns, schema=SEQUENCE)


def described(case: EvaluationCase) -> tuple[str, str, str]:
    return case.user.user_id, "".join(case.user.positives), "".join(sorted(case.relevant))


def test_the_last_item_tests_with_all_before_it_known() -> None:
    [case] = cases_of(block(ann="abcd", bob="ab"), Split("leave_last_out"), TEST)
    assert described(case) == ("ann", "abc", "d")
    assert case.user.now == datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=3)
    assert case.user.country == "SE"
    assert case.user.attributes == {"age": "25"}


def test_validation_knows_nothing_of_the_test() -> None:
    [case] = cases_of(block(ann="abcd"), Split("leave_last_out"), VALIDATION)
    assert described(case) == ("ann", "ab", "c")


def test_a_time_split_asks_for_every_new_item_after_the_moment() -> None:
    split = Split("time", validation_us=1_000_000, test_us=2_000_000)
    # ann comes back to a: she has seen it, so it is nothing to find. cy has only old items, dot only new ones.
    cases = list(cases_of(block(ann="abcad", cy="ab", dot="xyz"), split, TEST))
    assert [described(case) for case in cases] == [("ann", "ab", "cd"), ("dot", "xy", "z")]


def test_no_split_has_no_cases() -> None:
    assert list(cases_of(block(ann="abcd"), Split("none"), TEST)) == []


def test_no_relevant_item_was_seen() -> None:
    for case in cases_of(block(ann="abacbd", bob="aabbcc"), Split("leave_last_out"), TEST):
        assert not case.relevant & case.user.seen


def test_the_order_of_blocks_does_not_choose_the_cases() -> None:
    names = [f"user-{n}" for n in range(30)]
    blocks = [block(**dict.fromkeys(names[start : start + 6], "abcd")) for start in range(0, 30, 6)]
    split = Split("leave_last_out")
    chosen = [c.user.user_id for c in sample_cases(blocks, split, TEST, 10)]
    assert len(set(chosen)) == 10
    assert [c.user.user_id for c in sample_cases(blocks[::-1], split, TEST, 10)] == chosen
    # More of them begin with the same ones, and all are all.
    assert [c.user.user_id for c in sample_cases(blocks, split, TEST, 15)][:10] == chosen
    assert sorted(c.user.user_id for c in sample_cases(blocks, split, TEST, 99)) == sorted(names)


def test_no_block_and_no_place_are_no_cases() -> None:
    assert sample_cases([], Split("leave_last_out"), TEST, 10) == []
    assert sample_cases([block(ann="abcd"), block(bob="abcd")], Split("leave_last_out"), TEST, 0) == []
