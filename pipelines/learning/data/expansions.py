"""How the examples of a part are made from encoded sequences, for files. Needs no net, and loads none."""

from __future__ import annotations

from models.model_config import ModelConfig, SequenceConfig
from pipelines.learning.data.example_pool import expanded
from pipelines.learning.data.examples import Expansion, Order
from pipelines.learning.data.split import TRAIN
from pipelines.learning.data.windows import training_sequences
from pipelines.learning.impressions.examples import expanded_impressions


def expansion_of(
    model: ModelConfig, part: int, order: Order, history_length: int, *, from_exposures: bool = False
) -> Expansion:
    """One example an impression for a ranker of exposures, whole training sequences for a sequence model; for all
    others one example an event.
    """
    if from_exposures:
        return expanded_impressions, {"history_length": history_length, "part": part}
    if isinstance(model, SequenceConfig) and part == TRAIN:
        return training_sequences, {}
    return expanded, {"history_length": history_length, "order": order, "part": part}
