"""The one interface between the training loop and a net."""

from __future__ import annotations

from collections.abc import Iterator, Sized
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torchrec import KeyedJaggedTensor

from pipelines.learning.data.examples import Block, Expansion
from pipelines.learning.data.held_out import HeldOut


@dataclass(frozen=True, slots=True)
class Inputs:
    """One batch as tensors: `tensors` are what `forward` takes beside the look-ups and what the loss needs."""

    features: KeyedJaggedTensor
    tensors: dict[str, Tensor]

    def to(self, device: torch.device) -> Inputs:
        """The batch on a device."""
        return Inputs(self.features.to(device), {name: t.to(device) for name, t in self.tensors.items()})


@dataclass(frozen=True, slots=True)
class Batching:
    """How a worker cuts its stream: sizes count examples. `seed` and `scope` name the shuffle."""

    batch_size: int
    shuffle_buffer: int
    seed: int
    scope: tuple[object, ...]


class Objective(Protocol):
    """The training loop knows nothing of a net but this."""

    def build(self, device: str) -> nn.Module:
        """The net; its `tables` are what is sharded."""

    def stream(self) -> Expansion:
        """What turns encoded sequences into the blocks that stream to the workers."""

    def batches(self, blocks: Iterator[Block], batching: Batching) -> Iterator[Sized]:
        """Shuffled batches of a worker's stream of such blocks, everything in it once."""

    def blank(self) -> Sized:
        """The smallest batch, for a worker that has none left while others do."""

    def inputs(self, batch: Any, rng: np.random.Generator) -> Inputs:
        """Tensors of a batch, negatives drawn from `rng`."""

    def losses(self, net: nn.Module, inputs: Inputs) -> Tensor:
        """Loss of each example, [num_examples]."""

    def scores(self, net: Any, held_out: HeldOut, rng: np.random.Generator) -> NDArray[np.float64]:
        """Validation score of each held-out example. Look-ups are collective: every worker passes as many."""


def device_of(net: nn.Module) -> torch.device:
    """Where the net lies."""
    return next(net.parameters()).device
