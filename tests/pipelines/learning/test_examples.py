"""Examples are as of just before their event, and a shuffle loses none."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from pipelines.learning.examples import Examples, examples_of, expand, shuffled_batches
from pipelines.learning.split import CONTEXT, TEST, TRAIN, VALIDATION

Sequence = list[tuple[int, int]]
"""(item row, label) of each event, oldest first; event n happens at n µs."""

sequences = st.lists(
    st.lists(st.tuples(st.integers(0, 9), st.sampled_from([CONTEXT, TRAIN, VALIDATION, TEST])), min_size=1, max_size=9),
    max_size=5,
)


def block(users: list[Sequence]) -> dict[str, NDArray[Any]]:
    """Encoded sequences; user n has row n and country row 10 + n."""
    columns: dict[str, NDArray[Any]] = {
        "user_row": np.arange(len(users)),
        "country_row": 10 + np.arange(len(users)),
    }
    fields = {
        "item_rows": ([[item for item, _ in user] for user in users], np.int32),
        "labels": ([[label for _, label in user] for user in users], np.int8),
        "timestamps_us": ([list(range(len(user))) for user in users], np.int64),
    }
    for name, (lists, dtype) in fields.items():
        columns[name] = np.empty(len(users), object)
        for n, values in enumerate(lists):
            columns[name][n] = np.asarray(values, dtype)
    return columns


def test_a_worked_example() -> None:
    made = expand(block([[(5, TRAIN), (6, CONTEXT), (7, TRAIN), (8, TEST)]]), history_length=2)
    assert made["item"].tolist() == [5, 7]
    assert made["history"].tolist() == [[-1, -1], [5, 6]]
    assert made["now_us"].tolist() == [0, 2]
    assert made["user"].tolist() == [0, 0]
    assert made["country"].tolist() == [10, 10]


def test_without_history_there_is_none() -> None:
    made = expand(block([[(5, TRAIN), (6, TRAIN)]]), history_length=0)
    assert made["history"].shape == (2, 0)


@given(sequences, st.integers(1, 6), st.sampled_from([TRAIN, VALIDATION, TEST]))
def test_a_history_is_what_came_strictly_before(users: list[Sequence], length: int, part: int) -> None:
    made = examples_of(expand(block(users), length, part))
    expected = [
        (user, item, [before for before, _ in sequence[:at]][-length:], at)
        for user, sequence in enumerate(users)
        for at, (item, label) in enumerate(sequence)
        if label == part
    ]
    seen = [
        (int(user), int(item), [int(row) for row in history if row >= 0], int(now))
        for user, item, history, now in zip(
            made.users.user, made.items, made.users.history, made.users.now_us, strict=True
        )
    ]
    assert seen == expected
    # Padding is in front only, so the newest event is always the last column.
    for history in made.users.history:
        assert (np.diff((history >= 0).astype(int)) >= 0).all()


def numbered(start: int, size: int) -> Examples:
    """Examples whose item, user and time are all their number."""
    number = np.arange(start, start + size)
    columns = {"user": number, "country": number, "now_us": number, "item": number, "history": number[:, None]}
    return examples_of(columns)


def batches(sizes: list[int], batch_size: int, buffer_size: int, seed: int) -> list[Examples]:
    starts = np.cumsum([0, *sizes])
    blocks = (numbered(int(start), size) for start, size in zip(starts, sizes, strict=False))
    return list(shuffled_batches(blocks, batch_size, buffer_size, seed, "epoch"))


@given(st.lists(st.integers(0, 20), max_size=8), st.integers(1, 7), st.integers(1, 40), st.integers(0, 3))
def test_each_example_comes_once_and_whole(sizes: list[int], batch_size: int, buffer_size: int, seed: int) -> None:
    made = batches(sizes, batch_size, buffer_size, seed)
    items = np.concatenate([b.items for b in made]) if made else np.zeros(0, np.int64)
    assert sorted(items.tolist()) == list(range(sum(sizes)))
    assert all(0 < len(b) <= batch_size for b in made)
    assert all(len(b) == batch_size for b in made[:-1])
    for b in made:
        np.testing.assert_array_equal(b.users.user, b.items)
        np.testing.assert_array_equal(b.users.history[:, 0], b.items)


def test_a_seed_repeats_the_order_and_another_does_not() -> None:
    order = [b.items.tolist() for b in batches([50, 50], 10, 64, seed=1)]
    assert [b.items.tolist() for b in batches([50, 50], 10, 64, seed=1)] == order
    assert [b.items.tolist() for b in batches([50, 50], 10, 64, seed=2)] != order
    assert order != [list(range(n, n + 10)) for n in range(0, 100, 10)]
