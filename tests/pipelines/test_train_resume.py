"""`--resume` goes on with a run as it was begun, or not at all."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from models.errors import ConfigError
from pipelines.learning.run_folder import begin, read_json
from pipelines.train import main

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
    [(["--resume", "nothing"], "there is no run"), (["--resume", "nothing", "--set", "seed=1"], "own recipe")],
)
def test_the_command_says_what_to_do(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], options: list[str], message: str
) -> None:
    assert main(["--runs", str(tmp_path), "--lake", str(tmp_path), *options]) == 2
    assert message in capsys.readouterr().err
