"""A sweep is resumed as it was begun, or not at all."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from cluster.storage import Folder
from models.errors import ConfigError, NotFoundError
from tests.tune.quadratic import plan
from tune.plan import check_new, read, resumed, write

RECIPE = {"name": "two_tower", "training": {"epochs": 3}}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"searcher": "grid"}, "--searcher 'grid' is unknown. Use one of: random, optuna"),
        ({"scheduler": "median"}, "--scheduler 'median' is unknown. Use one of: asha, none"),
        ({"samples": 0}, "--samples 0 is less than 1"),
        ({"name": "../up"}, "cannot name a folder"),
        ({"name": ""}, "cannot name a folder"),
    ],
)
def test_what_cannot_be_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        plan(**{"name": "sweep", **changes})


def test_what_is_written_is_read_back_and_takes_the_name(tmp_path: Path) -> None:
    folder = Folder(str(tmp_path))
    check_new(folder, "sweep")
    write(folder, plan("sweep", recipe=RECIPE))
    assert read(folder, "sweep") == plan("sweep", recipe=RECIPE)
    with pytest.raises(ConfigError, match="--resume sweep; or use another --name"):
        check_new(folder, "sweep")


def test_a_sweep_that_does_not_exist_cannot_be_resumed(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="there is no sweep 'nothing'"):
        read(Folder(str(tmp_path)), "nothing")


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"space": "ranker"}, "space was quadratic, is ranker"),
        ({"recipe": {**RECIPE, "training": {"epochs": 5}}}, r"recipe\.training\.epochs was 3, is 5"),
        ({"interactions_version": 4}, "interactions_version was 0, is 4"),
        ({"domains": {"x": "0 to 1"}}, r"domains\.x was None, is 0 to 1"),
    ],
)
def test_another_sweep_is_not_gone_on_with(asked: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        resumed(plan("sweep", recipe=RECIPE), asked)


def test_the_same_is_and_may_be_longer() -> None:
    begun = plan("sweep", recipe=RECIPE)
    assert resumed(begun, {"space": "quadratic", "recipe": RECIPE}) == begun
    assert resumed(begun, {"samples": 20}).samples == 20
