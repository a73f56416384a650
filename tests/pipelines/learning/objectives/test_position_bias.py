"""Clicks with a known position bias: the ranker with a position tower finds the items' true order, the other does not.

The log's policy shows worse items higher up, so that clicks alone say the opposite of what users like.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from models.features import FeatureSpec, item_features
from models.model_config import HeadWeights, RankerConfig, TableSizes
from models.seeds import generator
from pipelines.learning.data.examples import Examples, examples_of
from pipelines.learning.data.held_out import HeldOut
from pipelines.learning.data.known import Known
from pipelines.learning.objectives.impression_ranker import ImpressionRankerObjective
from pipelines.learning.objectives.ranker import logits_of

pytestmark = pytest.mark.slow

NUM_ITEMS, NUM_POSITIONS, NUM_EXAMPLES, BATCH = 20, 10, 12_000, 1_000
QUALITY = np.linspace(-1.5, 1.5, NUM_ITEMS)
BIAS = np.linspace(2.5, -2.5, NUM_POSITIONS)
CONFIG = RankerConfig(
    embedding_dim=4, hidden_dim=8, num_layers=1, dropout=0.0, head_weights=HeadWeights(0.0, 1.0, 0.0, 0.0)
)


def clicks() -> Examples:
    """Worse items tend to the top; an item is clicked with probability sigmoid(quality + bias of its place)."""
    rng = generator(5, "clicks")
    items = rng.integers(0, NUM_ITEMS, NUM_EXAMPLES)
    positions = np.clip(items * NUM_POSITIONS // NUM_ITEMS + rng.integers(-3, 4, NUM_EXAMPLES), 0, NUM_POSITIONS - 1)
    clicked = rng.random(NUM_EXAMPLES) < 1 / (1 + np.exp(-(QUALITY[items] + BIAS[positions])))
    return impressions(items, positions, clicked)


def impressions(items: NDArray[np.int64], positions: NDArray[np.int64], clicked: NDArray[np.bool_]) -> Examples:
    zero = np.zeros(len(items), np.int64)
    columns = {"user": zero, "country": zero, "now_us": zero, "item": items, "history": zero[:, None] - 1}
    targets = np.full((len(items), 4), np.nan, np.float32)
    targets[:, 1] = clicked
    return examples_of({**columns, "position": positions, "targets": targets})


def trained_order(config: RankerConfig) -> float:
    """Rank correlation of the trained net's logits with the true quality."""
    spec = FeatureSpec(history_length=1)
    features = item_features(spec, [[]] * NUM_ITEMS, np.zeros(NUM_ITEMS), np.full(NUM_ITEMS, -1))
    known = Known(TableSizes.of(spec, 2, NUM_ITEMS), features, np.zeros(NUM_ITEMS, np.int64), spec)
    objective, rng, log = ImpressionRankerObjective(config, known), generator(1, "positions"), clicks()
    torch.manual_seed(1)
    net = objective.build("cpu")
    optimizer = torch.optim.Adam(net.parameters(), lr=0.02)
    for _ in range(8):
        for start in range(0, NUM_EXAMPLES, BATCH):
            optimizer.zero_grad()
            objective.losses(net, objective.inputs(log.take(slice(start, start + BATCH)), rng)).mean().backward()
            optimizer.step()
    with torch.no_grad():
        everything = impressions(np.arange(NUM_ITEMS), np.zeros(NUM_ITEMS, np.int64), QUALITY > 0)
        inputs = objective._inputs(everything, np.zeros(NUM_ITEMS, np.int64))
        logits = logits_of(net, inputs)[:, 0, 1].numpy()
        assert objective.scores(net, HeldOut(everything, []), rng).shape == (NUM_ITEMS,)
    return float(np.corrcoef(np.argsort(np.argsort(logits)), np.arange(NUM_ITEMS))[0, 1])


def test_the_position_tower_finds_the_true_order() -> None:
    with_tower, without = trained_order(CONFIG), trained_order(replace(CONFIG, position_dropout=1.0))
    assert with_tower > 0.8
    assert without < 0.0
