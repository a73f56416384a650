"""Examples are as of just before their event, and a shuffle loses none."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from models.features import no_profiles
from pipelines.learning.data.example_pool import ExamplePool, expand, expanded
from pipelines.learning.data.examples import Examples, Order, columns_of, examples_of
from pipelines.learning.data.shuffling import shuffled_batches
from pipelines.learning.data.split import CONTEXT, TEST, TRAIN, VALIDATION

Sequence = list[tuple[int, int]]
"""(item row, label) of each event, oldest first; event n happens at n µs."""

sequences = st.lists(
    st.lists(st.tuples(st.integers(0, 9), st.sampled_from([CONTEXT, TRAIN, VALIDATION, TEST])), min_size=1, max_size=9),
    max_size=5,
)


def block(users: list[Sequence]) -> dict[str, NDArray[Any]]:
    """Encoded sequences; user n has row n, profile row n and, before event t, country row 10 (n + 1) + t."""
    columns: dict[str, NDArray[Any]] = {
        "user_row": np.arange(len(users)),
        "profile_rows": no_profiles(len(users)),
    }
    columns["profile_rows"][:, 0] = np.arange(len(users))
    fields = {
        "item_rows": ([[item for item, _ in user] for user in users], np.int32),
        "labels": ([[label for _, label in user] for user in users], np.int8),
        "timestamps_us": ([list(range(len(user))) for user in users], np.int64),
        "country_rows": ([[10 * (n + 1) + at for at in range(len(user))] for n, user in enumerate(users)], np.int32),
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
    assert made["country"].tolist() == [10, 12]


def test_without_history_there_is_none() -> None:
    made = expand(block([[(5, TRAIN), (6, TRAIN)]]), history_length=0)
    assert made["history"].shape == (2, 0)


@given(sequences, st.integers(1, 6), st.sampled_from([TRAIN, VALIDATION, TEST]))
def test_a_history_is_what_came_strictly_before(users: list[Sequence], length: int, part: int) -> None:
    made = examples_of(expand(block(users), length, part))
    expected = [
        (user, user, 10 * (user + 1) + at, item, [before for before, _ in sequence[:at]][-length:], at)
        for user, sequence in enumerate(users)
        for at, (item, label) in enumerate(sequence)
        if label == part
    ]
    seen = [
        (int(user), int(profile), int(country), int(item), [int(row) for row in history if row >= 0], int(now))
        for user, profile, country, item, history, now in zip(
            made.users.user,
            made.users.profile[:, 0],
            made.users.country,
            made.items,
            made.users.history,
            made.users.now_us,
            strict=True,
        )
    ]
    assert seen == expected
    # Padding is in front only, so the newest event is always the last column.
    for history in made.users.history:
        assert (np.diff((history >= 0).astype(int)) >= 0).all()


def test_in_a_given_split_no_history_holds_a_held_out_item() -> None:
    users = block([[(5, TRAIN), (6, TEST), (7, TRAIN), (8, VALIDATION), (9, TRAIN)]])
    assert expand(users, 3, TRAIN, "given")["history"].tolist() == [[-1, -1, -1], [-1, -1, 5], [-1, 5, 7]]
    assert expand(users, 3, VALIDATION, "given")["history"].tolist() == [[5, 7, 9]]
    assert expand(users, 4, TEST, "given")["history"].tolist() == [[5, 7, 8, 9]]


def test_without_an_order_the_history_is_all_the_others() -> None:
    users = block([[(5, TRAIN), (6, VALIDATION), (7, TRAIN), (9, TRAIN)]])
    assert expand(users, 3, TRAIN, "none")["history"].tolist() == [[-1, 7, 9], [-1, 9, 5], [-1, 5, 7]]
    assert expand(users, 1, TRAIN, "none")["history"].tolist() == [[7], [9], [5]]
    assert expand(users, 3, VALIDATION, "none")["history"].tolist() == [[5, 7, 9]]


@given(sequences, st.sampled_from(["time", "given", "none"]))
def test_a_block_in_slices_gives_the_same_examples(users: list[Sequence], order: Order) -> None:
    whole = expand(block(users), 4, TRAIN, order)
    parts = list(expanded(block(users), 4, order))
    for name, values in whole.items():
        joined = np.concatenate([part[name] for part in parts]) if parts else values[:0]
        np.testing.assert_array_equal(joined, values)


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


@given(sequences, st.sampled_from(["time", "given", "none"]), st.integers(1, 5), st.integers(0, 3))
def test_examples_that_are_made_when_drawn_are_all_of_them(
    users: list[Sequence], order: Order, batch_size: int, seed: int
) -> None:
    pools = [ExamplePool.of(block([user]), 4, TRAIN, order) for user in users]
    drawn = [examples_of(expand(block([user]), 4, TRAIN, order)) for user in users]
    made = list(shuffled_batches(iter(pools), batch_size, 5, seed, "epoch"))
    assert sorted(rows(made)) == sorted(rows(drawn))


def rows(parts: list[Examples]) -> list[str]:
    """Each example as text."""
    one = np.asarray([[0]])
    return [repr(columns_of(part.take(one[0] + at))) for part in parts for at in range(len(part))]
