"""Training a net: Ray Data streams examples to Ray Train workers, the best checkpoint is exported."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import ray.train
from ray.data import Dataset
from ray.train import CheckpointConfig, FailureConfig, RunConfig, ScalingConfig, UserCallback
from ray.train.torch import TorchConfig, TorchTrainer

from cluster.commands.console import say
from cluster.ray_session import is_private
from models.contexts import ContextVocabulary
from models.errors import ShoalError
from pipelines.learning.engine.checkpoint_folders import (
    RUN_NAME,
    best_epoch,
    checkpoint_at,
    drop_broken_snapshot,
    epochs_whole,
    storage_uri,
)
from pipelines.learning.engine.loop import DATASET, LoopConfig, run_worker
from pipelines.learning.engine.placement import num_gpus, placed
from pipelines.learning.engine.stopping import DiskFull, causes, error_of, no_room
from pipelines.learning.engine.table_memory import check_tables
from pipelines.learning.engine.uneven_split import UnevenSplit
from pipelines.learning.objectives.making import make_objective
from pipelines.learning.preparing import Prepared
from pipelines.learning.runs.epoch_log import EpochLog, complete_records
from pipelines.learning.runs.export import export_net
from pipelines.learning.warm.source import Source
from pipelines.learning.warm.warm_start import Vocabularies, write_warm_start
from pipelines.recipes import Recipe


class Trainer(TorchTrainer):
    """A `TorchTrainer` that, in a private session, has no process to remove the placement group of a dead controller.

    That process asks the dashboard who is alive. There is none here, so it could remove nothing, and every run waited
    12 s at its end for it to give up; the group is gone with the session at the latest.
    """

    def _create_default_callbacks(self) -> list[Any]:
        made = super()._create_default_callbacks()
        if not is_private():
            return list(made)
        return [callback for callback in made if type(callback).__name__ != "PlacementGroupCleanerCallback"]


def train_net(prepared: Prepared, uri: str, callbacks: Sequence[UserCallback], source: Source | None = None) -> None:
    """Train the recipe's net on what was prepared and write the run's `export/`.

    `source`: what a warm start begins from.
    """
    gpus = num_gpus()
    recipe, corpus, on_gpus = placed(prepared.recipe, gpus), prepared.corpus, gpus > 0
    known = prepared.known()
    objective = make_objective(recipe.model, known)
    _check_precision(recipe, on_gpus)
    check_tables(recipe, objective, on_gpus)
    task, arguments = objective.stream()
    stream = prepared.encoded.map_batches(task, batch_format="numpy", batch_size=None, fn_kwargs=arguments)
    warm_start = ""
    if source is not None and not epochs_whole(uri):
        contexts = corpus.ranking.contexts if corpus.ranking else ContextVocabulary()
        now = Vocabularies(corpus.items.ids, corpus.users.ids, contexts)
        warm_start = write_warm_start(source, objective, now, recipe.seed, uri)
    loop = LoopConfig(recipe, objective, prepared.held_out, uri, prepared.num_examples, warm_start)
    _fit(_trainer(loop, stream, uri, callbacks, on_gpus), recipe, uri)
    best = best_epoch(uri, recipe.metric)
    assert best is not None  # a run that reported no checkpoint has failed
    try:
        export_net(recipe, corpus, known.sizes, checkpoint_at(uri, best), prepared.held_out, uri)
    except OSError as error:
        if not no_room(error):
            raise
        full = DiskFull("the export", best, 0, str(error))
        raise error_of(full, uri.rpartition("/")[2], recipe.optimizer, best) from error


def _fit(trainer: Trainer, recipe: Recipe, uri: str) -> None:
    """Run the workers to the end; what ends them early is raised as an error that says what to do."""
    drop_broken_snapshot(uri)
    complete_records(uri)
    run_id = uri.rpartition("/")[2]
    try:
        stopped = trainer.fit().return_value
    except ray.train.TrainingFailedError as error:
        if not any(map(no_room, causes(error))):
            raise ShoalError(f"run {run_id} failed: {error}. Resume it: shoal train --resume {run_id}") from error
        stopped = DiskFull("a file of the run", 0, 0, "no space left on device")
    if stopped is not None:
        kept = next(iter(epochs_whole(uri)), 0)
        raise error_of(stopped, run_id, recipe.optimizer, kept)


def _check_precision(recipe: Recipe, on_gpus: bool) -> None:
    if recipe.training.precision == "bfloat16" and not on_gpus:
        say(f"warning: {recipe.name} trains on CPU, where training.precision=bfloat16 is not used: it is float32")


def _trainer(
    loop: LoopConfig, examples: Dataset, uri: str, callbacks: Sequence[UserCallback], on_gpus: bool
) -> Trainer:
    training = loop.recipe.training
    return Trainer(
        # Bound rather than given as the loop's config: only the workers then load nets, and not Ray Train's controller.
        partial(run_worker, loop),
        datasets={DATASET: examples},
        dataset_config=UnevenSplit(),
        # On GPUs the counts of steps and examples still travel as CPU tensors, which NCCL cannot take.
        torch_config=TorchConfig(backend="cpu:gloo,cuda:nccl" if on_gpus else "gloo"),
        scaling_config=ScalingConfig(
            num_workers=training.num_workers, use_gpu=on_gpus, resources_per_worker={"CPU": training.cpus_per_worker}
        ),
        run_config=RunConfig(
            name=RUN_NAME,
            storage_path=storage_uri(uri),
            failure_config=FailureConfig(max_failures=training.max_failures),
            checkpoint_config=CheckpointConfig(
                num_to_keep=3, checkpoint_score_attribute=loop.recipe.metric if loop.held_out else None
            ),
            callbacks=[EpochLog(uri), *callbacks],
        ),
    )
