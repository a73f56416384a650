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


def expected_counts(share: Tensor, num_in_batch: int, num_uniform: int, num_items: int) -> Tensor:
    """How often items are expected among the candidates, one number an item of `share`: its part of the examples."""
    return num_in_batch * share + num_uniform / num_items


def sampled_softmax(users: Tensor, positives: Tensor, negatives: Tensor, rows: Tensor, log_expected: Tensor) -> Tensor:
    """Cross entropy of each example against all positives and negatives of the batch, [batch].

    `users`, `positives`: [batch, dim]; `negatives`: [num_negatives, dim]; `rows`: item rows of the positives, then of
    the negatives, and `log_expected` the log of their `expected_counts`, both [batch + num_negatives].
    """
    target = torch.arange(len(users), device=users.device)
    accidental = rows[: len(users), None] == rows
    accidental[target, target] = False
    logits = torch.addmm(-log_expected, users, torch.cat([positives, negatives]).T)
    return F.cross_entropy(logits.masked_fill_(accidental, _MASKED), target, reduction="none")
