"""Sampled softmax over in-batch and uniform negatives, corrected for how likely each was to be drawn.

In-batch negatives are drawn by popularity, so a popular item is pushed down too often; subtracting the log
of its expected count in the candidate set undoes that (logQ correction: Yi et al., 2019, section 3.2). Mixing in
uniform negatives gives the long tail a chance to be a negative at all (Yang et al., 2020, section 3.2). A
candidate that happens to be the example's own positive is no negative and is masked (accidental hit).
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

_MASKED = -1e9


def expected_counts(item_share: Tensor, num_in_batch: int, num_uniform: int) -> Tensor:
    """How often each item is expected among the candidates, [num_items]. `item_share` sums to 1."""
    return num_in_batch * item_share + num_uniform / len(item_share)


def sampled_softmax(
    users: Tensor,
    positives: Tensor,
    negatives: Tensor,
    positive_rows: Tensor,
    negative_rows: Tensor,
    log_expected: Tensor,
) -> Tensor:
    """Cross entropy of each example against all positives and negatives of the batch, [batch].

    `users`, `positives`: [batch, dim]; `negatives`: [num_negatives, dim]; `positive_rows`: [batch] and
    `negative_rows`: [num_negatives] item rows; `log_expected`: [num_items], log of `expected_counts`.
    """
    candidates = torch.cat([positives, negatives])
    rows = torch.cat([positive_rows, negative_rows])
    logits = users @ candidates.T - log_expected[rows]
    target = torch.arange(len(users), device=users.device)
    accidental = positive_rows[:, None] == rows[None, :]
    accidental[target, target] = False
    return F.cross_entropy(logits.masked_fill(accidental, _MASKED), target, reduction="none")
