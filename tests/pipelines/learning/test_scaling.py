"""Open settings follow the size of the data; what was set stays."""

from __future__ import annotations

import pytest

from models.model_config import SequenceConfig
from pipelines.learning.scaling import as_before, scaled
from pipelines.recipes import RECIPES, load_recipe, to_dict


@pytest.mark.parametrize(
    ("num_examples", "dim", "epochs"), [(1_000_000, 128, 16), (200_000, 64, 60), (50_000_000, 128, 10), (0, 64, 60)]
)
def test_a_sequence_model_grows_with_the_log(num_examples: int, dim: int, epochs: int) -> None:
    made = scaled(load_recipe("sequence"), num_examples)
    assert isinstance(made.model, SequenceConfig)
    assert (made.model.embedding_dim, made.training.epochs) == (dim, epochs)
    assert scaled(made, 10) == made


@pytest.mark.parametrize("name", [name for name in RECIPES if name not in ("sequence", "two_tower", "ranker")])
def test_a_recipe_without_open_settings_stays(name: str) -> None:
    assert scaled(load_recipe(name), 1_000) == load_recipe(name)


@pytest.mark.parametrize(("ordered", "lengths", "tower"), [(True, (50, 5), "perceptron"), (False, (200, 0), "sum")])
def test_a_set_is_shown_as_a_whole_and_summed(ordered: bool, lengths: tuple[int, int], tower: str) -> None:
    made = scaled(load_recipe("two_tower"), 700_000, ordered)
    assert (made.features.history_length, made.features.recent_length) == lengths
    assert to_dict(made)["model"]["tower"] == tower
    assert as_before(load_recipe("two_tower"), made).model == made.model


def test_a_large_log_needs_few_rounds() -> None:
    assert [scaled(load_recipe("two_tower"), n).training.epochs for n in (100_000_000, 1_000_000, 1_000)] == [3, 16, 60]


def test_what_goes_on_keeps_what_was_chosen_before() -> None:
    before = scaled(load_recipe("sequence"), 1_000)
    assert as_before(load_recipe("sequence"), before).model == before.model
    asked = load_recipe("sequence", ["model.embedding_dim=8"])
    assert as_before(asked, before).model == asked.model
    assert as_before(load_recipe("two_tower"), scaled(load_recipe("two_tower"), 1)).features.history_length == 50
