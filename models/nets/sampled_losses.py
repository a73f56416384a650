"""Losses of one positive against negatives that the whole batch shares."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

_MASKED = -1e9


def shared_softmax(states: Tensor, positives: Tensor, negatives: Tensor, hits: Tensor, log_expected: Tensor) -> Tensor:
    """Sampled softmax, [num_steps] (Bengio and Senécal, 2008; Klenitskiy and Vasilev, 2023, section 3.3).

    `states`, `positives`: [num_steps, dim]; `negatives`: [num_negatives, dim]; `hits`: [num_steps, num_negatives],
    where a negative is the step's own positive; `log_expected`: [num_negatives], log of how often each was expected
    among the negatives, which makes their sum an estimate of the sum over the whole catalogue.
    """
    own = (states * positives).sum(-1, keepdim=True)
    others = (states @ negatives.T - log_expected).masked_fill(hits, _MASKED)
    logits = torch.cat([own, others], dim=1)
    return F.cross_entropy(logits, torch.zeros(len(logits), dtype=torch.long, device=logits.device), reduction="none")


def gbce(
    states: Tensor, positives: Tensor, negatives: Tensor, hits: Tensor, sampling_rate: float, calibration: float
) -> Tensor:
    """Generalised binary cross entropy, [num_steps] (gSASRec: Petrov and Macdonald, 2023, section 5).

    Negatives are uniform; `sampling_rate` is their number over the catalogue's. `calibration` 0 is plain binary cross
    entropy, 1 undoes the overconfidence that sampling brings.
    """
    rate = min(max(sampling_rate, 1e-9), 1.0)
    beta = rate * (calibration * (1.0 - 1.0 / rate) + 1.0 / rate)
    own = (states * positives).sum(-1)
    others = states @ negatives.T
    losses = F.softplus(others).masked_fill(hits, 0.0)
    # A mean over thousands of negatives would drown the positive, a sum would drown everything else.
    return beta * F.softplus(-own) + losses.sum(-1) / math.sqrt(max(negatives.shape[0], 1))
