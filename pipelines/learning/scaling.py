"""Settings of 0 filled in by the size of the data, so that one default serves small logs and large ones."""

from __future__ import annotations

from dataclasses import replace

from models.model_config import SequenceConfig
from pipelines.recipes import Recipe

_MANY_EXAMPLES = 400_000
"""From here on there is enough to learn wide vectors from."""
_EXAMPLES_SEEN = 16_000_000
"""How many examples a sequence model sees in all: a small log needs more rounds for as many steps."""
_EPOCHS = (10, 60)


def scaled(recipe: Recipe, num_examples: int) -> Recipe:
    """The recipe with open widths and numbers of epochs chosen; the same data gives the same recipe."""
    if isinstance(recipe.model, SequenceConfig) and recipe.model.embedding_dim == 0:
        dim = 128 if num_examples >= _MANY_EXAMPLES else 64
        recipe = replace(recipe, model=replace(recipe.model, embedding_dim=dim))
    if recipe.training.epochs == 0:
        fewest, most = _EPOCHS
        epochs = min(max(round(_EXAMPLES_SEEN / max(num_examples, 1)), fewest), most)
        recipe = replace(recipe, training=replace(recipe.training, epochs=epochs))
    return recipe
