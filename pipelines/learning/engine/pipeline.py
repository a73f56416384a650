"""The steps of an epoch: overlapped by TorchRec's pipeline where there is something to wait for."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torchrec import KeyedJaggedTensor
from torchrec.distributed import DistributedModelParallel
from torchrec.distributed.train_pipeline import TrainPipelineSparseDist
from torchrec.streamable import Pipelineable

from pipelines.learning.objectives.objective import Inputs, Objective


@dataclass
class Step(Pipelineable):
    """One batch of one worker. `weight` 0: a blank batch that only keeps step; `users`: its first user rows."""

    features: KeyedJaggedTensor
    tensors: dict[str, Tensor]
    weight: float
    users: list[int]

    def to(self, device: torch.device, non_blocking: bool = False) -> Step:
        """The step on a device."""
        moved = {name: tensor.to(device, non_blocking=non_blocking) for name, tensor in self.tensors.items()}
        return Step(self.features.to(device, non_blocking=non_blocking), moved, self.weight, self.users)

    def record_stream(self, stream: torch.Stream) -> None:
        """Keep the memory until the stream has used it."""
        self.features.record_stream(stream)
        for tensor in self.tensors.values():
            tensor.record_stream(stream)


@dataclass(frozen=True, slots=True)
class Done:
    """A step that was taken: the sum of its examples' losses, on the device and maybe not computed yet."""

    loss_sum: Tensor
    num_examples: int
    weight: float
    users: list[int]


Steps = Callable[[Iterator[Step], Callable[[], None]], Iterator[Done]]
"""Takes an epoch's steps; calls the second argument before each, to set learning rates."""


class Stepping:
    """What one step computes; `precision` is what the recipe asks for."""

    def __init__(
        self, model: DistributedModelParallel, optimizer: Any, objective: Objective, device: torch.device,
        precision: Literal["auto", "float32", "bfloat16"],
    ) -> None:  # fmt: skip
        self.model, self.optimizer, self.device = model, optimizer, device
        self._objective = objective
        self._bfloat16 = device.type == "cuda" and (
            precision == "bfloat16" or (precision == "auto" and torch.cuda.is_bf16_supported())
        )

    def loss(self, step: Step) -> tuple[Tensor, Done]:
        """The loss to go back from, and what the step was."""
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self._bfloat16):
            losses = self._objective.losses(self.model, Inputs(step.features, step.tensors))
        losses = losses.float()
        return losses.mean() * step.weight, Done(losses.detach().sum(), len(losses), step.weight, step.users)


def steps_of(stepping: Stepping) -> Steps:
    """How a worker takes the steps of an epoch: alone on a CPU, it waits neither for others nor for a device."""
    alone = dist.get_world_size() == 1 and stepping.device.type == "cpu"
    return plain(stepping) if alone else overlapped(stepping)


def plain(stepping: Stepping) -> Steps:
    """Each step whole before the next."""

    def take(steps: Iterator[Step], before: Callable[[], None]) -> Iterator[Done]:
        for step in steps:
            before()
            stepping.optimizer.zero_grad()
            loss, done = stepping.loss(step.to(stepping.device))
            torch.autograd.backward(loss)
            stepping.optimizer.step()
            yield done

    return take


def overlapped(stepping: Stepping) -> Steps:
    """The next batches are copied to the device and their look-ups sent to the other workers while a step computes.

    TorchRec traces the module it overlaps, and a loss cannot be traced; it is therefore shown the look-up alone, and
    the step is what it calls. A net must look up once a step, and with the features of its inputs as they are.
    """
    pipeline = TrainPipelineSparseDist(
        _LookUp(stepping.model.module.tables),
        stepping.optimizer,
        stepping.device,
        execute_all_batches=True,
        custom_model_fwd=stepping.loss,
    )
    pipeline.detach()

    def take(steps: Iterator[Step], before: Callable[[], None]) -> Iterator[Done]:
        pipeline.attach()
        try:
            while True:
                before()
                try:
                    done = pipeline.progress(steps)
                except StopIteration:
                    return
                yield done
        finally:
            pipeline.detach()  # validation looks up without it

    return take


class _LookUp(nn.Module):
    def __init__(self, tables: nn.Module) -> None:
        super().__init__()
        self.tables = tables

    def forward(self, step: Step) -> Any:
        return self.tables(step.features)
