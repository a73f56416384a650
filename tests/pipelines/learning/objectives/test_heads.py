"""Labels and losses of the heads, and placements against the definition of the AUC."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from models.model_config import HeadWeights, RankerConfig
from models.nets.ranker import HEADS
from pipelines.learning.objectives.heads import head_labels, head_losses, main_head, placements

NAN = math.nan


def test_a_rating_is_good_or_not_and_a_head_of_weight_0_has_no_labels() -> None:
    config = RankerConfig(head_weights=HeadWeights(view=0.0), rating_threshold=4.0)
    labels = head_labels(np.asarray([[1, 1, 0, 5.0], [1, 0, 0, 3.5], [0, 0, 0, NAN]], np.float32), config)
    expected = [[NAN, 1, 0, 1], [NAN, 0, 0, 0], [NAN, 0, 0, NAN]]
    np.testing.assert_array_equal(labels.numpy(), np.asarray(expected, np.float32))


def test_a_head_loses_only_where_it_has_a_label() -> None:
    logits = torch.zeros(2, 1, len(HEADS), requires_grad=True)
    labels = torch.tensor([[[NAN, 1.0, 0.0, NAN]], [[NAN, NAN, NAN, NAN]]])
    losses = head_losses(logits, labels)
    assert losses.tolist() == pytest.approx([2 * math.log(2), 0.0])
    losses.sum().backward()
    assert logits.grad is not None
    assert logits.grad[0, 0].tolist() == [0.0, -0.5, 0.5, 0.0]
    assert logits.grad[1].abs().sum() == 0


def test_candidates_are_averaged() -> None:
    labels = torch.full((1, 3, len(HEADS)), NAN)
    labels[0, :, 1] = torch.tensor([1.0, 0.0, NAN])
    assert head_losses(torch.zeros(1, 3, len(HEADS)), labels).tolist() == pytest.approx([math.log(2)])


def test_validation_is_about_the_heaviest_head() -> None:
    assert HEADS[main_head(RankerConfig())] == "click"
    assert HEADS[main_head(RankerConfig(head_weights=HeadWeights(0.0, 1.0, 2.0, 9.0)))] == "purchase"
    assert HEADS[main_head(RankerConfig(head_weights=HeadWeights(0.0, 0.0, 0.0, 1.0)))] == "rating"


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 4), st.booleans()), min_size=1, max_size=12))
def test_the_mean_placement_is_the_auc(pairs: list[tuple[int, bool]]) -> None:
    scores = np.asarray([score for score, _ in pairs], np.float32)
    positive = np.asarray([label for _, label in pairs])
    wins = [(p > n) + 0.5 * (p == n) for p in scores[positive] for n in scores[~positive]]
    assert placements(scores, positive).mean() == pytest.approx(np.mean(wins) if wins else 0.5)


def test_a_net_that_diverged_scores_nothing() -> None:
    assert placements(np.asarray([NAN, 1.0], np.float32), np.asarray([True, False])).tolist() == [0.0, 0.0]
