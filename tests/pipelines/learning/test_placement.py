"""No more workers than GPUs, and the same number of examples a step."""

from __future__ import annotations

import pytest

from pipelines.learning.engine.placement import placed
from pipelines.recipes import load_recipe


@pytest.mark.parametrize(
    ("gpus", "workers", "batch_size"), [(0, 4, 1_000), (1, 1, 4_000), (3, 3, 1_333), (8, 4, 1_000)]
)
def test_workers_fit_the_gpus(gpus: int, workers: int, batch_size: int, capsys: pytest.CaptureFixture[str]) -> None:
    recipe = load_recipe("two_tower", ["training.num_workers=4", "training.batch_size=1000"])
    fitted = placed(recipe, gpus)
    assert (fitted.training.num_workers, fitted.training.batch_size) == (workers, batch_size)
    assert (fitted.model, fitted.optimizer) == (recipe.model, recipe.optimizer)
    assert ("4 workers asked" in capsys.readouterr().err) == (fitted is not recipe)
