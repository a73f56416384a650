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


def accidental_hits(rows: Tensor, num_examples: int) -> Tensor:
    """Which candidates are an example's own positive in another column than its own, [2, num_hits].

    `rows`: item rows of the candidates, the examples' positives first. A hit is an example and a candidate.
    """
    ordered, candidates = rows.sort()
    own = rows[:num_examples]
    first = torch.searchsorted(ordered, own)
    num = torch.searchsorted(ordered, own, right=True) - first
    examples = torch.arange(num_examples).repeat_interleave(num)
    before = num.cumsum(0) - num
    places = torch.arange(len(examples)) + (first - before).repeat_interleave(num)
    hits = torch.stack([examples, candidates[places]])
    return hits[:, hits[0] != hits[1]]


def sampled_softmax(users: Tensor, positives: Tensor, negatives: Tensor, hits: Tensor, log_expected: Tensor) -> Tensor:
    """Cross entropy of each example against all positives and negatives of the batch, [batch].

    `users`, `positives`: [batch, dim]; `negatives`: [num_negatives, dim]; `hits`: as `accidental_hits` finds them;
    `log_expected`: the log of the candidates' `expected_counts`, of the positives and then of the negatives,
    [batch + num_negatives].
    """
    target = torch.arange(len(users), device=users.device)
    logits = torch.addmm(-log_expected, users, torch.cat([positives, negatives]).T)
    with torch.no_grad():  # what is masked has a probability of exactly 0, and so no gradient anyway
        logits[hits[0], hits[1]] = _MASKED
    return F.cross_entropy(logits, target, reduction="none")
