"""Sampled softmax against arithmetic done by hand."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from models.nets.sampled_softmax import accidental_hits, expected_counts, sampled_softmax

# Two examples in one dimension, one uniform negative:
#   users 1 and 2; positives 3 (row 0) and 1 (row 1); negative 2 (row 2)
# Logits of user 1: [3, 1, 2]; of user 2: [6, 2, 4]; the targets are columns 0 and 1.
USERS = torch.tensor([[1.0], [2.0]])
POSITIVES = torch.tensor([[3.0], [1.0]])
NEGATIVES = torch.tensor([[2.0]])
NO_CORRECTION = torch.zeros(3)


def losses(positive_rows: list[int], negative_rows: list[int], log_expected: Tensor = NO_CORRECTION) -> list[float]:
    rows = torch.tensor(positive_rows + negative_rows)
    return list(sampled_softmax(USERS, POSITIVES, NEGATIVES, accidental_hits(rows, 2), log_expected[rows]).tolist())


def log_sum(*logits: float) -> float:
    return math.log(sum(map(math.exp, logits)))


def test_each_example_is_set_against_the_whole_batch() -> None:
    assert losses([0, 1], [2]) == pytest.approx([log_sum(3, 1, 2) - 3, log_sum(6, 2, 4) - 2])


def test_an_accidental_hit_is_no_negative() -> None:
    # The negative is row 0, the first example's own positive: it leaves that example's sum and no other.
    assert losses([0, 1], [0]) == pytest.approx([log_sum(3, 1) - 3, log_sum(6, 2, 4) - 2])


def test_two_examples_of_one_item_do_not_push_each_other_down() -> None:
    # Rows 0 and 0: each example's own column stays, the other's is masked.
    assert losses([0, 0], [2]) == pytest.approx([log_sum(3, 2) - 3, log_sum(2, 4) - 2])


def test_log_q_is_taken_from_every_logit() -> None:
    # Row 0 is expected 4 times, row 1 twice, row 2 once: logits of user 1 are 3 − ln 4, 1 − ln 2, 2.
    log_expected = torch.log(torch.tensor([4.0, 2.0, 1.0]))
    first = [3 - math.log(4), 1 - math.log(2), 2]
    second = [6 - math.log(4), 2 - math.log(2), 4]
    expected = [log_sum(*first) - first[0], log_sum(*second) - second[1]]
    assert losses([0, 1], [2], log_expected) == pytest.approx(expected)


def test_a_masked_candidate_gets_no_gradient_from_its_example() -> None:
    negatives = NEGATIVES.clone().requires_grad_()
    hits = accidental_hits(torch.tensor([0, 0, 0]), 2)
    loss = sampled_softmax(USERS, POSITIVES, negatives, hits, NO_CORRECTION)
    loss.sum().backward()
    assert negatives.grad is not None
    assert negatives.grad.item() == 0.0


@given(st.lists(st.integers(0, 5), min_size=1, max_size=40), st.data())
def test_hits_are_all_candidates_of_the_same_row_but_an_examples_own(rows: list[int], data: st.DataObject) -> None:
    num_examples = data.draw(st.integers(1, len(rows)))
    hits = accidental_hits(torch.tensor(rows), num_examples).T.tolist()
    expected = [[i, j] for i in range(num_examples) for j in range(len(rows)) if rows[i] == rows[j] and i != j]
    assert sorted(hits) == expected


def test_expected_counts_of_a_batch_of_four_and_six_uniform_negatives() -> None:
    # 4 × share + 6 / 3 items
    counts = expected_counts(torch.tensor([0.5, 0.25, 0.25]), 4, 6, 3)
    assert counts.tolist() == [4.0, 3.0, 3.0]
    assert counts.sum().item() == 10
