"""Losses against shared negatives, beside the sums they stand for."""

from __future__ import annotations

import torch
from torch.nn import functional as F

from models.nets.sampled_losses import gbce, shared_softmax

STATES = torch.tensor([[1.0, 0.0], [0.5, 2.0]])
ITEMS = torch.tensor([[1.0, 1.0], [0.0, 1.0], [-1.0, 0.5]])


def test_with_every_other_item_as_negative_it_is_the_softmax() -> None:
    positives, hits = ITEMS[[0, 2]], torch.tensor([[True, False, False], [False, False, True]])
    sampled = shared_softmax(STATES, positives, ITEMS, hits, torch.zeros(3))
    torch.testing.assert_close(sampled, F.cross_entropy(STATES @ ITEMS.T, torch.tensor([0, 2]), reduction="none"))


def test_sampled_negatives_estimate_the_sum_over_all() -> None:
    # Each negative is drawn with probability 1/2 twice a batch: expected once, so its weight is exp(-log 1) = 1.
    hits = torch.zeros(2, 2, dtype=torch.bool)
    twice = shared_softmax(STATES, ITEMS[[0, 0]], ITEMS[[1, 1]], hits, torch.log(torch.tensor([2.0, 2.0])))
    once = shared_softmax(STATES, ITEMS[[0, 0]], ITEMS[[1]], hits[:, :1], torch.zeros(1))
    torch.testing.assert_close(twice, once)


def test_gbce_without_calibration_is_binary_cross_entropy() -> None:
    # One negative, so its mean is itself: -log σ(s⁺) − log(1 − σ(s⁻)).
    hits = torch.zeros(2, 1, dtype=torch.bool)
    found = gbce(STATES, ITEMS[[0, 1]], ITEMS[[2]], hits, sampling_rate=0.5, calibration=0.0)
    own, other = (STATES * ITEMS[[0, 1]]).sum(1), STATES @ ITEMS[2]
    torch.testing.assert_close(found, F.softplus(-own) + F.softplus(other))


def test_calibration_weighs_the_positive_by_the_sampling_rate() -> None:
    # β = α (1 · (1 − 1/α) + 1/α) = α for calibration 1: at rate 1/4 a quarter of the positive's loss.
    hits = torch.ones(2, 1, dtype=torch.bool)
    whole = gbce(STATES, ITEMS[[0, 1]], ITEMS[[2]], hits, 0.25, 0.0)
    torch.testing.assert_close(gbce(STATES, ITEMS[[0, 1]], ITEMS[[2]], hits, 0.25, 1.0), 0.25 * whole)
