"""Windows: every training step once an epoch, none that predicts what was held out."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from pipelines.learning.data.split import CONTEXT, TEST, TRAIN, VALIDATION
from pipelines.learning.data.windows import Windows, training_sequences, window_batches
from tests.pipelines.learning.test_examples import Sequence, block, sequences


def batches(users: list[Sequence], max_length: int, size: int = 8, buffer: int = 20, epoch: int = 1) -> list[Windows]:
    return list(window_batches(iter([training_sequences(block(users))]), max_length, size, buffer, 7, epoch))


def steps(made: list[Windows]) -> Counter[tuple[int, int]]:
    """(item before, item) of every target."""
    found: Counter[tuple[int, int]] = Counter()
    for windows in made:
        for target in np.flatnonzero(windows.is_target):
            found[int(windows.items[target - 1]), int(windows.items[target])] += 1
    return found


@given(sequences, st.integers(1, 5))
def test_every_step_that_is_trained_on_comes_once(users: list[Sequence], max_length: int) -> None:
    expected: Counter[tuple[int, int]] = Counter()
    for user in users:
        kept = [(item, label) for item, label in user if label in (TRAIN, CONTEXT)]
        for (before, _), (item, label) in pairwise(kept):
            expected[before, item] += label == TRAIN
    made = batches(users, max_length)
    assert steps(made) == +expected
    assert all((windows.lengths <= max_length + 1).all() for windows in made)
    assert all(not windows.is_target[np.cumsum(windows.lengths) - windows.lengths].any() for windows in made)


def test_held_out_events_are_in_no_window() -> None:
    [windows] = batches([[(1, TRAIN), (2, TRAIN), (3, VALIDATION), (4, TEST)]], max_length=9)
    assert windows.items.tolist() == [1, 2]


def test_a_seed_repeats_the_windows_and_epochs_differ() -> None:
    users: list[Sequence] = [[(n % 10, TRAIN) for n in range(40)] for _ in range(5)]
    one, again, other = batches(users, 6), batches(users, 6), batches(users, 6, epoch=2)
    assert [w.items.tolist() for w in one] == [w.items.tolist() for w in again]
    assert [w.lengths.tolist() for w in one] != [w.lengths.tolist() for w in other]


def test_nobody_with_a_past_has_no_windows() -> None:
    assert batches([[(1, TRAIN)], [(2, TRAIN), (3, TEST)]], max_length=9) == []
