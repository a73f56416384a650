"""`--resume` goes on with a run as it was begun, or not at all."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from models.errors import ConfigError
from pipelines.learning.engine.checkpoint import PROGRESS
from pipelines.learning.engine.checkpoint_folders import checkpoint_folder
from pipelines.learning.refit import selecting
from pipelines.learning.runs.changes import change_settings
from pipelines.learning.runs.run_folder import begin, read_json, write_json
from pipelines.recipes import from_dict, load_recipe, to_dict
from pipelines.train import _begun, main

DATA: dict[str, Any] = {"versions": {"interactions": 3}, "num_users": 5}


def test_a_run_may_be_begun_again_with_the_same(tmp_path: Path) -> None:
    for _ in range(2):
        begin(str(tmp_path), {"seed": 1}, DATA)
    assert read_json(str(tmp_path), "config.json") == {"seed": 1}
    assert read_json(str(tmp_path), "data.json") == DATA


@pytest.mark.parametrize(
    ("config", "data", "message"),
    [
        ({"seed": 2}, DATA, r"other recipe \(not the same: seed\)"),
        ({"seed": 1}, {**DATA, "versions": {"interactions": 4}}, r"other data \(not the same: versions\)"),
    ],
)
def test_other_recipe_or_data_is_another_run(
    tmp_path: Path, config: dict[str, Any], data: dict[str, Any], message: str
) -> None:
    begin(str(tmp_path), {"seed": 1}, DATA)
    with pytest.raises(ConfigError, match=message):
        begin(str(tmp_path), config, data)
    assert read_json(str(tmp_path), "data.json") == DATA


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--resume", "nothing"], "there is no run"),
        (["--resume", "nothing", "--since", "last"], "Leave out --from"),
        (["--recipe", "als", "--since", "last"], "als is made anew each time"),
        (["--recipe", "hybrid", "--from", "nothing"], "hybrid is made anew each time"),
    ],
)
def test_the_command_says_what_to_do(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], options: list[str], message: str
) -> None:
    assert main(["--runs", str(tmp_path), "--lake", str(tmp_path), *options]) == 2
    assert message in capsys.readouterr().err


def test_rates_and_the_course_of_training_may_change_on_the_way(tmp_path: Path) -> None:
    uri = str(tmp_path)
    write_json(uri, "config.json", to_dict(load_recipe("two_tower")))
    for epoch in (1, 2):  # the second one's record in metrics.json may have been lost
        checkpoint_folder(uri, epoch).write(PROGRESS, b"{}")
    change_settings(uri, to_dict(load_recipe("two_tower", ["optimizer.weight_decay=0.1", "training.num_workers=4"])))
    assert read_json(uri, "config.json")["training"]["num_workers"] == 4
    changed = {"optimizer.weight_decay": [0.0, 0.1], "training.num_workers": [2, 4]}
    assert read_json(uri, "changes.json") == [{"after_epoch": 2, "changed": changed}]


@pytest.mark.parametrize("setting", ["seed=1", "model.embedding_dim=8", "optimizer.table_optimizer=adam"])
def test_what_the_weights_mean_may_not_change(tmp_path: Path, capsys: pytest.CaptureFixture[str], setting: str) -> None:
    before = to_dict(load_recipe("two_tower"))
    write_json(str(tmp_path / "mine"), "config.json", before)
    assert main(["--runs", str(tmp_path), "--lake", str(tmp_path), "--resume", "mine", "--set", setting]) == 2
    assert "own recipe" in capsys.readouterr().err
    assert read_json(str(tmp_path / "mine"), "config.json") == before


def test_a_run_that_still_chose_goes_on_choosing(tmp_path: Path) -> None:
    begun = selecting(load_recipe("two_tower", ["model.embedding_dim=8"]))
    write_json(str(tmp_path / "selection"), "config.json", to_dict(begun))
    recipe = _begun(str(tmp_path), ["training.epochs=4"])
    assert (recipe.model, recipe.training.epochs, recipe.training.refit) == (begun.model, 4, True)
    assert selecting(recipe) == from_dict(read_json(str(tmp_path / "selection"), "config.json"))
