"""Recipes: whole, typed, and the same after a trip through JSON."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from models.errors import ConfigError
from models.model_config import AlsConfig, HybridConfig, RankerConfig, TwoTowerConfig
from pipelines.recipes import RECIPES, from_dict, load_recipe, to_dict


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_survives_json(name: str) -> None:
    recipe = RECIPES[name]()
    assert from_dict(json.loads(json.dumps(to_dict(recipe)))) == recipe
    assert recipe.name == name


def test_each_recipe_has_its_own_model() -> None:
    assert isinstance(load_recipe("two_tower").model, TwoTowerConfig)
    assert isinstance(load_recipe("ranker").model, RankerConfig)


def test_overrides_reach_every_level() -> None:
    recipe = load_recipe("two_tower", ["seed=1", "model.embedding_dim=8", "training.epochs=9", "split.protocol=time"])
    assert (recipe.seed, recipe.model.embedding_dim, recipe.training.epochs) == (1, 8, 9)
    assert recipe.split.protocol == "time"


def test_a_recipe_file_is_a_recipe(tmp_path: Path) -> None:
    path = tmp_path / "mine.json"
    path.write_text(json.dumps({**to_dict(RECIPES["ranker"]()), "name": "mine"}))
    assert load_recipe(str(path), ["training.epochs=7"]).training.epochs == 7
    assert load_recipe(str(path)).name == "mine"


def test_what_a_file_leaves_out_can_be_overridden(tmp_path: Path) -> None:
    path = tmp_path / "mine.json"
    path.write_text('{"name": "mine", "model": {"kind": "als"}}')
    recipe = load_recipe(str(path), ["training.epochs=5", "model.factors=7"])
    assert recipe.training.epochs == 5
    assert recipe.model == AlsConfig(factors=7)


def test_only_a_model_of_sequences_needs_an_order() -> None:
    assert [name for name in RECIPES if load_recipe(name).needs_order] == ["sequence"]


def test_a_list_of_names_is_a_setting() -> None:
    recipe = load_recipe("hybrid", ['model.sources=["als", "content"]'])
    assert isinstance(recipe.model, HybridConfig)
    assert recipe.model.sources == ("als", "content")
    with pytest.raises(ConfigError, match=r"model\.sources must be a list of names; got \[1\]"):
        load_recipe("hybrid", ["model.sources=[1]"])


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("training.epoch=1", r"nearest is 'training\.epochs'"),
        ("model.dim=1", r"no setting 'model\.dim'"),
        ("seed=soon", "expected a int"),
        ("model.kind=forest", "kind 'forest' is unknown. Use one of: two_tower, sequence"),
        ("split.protocol=random", "protocol 'random' is unknown. Use one of: leave_last_out, time, given, none"),
        ("split.test_fraction=0.5", "test_fraction must be"),
        ("training.epochs=-1", "epochs must be"),
        ("training.batch_size=-1", "batch_size must be"),
        ("training.num_workers=0", "num_workers must be"),
        ("model.temperature=0", "temperature must be"),
    ],
)
def test_mistakes_in_a_setting(override: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        load_recipe("two_tower", [override])


@pytest.mark.parametrize(
    ("name", "setting", "message"),
    [
        ("two_tower", "embedding_dim=0", r"model\.embedding_dim of a two_tower must be 1 or more; got 0"),
        ("neural_cf", "embedding_dim=0", "of a neural_cf must be 1 or more"),
        ("ranker", "embedding_dim=0", "of a ranker must be 1 or more"),
        ("content", "embedding_dim=0", "of a content must be 1 or more"),
        ("neural_cf", "num_negatives=0", r"model\.num_negatives of a neural_cf must be 1 or more; got 0"),
        ("ranker", "num_negatives=0", r"model\.num_negatives of a ranker must be 1 or more"),
        ("neural_cf", "hidden_dim=1", r"model\.hidden_dim of a neural_cf must be 2 or more"),
        ("sequence", "num_heads=3", r"num_heads must divide model\.embedding_dim; got 3, and a width of 0, which"),
    ],
)
def test_what_a_kind_of_model_cannot_be_trained_with(name: str, setting: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        load_recipe(name, [f"model.{setting}"])


def test_heads_divide_the_width_and_exposures_need_no_negatives() -> None:
    load_recipe("sequence", ["model.num_heads=3", "model.embedding_dim=48"])
    with pytest.raises(ConfigError, match="got 3, and a width of 64"):
        load_recipe("sequence", ["model.num_heads=3", "model.embedding_dim=64"])
    load_recipe("ranker", ["model.num_negatives=0", "model.examples=exposures"])


def test_a_ranker_validates_by_auc_on_its_own_lists() -> None:
    with pytest.raises(ConfigError, match=r"validation_candidates is of retrieval models; got 9"):
        load_recipe("ranker", ["training.validation_candidates=9"])
    with pytest.raises(ConfigError, match=r"validation_metric is of retrieval models; got mrr@10 .* Leave it auto"):
        load_recipe("ranker", ["training.validation_metric=mrr@10"])


def test_an_unknown_recipe_lists_the_known() -> None:
    with pytest.raises(ConfigError, match="Use one of two_tower, sequence"):
        load_recipe("two_towers")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("[1]", "holds a list"),
        ("{", "is not JSON"),
        ("{}", "kind None is unknown"),
        ('{"model": {"kind": "two_tower"}}', "incomplete"),
        ('{"model": {"kind": "two_tower"}, "name": "x", "sead": 3}', "nearest is 'seed'"),
        ('{"model": {"kind": "two_tower", "width": 3}, "name": "x"}', r"no setting 'model\.width'"),
        ('{"model": {"kind": "two_tower"}, "name": "x", "training": {"epochs": "three"}}', "epochs must be"),
        ('{"model": {"kind": "two_tower"}, "name": "x", "training": 5}', "training must be of type TrainingConfig"),
        ('{"model": 5, "name": "x"}', "kind 5 is unknown"),
    ],
)
def test_mistakes_in_a_file(tmp_path: Path, content: str, message: str) -> None:
    path = tmp_path / "mine.json"
    path.write_text(content)
    with pytest.raises(ConfigError, match=message):
        load_recipe(str(path))


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read: No such file"):
        load_recipe(str(tmp_path / "none.json"))
