"""Why a worker ends a run that must not be tried again: what it hands back to the driver, and the error of it.

Ray Train starts the group again after any exception of a worker, `training.max_failures` times. A net that diverged
would diverge again, and a full disk does not empty itself: for these the workers return, and the driver raises.
"""

from __future__ import annotations

import errno
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from safetensors import SafetensorError
from torch import Tensor

from models.errors import DiskFullError, DivergenceError, ShoalError
from pipelines.learning.engine.pipeline import Done
from pipelines.recipes import OptimizerConfig

_NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


@dataclass(frozen=True, slots=True)
class Diverged:
    """The first loss, or weight, of a worker that is no number. `users`: the first user rows of its batch."""

    epoch: int
    step: int
    rank: int
    what: str
    users: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class DiskFull:
    """What a worker could not write, and what it was told."""

    what: str
    epoch: int
    rank: int
    reason: str


Stopped = Diverged | DiskFull


class LossWatch:
    """Sums losses and finds the first that is no number, with one transfer from the device every `every` steps."""

    def __init__(self, epoch: int, rank: int, every: int) -> None:
        self._epoch, self._rank, self._every = epoch, rank, every
        self._waiting: list[Done] = []
        self._step = 0
        self.loss_sum, self.num_examples = 0.0, 0
        self.found: Diverged | None = None

    def add(self, done: Done) -> None:
        """Take in a step."""
        self._waiting.append(done)
        self.num_examples += int(done.num_examples * done.weight)
        if len(self._waiting) >= self._every:
            self.flush()

    def flush(self) -> None:
        """Look at all steps that were taken."""
        for done, loss in zip(self._waiting, _values([done.loss_sum for done in self._waiting]), strict=True):
            self._step += 1
            if done.weight:  # a blank batch's loss is nobody's
                self.loss_sum += loss * done.weight
                if not np.isfinite(loss) and self.found is None:
                    what = f"the loss is {loss}"
                    self.found = Diverged(self._epoch, self._step, self._rank, what, tuple(done.users))
        self._waiting = []


def no_room(error: BaseException) -> bool:
    """True for the errors of a full disk, a full quota and the largest file size."""
    if isinstance(error, SafetensorError):  # it has the number in its text alone
        return any(f"(os error {number})" in str(error) for number in _NO_ROOM)
    return isinstance(error, OSError) and error.errno in _NO_ROOM


def causes(error: BaseException) -> list[BaseException]:
    """The error with all that it was raised from, workers' own among them."""
    inner = [
        *getattr(error, "worker_failures", {}).values(),
        getattr(error, "controller_failure", None),
        error.__cause__,
    ]
    return [error, *(deeper for cause in inner if cause is not None for deeper in causes(cause))]


def first(found: Sequence[Stopped | None]) -> Stopped:
    """The reason that came first, by step and rank, of those that workers found."""
    reasons = [reason for reason in found if reason is not None]
    return min(reasons, key=lambda r: (r.epoch, getattr(r, "step", 0), r.rank))


def error_of(stopped: Stopped, run_id: str, rates: OptimizerConfig, epochs_kept: int) -> ShoalError:
    """What the driver raises: what was seen, what is kept, and what to do."""
    kept = f"The checkpoint of epoch {epochs_kept} is whole" if epochs_kept else "There is no checkpoint yet"
    resume = f"shoal train --resume {run_id}"
    if isinstance(stopped, DiskFull):
        return DiskFullError(
            f"run {run_id} stopped, the disk is full: worker {stopped.rank} had no room for {stopped.what} "
            f"({stopped.reason}). {kept}. Make room, then: {resume}"
        )
    rows = ", ".join(map(str, stopped.users))  # an error is logged, and an id is personal data
    return DivergenceError(
        f"run {run_id} diverged: {stopped.what} at epoch {stopped.epoch}, step {stopped.step}, worker {stopped.rank}"
        f"{f' (its batch begins with user rows {rows})' if rows else ''}. {kept}. Go on from there with lower rates or "
        f"clipped gradients: {resume} --set optimizer.table_learning_rate={rates.table_learning_rate / 4:g} "
        f"--set optimizer.dense_learning_rate={rates.dense_learning_rate / 4:g} --set training.max_gradient_norm=1"
    )


def _values(losses: list[Tensor]) -> list[float]:
    """One transfer from the device for all of them."""
    return [float(value) for value in torch.stack(losses).cpu()] if losses else []
