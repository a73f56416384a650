"""One worker's training loop: stream, step, validate, checkpoint, report; resume from the newest checkpoint."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Sized
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import ray.train
import torch
import torch.distributed as dist
from ray.train import CheckpointUploadMode
from torchrec.distributed import DistributedModelParallel

from cluster.commands.console import say
from cluster.storage import Folder, absolute
from models.errors import BundleError
from models.seeds import derive_seed, generator
from pipelines.learning.data.held_out import HeldOut
from pipelines.learning.engine import checkpoint
from pipelines.learning.engine.agreement import Agreement, AllStop
from pipelines.learning.engine.ahead import ahead
from pipelines.learning.engine.checkpoint import Progress
from pipelines.learning.engine.checkpoint_folders import checkpoint_at, checkpoint_name, epochs_whole
from pipelines.learning.engine.checkpoint_writing import write_checkpoint
from pipelines.learning.engine.look_ups import look_ups
from pipelines.learning.engine.optimizing import LearningRates, optimizer_of
from pipelines.learning.engine.pipeline import Step, Stepping, steps_of
from pipelines.learning.engine.sharding import describe_plan, shard
from pipelines.learning.engine.stopping import DiskFull, Diverged, LossWatch, Stopped, no_room
from pipelines.learning.objectives.objective import Batching, Objective
from pipelines.learning.runs.run_folder import write_live
from pipelines.recipes import Recipe

DATASET = "train"
_LIVE_EVERY_S = 1.0
_CUDA_LOOKS_EVERY = 32
"""Steps between looks at the loss on a GPU: each look waits for the device."""
_NUM_USERS_NAMED = 5
_SWITCH_S = 0.0002
"""The steps' thread gives up Python's lock in every operation and has to get it back from the one that makes batches
ahead, which by Python's own 5 ms may keep it for that long each time: steps took a quarter longer.
"""


@dataclass(frozen=True, slots=True)
class LoopConfig:
    """What a worker needs beside its stream of examples. `warm_start_uri`: a checkpoint to begin from, or empty."""

    recipe: Recipe
    objective: Objective
    held_out: HeldOut | None
    run_uri: str
    num_examples: int
    warm_start_uri: str = ""


def run_worker(config: LoopConfig) -> Stopped | None:
    """Entry of a Ray Train worker; returns why it stopped when the run must not be tried again as it is."""
    sys.setswitchinterval(_SWITCH_S)
    worker = _Worker(config)
    worker.restore()
    return worker.train()


class _Worker:
    def __init__(self, config: LoopConfig) -> None:
        self._config, self._recipe = config, config.recipe
        context = ray.train.get_context()
        self._rank, self._world = context.get_world_rank(), context.get_world_size()
        self._device = ray.train.torch.get_device()
        optimizer, training = self._recipe.optimizer, self._recipe.training
        torch.manual_seed(derive_seed(self._recipe.seed, "weights"))
        net = config.objective.build("cpu")
        self._model: DistributedModelParallel = shard(
            net, optimizer, training, self._device, context.get_local_world_size(), partial(look_ups, self._recipe)
        )
        self._optimizer = optimizer_of(self._model, optimizer, training)
        self._rates = LearningRates(self._optimizer, optimizer, training.epochs, self._expected_steps())
        stepping = Stepping(self._model, self._optimizer, config.objective, self._device, training.precision)
        self._steps = steps_of(stepping)
        self._progress = Progress()
        self._made = ahead(self._make())
        self._agreement = Agreement()
        self._live = time.monotonic()
        if self._rank == 0:
            Folder(config.run_uri).write("sharding.txt", describe_plan(self._model).encode())

    def restore(self) -> None:
        """Continue from the newest whole checkpoint, or begin from a warm start. A half-written one is passed over."""
        for epoch in epochs_whole(self._config.run_uri):
            with checkpoint_at(self._config.run_uri, epoch).as_directory() as folder:
                try:
                    reader = checkpoint.Reader(Path(folder))
                except BundleError as error:
                    say(f"warning: {error}")
                    continue
                reader.restore(self._model, self._optimizer)
                self._progress = reader.progress
                return
        if self._config.warm_start_uri:
            warm = ray.train.Checkpoint(absolute(self._config.warm_start_uri))
            with warm.as_directory() as folder:
                checkpoint.Reader(Path(folder)).restore(self._model, self._optimizer, all_states=False)

    def train(self) -> Stopped | None:
        """Epochs until done, out of patience, or stopped."""
        training = self._recipe.training
        while self._progress.epochs_done < training.epochs:
            waited = self._progress.epochs_done - self._progress.best_epoch
            if training.patience and self._config.held_out and waited >= training.patience:
                return None
            try:
                self._one(self._progress.epochs_done + 1)
            except AllStop:
                return self._agreement.reason
        return None

    def _one(self, epoch: int) -> None:
        started = time.monotonic()
        loss, samples, steps, share = self._epoch(epoch)
        score = self._validate(epoch)
        best = score > self._progress.best
        self._progress = Progress(
            epochs_done=epoch,
            best=max(score, self._progress.best),
            best_epoch=epoch if best else self._progress.best_epoch,
            steps_done=self._progress.steps_done + steps,
        )
        seconds = time.monotonic() - started
        scored = {self._recipe.metric: score} if self._config.held_out else {}
        speed = {
            "samples": samples,
            "samples_per_s": samples / seconds,
            "seconds": seconds,
            "learning_rate_share": share,
        }
        self._report({"epoch": epoch, "loss": loss, **scored, **speed})

    def _epoch(self, epoch: int) -> tuple[float, int, int, float]:
        """Mean loss and number of examples over all workers, steps, and the last share of the full learning rates."""
        self._model.train()
        watch = LossWatch(epoch, self._rank, 1 if self._device.type == "cpu" else _CUDA_LOOKS_EVERY)
        taken, share = 0, 1.0
        per_epoch = self._steps_per_epoch()

        def before() -> None:
            nonlocal share
            done = epoch - 1 + min(taken / per_epoch, 1.0)
            share = self._rates.set(self._progress.steps_done + taken, done)

        for done in self._steps(self._inputs(epoch), before):
            taken += 1
            watch.add(done)
            self._agreement.note(watch.found)
            self._show(epoch, watch.num_examples)
        watch.flush()
        self._agreement.note(watch.found or self._broken_weight(epoch, taken))
        self._agreement.anyone(False)
        loss, samples = self._sum(watch.loss_sum, watch.num_examples)
        return loss / max(samples, 1), int(samples), taken, share

    def _inputs(self, epoch: int) -> Iterator[Step]:
        """Steps of this worker's stream, as many as every other's."""
        rng = generator(self._recipe.seed, "blank", epoch, self._rank)
        steps = iter(partial(next, self._made), None)
        step = next(steps, None)
        question = self._agreement.ask(step is not None)
        while True:
            # Look-ups are collective, so every worker takes as many steps as the one with the most batches. A worker
            # that has a reason to stop tells the others here, at no price of its own. All are asked about a step while
            # the one before it is taken.
            coming = next(steps, None)
            about_coming = self._agreement.ask(coming is not None)
            if not self._agreement.answer(question):
                self._agreement.answer(about_coming)
                return
            yield step or self._step(self._config.objective.blank(), rng, weight=0.0)
            step, question = coming, about_coming

    def _make(self) -> Iterator[Step | None]:
        """Steps of every epoch to come, and None after each; so an epoch begins to stream while the last one ends."""
        for epoch in range(self._progress.epochs_done + 1, self._recipe.training.epochs + 1):
            rng = generator(self._recipe.seed, "negatives", epoch, self._rank)
            for batch in self._batches(epoch):
                yield self._step(batch, rng)
            yield None

    def _step(self, batch: Sized, rng: np.random.Generator, weight: float = 1.0) -> Step:
        inputs = self._config.objective.inputs(batch, rng)
        return Step(inputs.features, inputs.tensors, weight, first_users(batch))

    def _batches(self, epoch: int) -> Iterator[Sized]:
        stream = ray.train.get_dataset_shard(DATASET).iter_batches(batch_size=None, batch_format="numpy")
        training = self._recipe.training
        scope = (epoch, self._rank)
        batching = Batching(training.batch_size, training.shuffle_buffer, self._recipe.seed, scope)
        return self._config.objective.batches(stream, batching)

    def _steps_per_epoch(self) -> float:
        """As many as the epochs before had, or an estimate before the first has ended."""
        if self._progress.steps_done:
            return self._progress.steps_done / self._progress.epochs_done
        return self._expected_steps()

    def _expected_steps(self) -> float:
        """Steps of an epoch by the number of examples."""
        per_step: int = self._recipe.training.batch_size * self._world
        return max(self._config.num_examples / per_step, 1.0)

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
        part = held_out.take(padded)
        scores = self._config.objective.scores(
            self._model.module, part, generator(self._recipe.seed, "validation", epoch)
        )
        weights = part.weight_of()[: len(mine)]
        score, weight = self._sum(float(weights @ scores[: len(mine)]), float(weights.sum()))
        return score / weight

    def _report(self, metrics: dict[str, float]) -> None:
        write_checkpoint(
            self._config.run_uri,
            self._rank,
            self._world,
            self._model,
            self._optimizer,
            self._progress,
            self._agreement,
            metrics,
        )
        storage = ray.train.get_context().get_storage()
        name = checkpoint_name(self._progress.epochs_done)
        written = ray.train.Checkpoint(storage.build_checkpoint_path_from_name(name), storage.storage_filesystem)
        ray.train.report(metrics, written, name, CheckpointUploadMode.NO_UPLOAD)

    def _broken_weight(self, epoch: int, step: int) -> Diverged | None:
        """A weight of this worker that is no number although every loss was: the last step's gradient was not one."""
        for name, value in self._model.state_dict().items():
            tensors = [s.tensor for s in value.local_shards()] if hasattr(value, "local_shards") else [value]
            if not all(bool(tensor.isfinite().all()) for tensor in tensors):
                return Diverged(epoch, step, self._rank, f"weight {name} is not finite")
        return None

    def _sum(self, *values: float) -> list[float]:
        tensor = torch.tensor(values, dtype=torch.float64)
        dist.all_reduce(tensor)
        return [float(value) for value in tensor]

    def _show(self, epoch: int, samples: int) -> None:
        now = time.monotonic()
        if self._rank == 0 and now - self._live > _LIVE_EVERY_S:
            self._live = now
            try:
                write_live(self._config.run_uri, epoch, samples * self._world, self._config.num_examples)
            except OSError as error:
                if not no_room(error):
                    raise
                self._agreement.note(DiskFull("live.json", epoch, self._rank, str(error)))


def first_users(batch: Any) -> list[int]:
    """The first user rows of a batch that says whose it is: `batch.users` holds rows, or is a `UserBatch`."""
    users = getattr(batch, "users", ())
    return [int(row) for row in getattr(users, "user", users)[:_NUM_USERS_NAMED]]
