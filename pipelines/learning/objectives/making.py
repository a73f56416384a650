"""Which objective a model configuration has."""

from __future__ import annotations

from models.model_config import ModelConfig, NeuralCFConfig, RankerConfig, SequenceConfig, TwoTowerConfig
from pipelines.learning.data.known import Known
from pipelines.learning.objectives.impression_ranker import ImpressionRankerObjective
from pipelines.learning.objectives.neural_cf import NeuralCFObjective
from pipelines.learning.objectives.objective import Objective
from pipelines.learning.objectives.ranker import RankerObjective
from pipelines.learning.objectives.sequence import SequenceObjective
from pipelines.learning.objectives.two_tower import TwoTowerObjective


def make_objective(config: ModelConfig, known: Known) -> Objective:
    """The objective of a net."""
    if isinstance(config, TwoTowerConfig):
        return TwoTowerObjective(config, known)
    if isinstance(config, SequenceConfig):
        return SequenceObjective(config, known)
    if isinstance(config, NeuralCFConfig):
        return NeuralCFObjective(config, known)
    assert isinstance(config, RankerConfig)
    if known.ranking is not None and known.ranking.from_exposures:
        return ImpressionRankerObjective(config, known)
    return RankerObjective(config, known)
