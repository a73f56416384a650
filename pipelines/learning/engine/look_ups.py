"""How many rows an example looks up: what TorchRec's planner prices a plan by."""

from __future__ import annotations

from models.model_config import NeuralCFConfig, SequenceConfig
from models.nets.neu_mf import CANDIDATES
from models.nets.sequence import NEGATIVE
from models.profiles import MAX_ATTRIBUTES
from models.title_words import MAX_WORDS
from pipelines.recipes import Recipe


def look_ups(recipe: Recipe, feature: str, rows: int) -> float:
    """The most rows, of a table of `rows`, that one example looks up for a feature.

    What is shared by a batch counts by its share.
    """
    spec, config = recipe.features, recipe.model
    if isinstance(config, SequenceConfig):  # an example is one step of a window
        return (config.num_negatives or rows) / recipe.training.batch_size if feature == NEGATIVE else 1.0
    if isinstance(config, NeuralCFConfig) and feature == CANDIDATES:
        return 1.0 + config.num_negatives
    most = {
        "history": spec.history_length,
        "recent": spec.recent_length,
        "moment": 2,
        "profile": MAX_ATTRIBUTES,
        "item_words": MAX_WORDS,
        "negative_words": MAX_WORDS,
    }
    return float(most.get(feature, 1))
