"""Where the workers of a run are: each on a GPU of its own where Ray has one, else on CPUs."""

from __future__ import annotations

from dataclasses import replace

import ray

from cluster.commands.console import say
from pipelines.recipes import Recipe


def num_gpus() -> int:
    """GPUs of the cluster, free or not."""
    return int(ray.cluster_resources().get("GPU", 0))


def placed(recipe: Recipe, gpus: int) -> Recipe:
    """The recipe with no more workers than there are GPUs, if there are any: two ranks of NCCL cannot share one.

    A step still takes about as many examples, so fewer workers take larger batches.
    """
    training = recipe.training
    if not 0 < gpus < training.num_workers:
        return recipe
    batch_size = round(training.batch_size * training.num_workers / gpus)
    say(
        f"{recipe.name}: {training.num_workers} workers asked, {gpus} of them have a GPU: "
        f"training.num_workers={gpus}, training.batch_size={batch_size:,}"
    )
    return replace(recipe, training=replace(training, num_workers=gpus, batch_size=batch_size))
