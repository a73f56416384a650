"""Every search space names settings that its recipe has, and every draw from it makes a recipe."""

from __future__ import annotations

import pytest

from models.errors import ConfigError
from pipelines.overrides import leaf_keys
from pipelines.recipes import RECIPES, to_dict
from tune.proposals import random_settings
from tune.spaces import SPACES
from tune.trials import with_settings


@pytest.mark.slow  # Ray Tune and TorchRec take seconds to load
@pytest.mark.parametrize("name", sorted(SPACES))
def test_a_space_fits_its_recipe(name: str) -> None:
    recipe = RECIPES[name]()
    space = SPACES[name]()
    assert set(space) <= set(leaf_keys(to_dict(recipe)))
    for number in range(20):
        drawn = random_settings(space, 2026, number, ())
        assert to_dict(with_settings(recipe, drawn)) != to_dict(recipe)


@pytest.mark.slow
def test_a_setting_that_does_not_exist_names_the_nearest() -> None:
    with pytest.raises(ConfigError, match=r"model\.temperature"):
        with_settings(RECIPES["two_tower"](), {"model.temprature": 0.1})
