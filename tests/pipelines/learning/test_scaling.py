"""Open settings follow the size of the data; what was set stays."""

from __future__ import annotations

import pytest

from models.model_config import SequenceConfig
from pipelines.learning.data.examples import Order
from pipelines.learning.scaling import as_before, scaled
from pipelines.recipes import load_recipe, to_dict


@pytest.mark.parametrize(
    ("num_examples", "dim", "epochs"), [(1_000_000, 128, 16), (200_000, 64, 60), (50_000_000, 128, 10), (0, 64, 60)]
)
def test_a_sequence_model_grows_with_the_log(num_examples: int, dim: int, epochs: int) -> None:
    made = scaled(load_recipe("sequence"), num_examples)
    assert isinstance(made.model, SequenceConfig)
    assert (made.model.embedding_dim, made.training.epochs) == (dim, epochs)
    assert scaled(made, 10) == made


@pytest.mark.parametrize("name", ["content", "neural_cf", "hybrid"])
def test_a_recipe_without_open_settings_stays(name: str) -> None:
    assert scaled(load_recipe(name), 1_000) == load_recipe(name)


@pytest.mark.parametrize("name", ["als", "item_knn"])
def test_what_is_recent_counts_more_where_times_tell(name: str) -> None:
    recipe = load_recipe(name)
    assert to_dict(scaled(recipe, 1_000, "time"))["model"]["recency_half_life"] == 5
    assert scaled(recipe, 1_000, "given").model == scaled(recipe, 1_000, "none").model == recipe.model
    asked = load_recipe(name, ["model.recency_half_life=9"])
    assert scaled(asked, 1_000, "time").model == asked.model


@pytest.mark.parametrize(("order", "lengths", "tower"), [("time", (50, 5), "perceptron"), ("none", (200, 0), "sum")])
def test_a_set_is_shown_as_a_whole_and_summed(order: Order, lengths: tuple[int, int], tower: str) -> None:
    made = scaled(load_recipe("two_tower"), 700_000, order)
    assert (made.features.history_length, made.features.recent_length) == lengths
    assert to_dict(made)["model"]["tower"] == tower
    assert as_before(load_recipe("two_tower"), made).model == made.model


def test_a_large_log_needs_few_rounds() -> None:
    assert [scaled(load_recipe("two_tower"), n).training.epochs for n in (100_000_000, 1_000_000, 1_000)] == [3, 16, 60]


@pytest.mark.parametrize(("num_examples", "batch_size"), [(1_000_000, 1_536), (50_000, 500), (1_000, 256)])
def test_a_small_log_is_cut_into_small_batches(num_examples: int, batch_size: int) -> None:
    made = scaled(load_recipe("sequence"), num_examples)
    assert made.training.batch_size == batch_size
    asked = load_recipe("sequence", ["training.batch_size=100"])
    assert scaled(asked, num_examples).training.batch_size == 100
    assert scaled(load_recipe("sequence", ["training.min_steps=0"]), num_examples).training.batch_size == 1_536


def test_what_goes_on_keeps_what_was_chosen_before() -> None:
    before = scaled(load_recipe("sequence"), 1_000)
    assert as_before(load_recipe("sequence"), before).model == before.model
    asked = load_recipe("sequence", ["model.embedding_dim=8"])
    assert as_before(asked, before).model == asked.model
    assert as_before(load_recipe("two_tower"), scaled(load_recipe("two_tower"), 1)).features.history_length == 50
