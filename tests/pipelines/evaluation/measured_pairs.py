"""Evaluations made of given values: what a gate, a table and a picture are tested on."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pipelines.evaluation.evaluation import Evaluation, compare
from pipelines.evaluation.measured import Measured


def measured(values: Sequence[float]) -> Measured:
    """Each case's NDCG@10; a hit where it is above 0."""
    array = np.asarray(values, np.float64)
    return Measured({"ndcg@10": array, "hit_rate@10": np.asarray(array > 0, np.float64)}, {"coverage@10": 0.5})


def evaluated(slices: dict[str, Sequence[bool]] | None = None, **models: Sequence[float]) -> Evaluation:
    """Models by name, from their NDCG@10 of each case; `model` and `popularity` are among them."""
    masks = {name: np.asarray(mask, np.bool_) for name, mask in (slices or {}).items()}
    return compare("full ranking", {name: measured(values) for name, values in models.items()}, slices=masks)
