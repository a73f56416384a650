"""A training run from lake to export: Ray Data streams examples to Ray Train workers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import ray
import ray.data
import ray.train
from ray.data import Dataset
from ray.train import CheckpointConfig, DataConfig, FailureConfig, RunConfig, ScalingConfig, UserCallback
from ray.train.torch import TorchConfig, TorchTrainer

from cluster.console import say
from cluster.lake import Lake
from cluster.storage import join
from models.errors import InputError, ShoalError
from models.net_config import TableSizes
from pipelines.learning.corpus import Corpus, load_corpus
from pipelines.learning.encoding import encode_block
from pipelines.learning.examples import examples_of, expand
from pipelines.learning.export import export
from pipelines.learning.loop import DATASET, LoopConfig, run_worker
from pipelines.learning.objectives import HeldOut, make_objective
from pipelines.learning.progress_bar import EpochLog, OnEpoch, following
from pipelines.learning.run_folder import begin, new_run_id, read_json, run_uri
from pipelines.learning.split import VALIDATION
from pipelines.recipes import Recipe, to_dict


@dataclass(frozen=True, slots=True)
class TrainedRun:
    """A finished run; `epochs` holds the metrics of each."""

    run_id: str
    uri: str
    epochs: list[dict[str, float]]


class UnevenSplit(DataConfig):
    """Streams each example to exactly one worker. Ray Train's own split makes the parts equal by dropping rows."""

    def configure(self, datasets: dict[str, Dataset], world_size: int, *_: Any, **__: Any) -> list[dict[str, Any]]:
        """One iterator a worker; blocks keep their order so that a seed repeats a run."""
        shards: list[dict[str, Any]] = [{} for _ in range(world_size)]
        for name, dataset in datasets.items():
            stream = dataset.copy(dataset)
            stream.context.execution_options.preserve_order = True
            for shard, part in zip(shards, stream.streaming_split(world_size, equal=False), strict=True):
                shard[name] = part
        return shards


def train(
    recipe: Recipe,
    lake: Lake,
    runs_uri: str,
    *,
    run_id: str | None = None,
    on_epoch: OnEpoch | None = None,
    callbacks: Sequence[UserCallback] = (),
) -> TrainedRun:
    """Train `recipe` on the lake. A `run_id` that was interrupted goes on from its last checkpoint."""
    run_id = run_id or new_run_id(recipe.name)
    uri = run_uri(runs_uri, run_id)
    say(f"{recipe.name}: reading the lake")
    corpus = load_corpus(recipe, lake)
    begin(uri, to_dict(recipe), corpus.snapshot)
    encoded = _encode(recipe, corpus)
    sizes = TableSizes(
        corpus.users.num_rows, len(corpus.items), recipe.features.country_buckets, recipe.features.category_buckets
    )
    objective = make_objective(
        recipe.model, sizes, corpus.items.features(recipe.features), corpus.items.counts, recipe.features.recent_length
    )
    num_examples = int(corpus.items.counts.sum())
    if num_examples == 0:
        raise InputError("the training part of the split is empty. Use more data, or a longer log.")
    loop = LoopConfig(recipe, objective, _held_out(recipe, encoded), uri, num_examples)
    say(f"{recipe.name}: {num_examples:,} examples of {len(corpus.users):,} users and {len(corpus.items):,} items")
    examples = encoded.map_batches(
        expand, batch_format="numpy", batch_size=None, fn_kwargs={"history_length": recipe.features.history_length}
    )
    with following(uri, recipe.name, recipe.training.epochs, on_epoch):
        result = _trainer(loop, examples, uri, callbacks).fit()
    if result.error is not None or result.checkpoint is None:
        raise ShoalError(f"run {run_id} failed: {result.error}. Resume it: shoal train --resume {run_id}")
    export(recipe, corpus, sizes, _best(result, objective.metric, loop.held_out), uri)
    return TrainedRun(run_id, uri, read_json(uri, "metrics.json"))


def _encode(recipe: Recipe, corpus: Corpus) -> Dataset:
    items, users = ray.put(corpus.items.vocabulary), ray.put(corpus.users)
    encoded = corpus.sequences.map_batches(
        encode_block,
        batch_format="pyarrow",
        batch_size=None,
        fn_kwargs={"items": items, "users": users, "spec": recipe.features, "split": corpus.split},
    )
    return _in_order(encoded)


def _in_order(encoded: Dataset) -> Dataset:
    """The blocks by their first user, whatever order their tasks ended in: a seed then repeats a run."""
    blocks = encoded.to_arrow_refs()
    first_users = ray.get([_first_user.remote(block) for block in blocks])
    return ray.data.from_arrow_refs([blocks[at] for at in np.argsort(first_users, kind="stable")])


@ray.remote(num_cpus=0.1)  # type: ignore[untyped-decorator]
def _first_user(block: pa.Table) -> int:
    return int(block["user_row"][0].as_py()) if len(block) else -1


def _held_out(recipe: Recipe, encoded: Dataset) -> HeldOut | None:
    """Up to `validation_users` validation examples, with all the user had seen before each."""
    if recipe.split.protocol == "none" or recipe.training.validation_users == 0:
        return None
    length, limit = recipe.features.history_length, recipe.training.validation_users
    columns: dict[str, list[Any]] = {}
    seen: list[Any] = []
    for block in encoded.iter_batches(batch_size=256, batch_format="numpy"):
        part = expand(block, length, VALIDATION)
        for name, values in part.items():
            columns.setdefault(name, []).append(values)
        for rows, labels in zip(block["item_rows"], block["labels"], strict=True):
            seen += [rows[:at][rows[:at] != rows[at]] for at in np.flatnonzero(labels == VALIDATION)]
        if len(seen) >= limit:
            break
    examples = examples_of({name: np.concatenate(parts) for name, parts in columns.items()})
    return HeldOut(examples.take(slice(limit)), seen[:limit]) if len(examples) else None


def _trainer(loop: LoopConfig, examples: Dataset, uri: str, callbacks: Sequence[UserCallback]) -> TorchTrainer:
    training = loop.recipe.training
    gpu = ray.cluster_resources().get("GPU", 0) >= training.num_workers
    return TorchTrainer(
        run_worker,
        train_loop_config={"loop": loop},
        datasets={DATASET: examples},
        dataset_config=UnevenSplit(),
        # On GPUs the counts of steps and examples still travel as CPU tensors, which NCCL cannot take.
        torch_config=TorchConfig(backend="cpu:gloo,cuda:nccl" if gpu else "gloo"),
        scaling_config=ScalingConfig(
            num_workers=training.num_workers, use_gpu=gpu, resources_per_worker={"CPU": training.cpus_per_worker}
        ),
        run_config=RunConfig(
            name="run",
            storage_path=join(uri, "checkpoints"),
            failure_config=FailureConfig(max_failures=training.max_failures),
            checkpoint_config=CheckpointConfig(num_to_keep=3, checkpoint_score_attribute=loop.objective.metric),
            callbacks=[EpochLog(uri), *callbacks],
        ),
    )


def _best(result: Any, metric: str, held_out: HeldOut | None) -> Any:
    return result.checkpoint if held_out is None else result.get_best_checkpoint(metric, "max")
