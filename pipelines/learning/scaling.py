"""Settings of 0 filled in by the data, so that one default serves small logs and large ones."""

from __future__ import annotations

from dataclasses import replace

from models.model_config import SequenceConfig, TwoTowerConfig
from pipelines.recipes import Recipe

_MANY_EXAMPLES = 400_000
"""From here on there is enough to learn wide vectors from."""
_EXAMPLES_SEEN = 16_000_000
"""How many examples a net sees in all, unless it stops early: a small log needs more rounds for as many steps."""
_FEWEST_EPOCHS, _FEWEST_OF_A_TRANSFORMER, _MOST_EPOCHS = 3, 10, 60
_SEQUENCE_HISTORY, _SET_HISTORY = 50, 200
"""The newest events of a sequence say the most; of a set without times no event says more than another."""


def as_before(recipe: Recipe, before: Recipe) -> Recipe:
    """Open settings as an earlier run had them filled in: its weights fit no others."""
    model = recipe.model
    if isinstance(model, SequenceConfig) and isinstance(before.model, SequenceConfig) and model.embedding_dim == 0:
        recipe = replace(recipe, model=replace(model, embedding_dim=before.model.embedding_dim))
    if isinstance(model, TwoTowerConfig) and isinstance(before.model, TwoTowerConfig) and model.tower == "auto":
        recipe = replace(recipe, model=replace(model, tower=before.model.tower))
    if recipe.features.history_length == 0:
        features = replace(recipe.features, history_length=before.features.history_length)
        recipe = replace(recipe, features=features)
    return recipe


def scaled(recipe: Recipe, num_examples: int, ordered: bool = True) -> Recipe:
    """The recipe with open widths, lengths and numbers of epochs chosen; the same data gives the same recipe."""
    if isinstance(recipe.model, SequenceConfig) and recipe.model.embedding_dim == 0:
        dim = 128 if num_examples >= _MANY_EXAMPLES else 64
        recipe = replace(recipe, model=replace(recipe.model, embedding_dim=dim))
    if isinstance(recipe.model, TwoTowerConfig) and recipe.model.tower == "auto":
        recipe = replace(recipe, model=replace(recipe.model, tower="perceptron" if ordered else "sum"))
    if recipe.features.history_length == 0:
        length = _SEQUENCE_HISTORY if ordered else _SET_HISTORY
        recipe = replace(recipe, features=replace(recipe.features, history_length=length))
    if not ordered:
        recipe = replace(recipe, features=replace(recipe.features, recent_length=0))
    if recipe.training.epochs == 0:
        fewest = _FEWEST_OF_A_TRANSFORMER if isinstance(recipe.model, SequenceConfig) else _FEWEST_EPOCHS
        epochs = min(max(round(_EXAMPLES_SEEN / max(num_examples, 1)), fewest), _MOST_EPOCHS)
        recipe = replace(recipe, training=replace(recipe.training, epochs=epochs))
    return recipe
