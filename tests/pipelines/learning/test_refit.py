"""What a refit takes over from the run that chose."""

from __future__ import annotations

from pathlib import Path

import pytest

from models.errors import NotFoundError
from pipelines.learning.refit import refitted, selecting, wants_refit
from pipelines.learning.runs.run_folder import write_json
from pipelines.recipes import Recipe, load_recipe, to_dict


def chosen_run(folder: Path, scores: list[float]) -> str:
    recipe = selecting(load_recipe("sequence", ["model.embedding_dim=8", "training.epochs=30"]))
    write_json(str(folder), "config.json", to_dict(recipe))
    write_json(str(folder), "metrics.json", [{"epoch": n, "ndcg@10": s} for n, s in enumerate(scores, 1)])
    return str(folder)


@pytest.mark.parametrize(("scores", "epochs"), [([0.1, 0.3, 0.3, 0.2], 2), ([0.1], 1), ([0.0, 0.0, 0.0], 3)])
def test_as_many_epochs_as_were_best(tmp_path: Path, scores: list[float], epochs: int) -> None:
    recipe = refitted(chosen_run(tmp_path, scores))
    assert (recipe.training.epochs, recipe.training.patience, recipe.split.validation) == (epochs, 0, False)
    assert recipe.optimizer.schedule_epochs == 30  # learning rates go as they went
    assert to_dict(recipe)["model"]["embedding_dim"] == 8
    assert not wants_refit(recipe)


@pytest.mark.parametrize(
    ("overrides", "wanted"),
    [
        ([], True),
        (["training.refit=false"], False),
        (["split.validation=false"], False),
        (["split.protocol=none"], False),
        (["training.validation_users=0"], False),
    ],
)
def test_only_where_something_validates(overrides: list[str], wanted: bool) -> None:
    recipe: Recipe = load_recipe("sequence", overrides)
    assert wants_refit(recipe) == wanted


def test_a_run_that_is_gone_is_named(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="no finished run"):
        refitted(str(tmp_path / "gone"))
