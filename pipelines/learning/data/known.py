"""What an objective and its net are made for."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.features import FeatureSpec, ItemFeatures
from models.model_config import TableSizes
from pipelines.learning.data.examples import Order
from pipelines.learning.impressions.ranking_facts import RankingFacts


@dataclass(frozen=True, slots=True)
class Known:
    """What a net is built for: table sizes, item features, training events of each item, and the feature spec.

    `ranking`: what a ranker learns from beside these.
    """

    sizes: TableSizes
    features: ItemFeatures
    counts: NDArray[np.int64]
    spec: FeatureSpec
    order: Order = "time"
    ranking: RankingFacts | None = None
