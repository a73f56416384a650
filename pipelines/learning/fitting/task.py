"""A fit as one Ray task with the cores its recipe asks for; its files become the run's export."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import ray
from ray.exceptions import RayTaskError
from ray.train import UserCallback

from models.errors import ShoalError
from pipelines.learning.data.corpus import Corpus
from pipelines.learning.data.held_out import HeldOut
from pipelines.learning.fitting.fitting import fit
from pipelines.learning.fitting.material import make_material
from pipelines.learning.fitting.reporting import RunReporter
from pipelines.learning.preparing import Prepared
from pipelines.learning.runs.export import export, save_retrieval
from pipelines.recipes import Recipe


def fit_in_task(prepared: Prepared, uri: str, callbacks: Sequence[UserCallback]) -> None:
    """Fit on encoded sequences and write the run's `export/`; a task that was lost starts again."""
    recipe, training = prepared.recipe, prepared.recipe.training
    asked = max(training.num_workers * training.cpus_per_worker, 1.0)
    num_cpus = min(asked, ray.cluster_resources().get("CPU", 1.0))
    task = _fit.options(num_cpus=num_cpus, max_retries=training.max_failures)
    shared = (ray.put(prepared.corpus), ray.put(prepared.held_out))
    try:
        ray.get(
            task.remote(recipe, *shared, prepared.encoded.to_arrow_refs(), int(num_cpus), RunReporter(uri, callbacks))
        )
    except RayTaskError as error:
        if isinstance(error.cause, ShoalError):
            raise error.cause from error
        raise


@ray.remote  # type: ignore[untyped-decorator]
def _fit(
    recipe: Recipe,
    corpus: Corpus,
    held_out: HeldOut | None,
    blocks: list[ray.ObjectRef],
    num_threads: int,
    reporter: RunReporter,
) -> None:
    material = make_material(corpus, blocks, held_out, num_threads)

    def write(out: Path) -> None:
        fit(recipe, material, out, reporter)
        save_retrieval(out, recipe, corpus)

    export(reporter.run_uri, write)
