"""One fit as a plain function: from material to the files of a retriever."""

from __future__ import annotations

from pathlib import Path

from threadpoolctl import threadpool_limits

from models.model_config import AlsConfig, ContentConfig, ItemKnnConfig
from pipelines.learning.fitting.als import fit_als
from pipelines.learning.fitting.content import fit_content
from pipelines.learning.fitting.item_knn import fit_item_knn
from pipelines.learning.fitting.material import Material
from pipelines.learning.fitting.reporting import Reporter
from pipelines.recipes import Recipe


def fit(recipe: Recipe, material: Material, out: Path, reporter: Reporter | None = None) -> None:
    """Write the files of the recipe's own retriever into `out`; what every bundle holds is `export.save_retrieval`'s.

    BLAS is held to one thread: implicit runs threads of its own, `num_threads` of them, around its calls.
    """
    reporter = reporter or Reporter()
    with threadpool_limits(1, "blas"):
        match recipe.model:
            case AlsConfig():
                fit_als(recipe, material, out, reporter)
            case ItemKnnConfig():
                fit_item_knn(recipe.model, material, out, reporter)
            case ContentConfig():
                fit_content(recipe, material, out, reporter)
            case _:
                raise AssertionError(f"{recipe.model.kind} is not fitted in one task")
