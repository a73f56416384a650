"""Open settings follow the size of the data; what was set stays."""

from __future__ import annotations

import pytest

from models.model_config import SequenceConfig
from pipelines.learning.scaling import scaled
from pipelines.recipes import RECIPES, load_recipe


@pytest.mark.parametrize(
    ("num_examples", "dim", "epochs"), [(1_000_000, 128, 16), (200_000, 64, 60), (50_000_000, 128, 10), (0, 64, 60)]
)
def test_a_sequence_model_grows_with_the_log(num_examples: int, dim: int, epochs: int) -> None:
    made = scaled(load_recipe("sequence"), num_examples)
    assert isinstance(made.model, SequenceConfig)
    assert (made.model.embedding_dim, made.training.epochs) == (dim, epochs)
    assert scaled(made, 10) == made


@pytest.mark.parametrize("name", [name for name in RECIPES if name != "sequence"])
def test_a_recipe_without_open_settings_stays(name: str) -> None:
    assert scaled(load_recipe(name), 1_000) == load_recipe(name)
