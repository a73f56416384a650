"""Losses of several heads on one shared bottom, each only where it has a label."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from models.model_config import RankerConfig
from models.nets.ranker import HEADS

_FUNNEL = ("view", "click", "purchase")


def head_labels(targets: NDArray[np.float32], config: RankerConfig) -> Tensor:
    """Labels in [0, 1] of the heads that are learned, NaN where there is none, [..., num_heads].

    `targets`: 1 or 0 for what was viewed, clicked and bought, and the rating; NaN where there is none. A head of
    weight 0 has no labels. A rating is learned as whether it is at least `rating_threshold`: its logit then adds up
    with the others, which the mean of a squared error would not.
    """
    labels = targets.copy()
    rating = labels[..., HEADS.index("rating")]
    labels[..., HEADS.index("rating")] = np.where(np.isnan(rating), np.nan, rating >= config.rating_threshold)
    learned = [getattr(config.head_weights, name) > 0 for name in HEADS]
    labels[..., ~np.asarray(learned)] = np.nan
    return torch.from_numpy(labels)


def main_head(config: RankerConfig) -> int:
    """The head that validation is about: the heaviest of those labelled everywhere, of equals the click."""
    weights = {name: getattr(config.head_weights, name) for name in _FUNNEL}
    best = max(_FUNNEL, key=lambda name: (weights[name], name == "click"))
    return HEADS.index(best if weights[best] > 0 else "rating")


def head_losses(logits: Tensor, labels: Tensor) -> Tensor:
    """Sum over heads of the mean logistic loss over labelled candidates, [batch], from [batch, candidates, heads]."""
    known = ~labels.isnan()
    losses = F.binary_cross_entropy_with_logits(logits, labels.nan_to_num(), reduction="none") * known
    return (losses.sum(1) / known.sum(1).clamp(min=1)).sum(1)


def placements(scores: NDArray[np.float32], positive: NDArray[np.bool_]) -> NDArray[np.float64]:
    """For each example the share of the other class that it stands on the right side of, ties half, [num_examples].

    The mean over all examples is the area under the ROC curve. 0.5 everywhere when a class is missing; NaN scores count
    as wrong.
    """
    if positive.all() or not positive.any():
        return np.full(len(scores), 0.5)
    if np.isnan(scores).any():
        return np.zeros(len(scores))
    ordered = {side: np.sort(scores[positive == side]) for side in (True, False)}
    placed = np.empty(len(scores))
    for side, other in ordered.items():
        mine = positive != side
        below = np.searchsorted(other, scores[mine], "left") + np.searchsorted(other, scores[mine], "right")
        share = below / (2 * len(other))
        placed[mine] = share if not side else 1 - share
    return placed
