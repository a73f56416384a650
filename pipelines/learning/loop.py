"""One worker's training loop: stream, step, validate, checkpoint, report; resume from the newest checkpoint."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator, Sized
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import ray.train
import torch
import torch.distributed as dist
from torchrec.distributed import DistributedModelParallel

from cluster.console import say
from cluster.storage import Folder
from models.errors import BundleError
from models.seeds import derive_seed, generator
from pipelines.learning import checkpoint
from pipelines.learning.checkpoint import Progress
from pipelines.learning.objectives.objective import Batching, HeldOut, Objective
from pipelines.learning.run_folder import write_live
from pipelines.learning.sharding import describe_plan, optimizer_of, shard
from pipelines.recipes import Recipe

DATASET = "train"
_LIVE_EVERY_S = 1.0


@dataclass(frozen=True, slots=True)
class LoopConfig:
    """What a worker needs beside its stream of examples."""

    recipe: Recipe
    objective: Objective
    held_out: HeldOut | None
    run_uri: str
    num_examples: int


def run_worker(config: dict[str, Any]) -> None:
    """Entry of a Ray Train worker."""
    worker = _Worker(config["loop"])
    worker.restore()
    worker.train()


class _Worker:
    def __init__(self, config: LoopConfig) -> None:
        self._config, self._recipe = config, config.recipe
        context = ray.train.get_context()
        self._rank, self._world = context.get_world_rank(), context.get_world_size()
        self._device = ray.train.torch.get_device()
        torch.manual_seed(derive_seed(self._recipe.seed, "weights"))
        net = config.objective.build("cpu")
        self._model: DistributedModelParallel = shard(net, self._recipe.optimizer, self._device)
        self._optimizer = optimizer_of(self._model, self._recipe.optimizer)
        self._rates = [float(group["lr"]) for group in self._optimizer.param_groups]
        self._progress = Progress()
        self._live = time.monotonic()
        if self._rank == 0:
            Folder(config.run_uri).write("sharding.txt", describe_plan(self._model).encode())

    def restore(self) -> None:
        """Continue from the newest checkpoint that is whole; a half-written one is passed over with a warning."""
        for found in _reported():
            with found.as_directory() as folder:
                try:
                    reader = checkpoint.Reader(Path(folder))
                except BundleError as error:
                    say(f"warning: {error}")
                    continue
                reader.restore(self._model, self._optimizer)
                self._progress = reader.progress
                return

    def train(self) -> None:
        """Epochs until done or out of patience."""
        training = self._recipe.training
        while self._progress.epochs_done < training.epochs:
            waited = self._progress.epochs_done - self._progress.best_epoch
            if training.patience and self._config.held_out and waited >= training.patience:
                return
            epoch = self._progress.epochs_done + 1
            started = time.monotonic()
            loss, samples = self._epoch(epoch)
            score = self._validate(epoch)
            best = score > self._progress.best
            self._progress = replace(
                self._progress,
                epochs_done=epoch,
                best=max(score, self._progress.best),
                best_epoch=epoch if best else self._progress.best_epoch,
            )
            seconds = time.monotonic() - started
            metric = self._config.objective.metric
            self._report(
                {
                    "epoch": epoch,
                    "loss": loss,
                    metric: score,
                    "samples": samples,
                    "samples_per_s": samples / seconds,
                    "seconds": seconds,
                }
            )

    def _epoch(self, epoch: int) -> tuple[float, int]:
        """Mean loss and number of examples, over all workers."""
        self._model.train()
        self._set_rates(epoch)
        totals = np.zeros(2)
        rng = generator(self._recipe.seed, "negatives", epoch, self._rank)
        for batch, weight in self._in_step(self._batches(epoch)):
            inputs = self._config.objective.inputs(batch, rng).to(self._device)
            losses = self._config.objective.losses(self._model, inputs)
            self._optimizer.zero_grad()
            torch.autograd.backward(losses.mean() * weight)
            self._optimizer.step()
            totals += (float(losses.detach().sum()) * weight, len(losses) * weight)
            self._show(epoch, int(totals[1]))
        loss, samples = self._sum(totals)
        return loss / max(samples, 1), int(samples)

    def _set_rates(self, epoch: int) -> None:
        share = 1.0 - (epoch - 1) / self._recipe.training.epochs if self._recipe.optimizer.schedule == "linear" else 1.0
        for group, full in zip(self._optimizer.param_groups, self._rates, strict=True):
            group["lr"] = full * share

    def _batches(self, epoch: int) -> Iterator[Sized]:
        stream = ray.train.get_dataset_shard(DATASET).iter_batches(
            batch_size=None, batch_format="numpy", prefetch_batches=2
        )
        training = self._recipe.training
        scope = (epoch, self._rank)
        batching = Batching(training.batch_size, training.shuffle_buffer, self._recipe.seed, scope)
        return self._config.objective.batches(stream, batching)

    def _in_step(self, batches: Iterator[Sized]) -> Iterator[tuple[Sized, float]]:
        """Batches with weight 1; once this worker has none left, an empty-handed one of weight 0 until all are done.

        Look-ups are collective, so every worker takes as many steps as the one with the most batches.
        """
        while True:
            batch = next(batches, None)
            left = torch.tensor([float(batch is not None)])
            dist.all_reduce(left)
            if not left.item():
                return
            yield (batch, 1.0) if batch is not None else (self._config.objective.blank(), 0.0)

    @torch.no_grad()
    def _validate(self, epoch: int) -> float:
        """Mean validation score over all workers; 0 when nothing is held out."""
        held_out = self._config.held_out
        if held_out is None:
            return 0.0
        self._model.eval()
        total = len(held_out.examples)
        mine = np.arange(self._rank, total, self._world)
        padded = (
            np.resize(mine, -(-total // self._world)) if len(mine) else np.zeros(-(-total // self._world), np.int64)
        )
        part = HeldOut(held_out.examples.take(padded), [held_out.seen[i] for i in padded])
        scores = self._config.objective.scores(
            self._model.module, part, generator(self._recipe.seed, "validation", epoch)
        )
        score, count = self._sum(np.asarray([scores[: len(mine)].sum(), len(mine)]))
        return float(score / count)

    def _report(self, metrics: dict[str, float]) -> None:
        with tempfile.TemporaryDirectory() as folder:
            checkpoint.save(Path(folder), self._rank, self._world, self._model, self._optimizer, self._progress)
            ray.train.report(
                metrics,
                checkpoint=ray.train.Checkpoint.from_directory(folder),
                checkpoint_dir_name=f"epoch-{self._progress.epochs_done:04d}",
            )

    def _sum(self, values: np.ndarray[Any, np.dtype[np.float64]]) -> np.ndarray[Any, np.dtype[np.float64]]:
        tensor = torch.from_numpy(values.copy())
        dist.all_reduce(tensor)
        return np.asarray(tensor.numpy())

    def _show(self, epoch: int, samples: int) -> None:
        now = time.monotonic()
        if self._rank == 0 and now - self._live > _LIVE_EVERY_S:
            self._live = now
            write_live(self._config.run_uri, epoch, samples * self._world, self._config.num_examples)


def _reported() -> list[ray.train.Checkpoint]:
    """Checkpoints of this run, newest first."""
    latest = ray.train.get_checkpoint()
    if latest is None:
        return []
    return [
        latest,
        *(r.checkpoint for r in reversed(ray.train.get_all_reported_checkpoints()) if r.checkpoint.path != latest.path),
    ]
