"""Settings of 0 filled in by the data, so that one default serves small logs and large ones."""

from __future__ import annotations

from dataclasses import replace

from models.model_config import AlsConfig, ItemKnnConfig, SequenceConfig, TwoTowerConfig
from pipelines.learning.data.examples import Order
from pipelines.recipes import Recipe, TrainingConfig

_MANY_EXAMPLES = 400_000
"""From here on there is enough to learn wide vectors from."""
_EXAMPLES_SEEN = 16_000_000
"""How many examples a net sees in all, unless it stops early: a small log needs more rounds for as many steps."""
_FEWEST_EPOCHS, _FEWEST_OF_A_TRANSFORMER, _MOST_EPOCHS = 3, 10, 60
_SMALLEST_BATCH = 256
_HALF_LIFE = 5.0
"""What comes next depends on the newest events: see the figures of `docs/models/als.md`."""
_SEQUENCE_HISTORY, _SET_HISTORY = 50, 200
"""The newest events of a sequence say the most; of a set without times no event says more than another."""


def as_before(recipe: Recipe, before: Recipe) -> Recipe:
    """Open settings as an earlier run had them filled in: its weights fit no others.

    Epochs too: what is new is then seen as often as the rest was.
    """
    model = recipe.model
    if isinstance(model, SequenceConfig) and isinstance(before.model, SequenceConfig) and model.embedding_dim == 0:
        recipe = replace(recipe, model=replace(model, embedding_dim=before.model.embedding_dim))
    if isinstance(model, TwoTowerConfig) and isinstance(before.model, TwoTowerConfig) and model.tower == "auto":
        recipe = replace(recipe, model=replace(model, tower=before.model.tower))
    if recipe.features.history_length == 0:
        features = replace(recipe.features, history_length=before.features.history_length)
        recipe = replace(recipe, features=features)
    if recipe.training.epochs == 0:
        recipe = replace(recipe, training=replace(recipe.training, epochs=before.training.epochs))
    if recipe.training.min_steps:
        batch_size = min(recipe.training.batch_size, before.training.batch_size)
        recipe = replace(recipe, training=replace(recipe.training, batch_size=batch_size, min_steps=0))
    return recipe


def scaled(recipe: Recipe, num_examples: int, order: Order = "time") -> Recipe:
    """The recipe with open widths, lengths, epochs and batches chosen; the same data gives the same recipe."""
    if isinstance(recipe.model, SequenceConfig) and recipe.model.embedding_dim == 0:
        dim = 128 if num_examples >= _MANY_EXAMPLES else 64
        recipe = replace(recipe, model=replace(recipe.model, embedding_dim=dim))
    if isinstance(recipe.model, TwoTowerConfig) and recipe.model.tower == "auto":
        recipe = replace(recipe, model=replace(recipe.model, tower="sum" if order == "none" else "perceptron"))
    if isinstance(recipe.model, AlsConfig | ItemKnnConfig) and recipe.model.recency_half_life == 0 and order == "time":
        recipe = replace(recipe, model=replace(recipe.model, recency_half_life=_HALF_LIFE))
    if recipe.features.history_length == 0:
        length = _SET_HISTORY if order == "none" else _SEQUENCE_HISTORY
        recipe = replace(recipe, features=replace(recipe.features, history_length=length))
    if order == "none":
        recipe = replace(recipe, features=replace(recipe.features, recent_length=0))
    if recipe.training.epochs == 0:
        fewest = _FEWEST_OF_A_TRANSFORMER if isinstance(recipe.model, SequenceConfig) else _FEWEST_EPOCHS
        epochs = min(max(round(_EXAMPLES_SEEN / max(num_examples, 1)), fewest), _MOST_EPOCHS)
        recipe = replace(recipe, training=replace(recipe.training, epochs=epochs))
    return replace(recipe, training=_with_steps(recipe.training, num_examples))


def _with_steps(training: TrainingConfig, num_examples: int) -> TrainingConfig:
    """A batch small enough for `min_steps` in all, where there is room above the smallest."""
    if not training.min_steps:
        return training
    fitting = num_examples * training.epochs // (training.num_workers * training.min_steps)
    batch_size = min(training.batch_size, max(fitting, _SMALLEST_BATCH))
    return replace(training, batch_size=batch_size, min_steps=0)
