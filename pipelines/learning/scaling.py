"""Settings of 0 filled in by the size of the data, so that one default serves small logs and large ones."""

from __future__ import annotations

from dataclasses import replace

from models.model_config import SequenceConfig
from pipelines.recipes import Recipe

_MANY_EXAMPLES = 400_000
"""From here on there is enough to learn wide vectors from."""


def scaled(recipe: Recipe, num_examples: int) -> Recipe:
    """The recipe with the widths of a net chosen; the same data gives the same recipe."""
    if isinstance(recipe.model, SequenceConfig) and recipe.model.embedding_dim == 0:
        dim = 128 if num_examples >= _MANY_EXAMPLES else 64
        return replace(recipe, model=replace(recipe.model, embedding_dim=dim))
    return recipe
