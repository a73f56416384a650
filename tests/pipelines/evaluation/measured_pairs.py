"""Evaluations made of given values: what a gate, a table and a picture are tested on."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pipelines.evaluation.evaluation import Evaluation, compare
from pipelines.evaluation.measured import Measured


def measured(values: Sequence[float], hits: Sequence[float] | None = None) -> Measured:
    """Each case's NDCG@10 and hit rate; without `hits` all are hits."""
    array = np.asarray(values, np.float64)
    hit_rate = np.ones_like(array) if hits is None else np.asarray(hits, np.float64)
    return Measured({"ndcg@10": array, "hit_rate@10": hit_rate}, {"coverage@10": 0.5})


def evaluated(
    slices: dict[str, Sequence[bool]] | None = None,
    hits: dict[str, Sequence[float]] | None = None,
    **models: Sequence[float],
) -> Evaluation:
    """Models by name, from their NDCG@10 of each case; `model` and `popularity` are among them."""
    masks = {name: np.asarray(mask, np.bool_) for name, mask in (slices or {}).items()}
    made = {name: measured(values, (hits or {}).get(name)) for name, values in models.items()}
    return compare("full ranking", made, slices=masks)
