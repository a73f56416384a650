"""Validation scores: what a net that knows nothing, or no longer counts, is worth."""

from __future__ import annotations

import numpy as np
import torch

from models.features import FeatureSpec, item_features
from models.model_config import TableSizes, TwoTowerConfig
from models.seeds import generator
from pipelines.learning.data.examples import examples_of
from pipelines.learning.data.held_out import HeldOut
from pipelines.learning.data.known import Known
from pipelines.learning.objectives.two_tower import TwoTowerObjective

NUM_ITEMS = 12


def test_a_net_that_diverged_scores_nothing() -> None:
    counts = np.ones(NUM_ITEMS, np.int64)
    features = item_features(FeatureSpec(), [[] for _ in counts], counts, -counts)
    objective = TwoTowerObjective(
        TwoTowerConfig(8, 8), Known(TableSizes.of(FeatureSpec(), 4, NUM_ITEMS), features, counts, FeatureSpec())
    )
    net = objective.build("cpu")
    one = np.zeros(2, np.int64)
    held_out = HeldOut(
        examples_of({"user": one, "country": one, "history": np.full((2, 50), -1), "now_us": one, "item": one}),
        [np.zeros(0, np.int32)] * 2,
    )
    with torch.no_grad():
        for weights in net.parameters():
            weights.fill_(torch.nan)
        scores = objective.scores(net, held_out, generator(1, "validation"))
    assert scores.tolist() == [0.0, 0.0]
