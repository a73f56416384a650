"""The model of the step benchmarks in plain torch, with sparse or with dense gradients, and its stop-watch.

A user table and an item table of as many rows; pooled vectors go through a small perceptron to one logit.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn
from torch.nn import functional as F

DIM, POOLED, BATCH = 64, 3, 1_024
"""Width of the tables, item look-ups an example, examples a step."""

Batch = tuple[Tensor, Tensor, Tensor]
"""User rows [batch], item rows [batch × POOLED], labels [batch]."""
Step = Callable[[Batch], float]


def batches(num_rows: int, device: str, num: int = 8, batch: int = BATCH) -> Iterator[Batch]:
    """The same few random batches again and again."""
    made = torch.Generator().manual_seed(1)
    kept = [
        (
            torch.randint(num_rows, (batch,), generator=made).to(device),
            torch.randint(num_rows, (batch * POOLED,), generator=made).to(device),
            torch.randint(2, (batch,), generator=made).float().to(device),
        )
        for _ in range(num)
    ]
    while True:
        yield from kept


def torch_step(num_rows: int, device: str, sparse: bool) -> Step:
    """`nn.EmbeddingBag` with SparseAdam on sparse gradients, or Adam on dense ones."""
    tables = [nn.EmbeddingBag(num_rows, DIM, mode="mean", sparse=sparse, device=device) for _ in range(2)]
    weights = [table.weight for table in tables]
    adam = torch.optim.SparseAdam(weights) if sparse else torch.optim.Adam(weights)

    def look_up(batch: Batch) -> Tensor:
        users, items, _ = batch
        return torch.cat([tables[0](users[:, None]), tables[1](items.view(-1, POOLED))], dim=1)

    return step_of(look_up, [adam], device)


def step_of(look_up: Callable[[Batch], Tensor], optimizers: list[torch.optim.Optimizer], device: str) -> Step:
    """A whole step: look-ups, perceptron, loss, backward, optimizers."""
    top = nn.Sequential(nn.Linear(2 * DIM, 64), nn.ReLU(), nn.Linear(64, 1)).to(device)
    every = [*optimizers, torch.optim.Adam(top.parameters())]

    def step(batch: Batch) -> float:
        for optimizer in every:
            optimizer.zero_grad()
        loss = F.binary_cross_entropy_with_logits(top(look_up(batch))[:, 0], batch[2])
        loss.backward()
        for optimizer in every:
            optimizer.step()
        return loss.item()  # waits for the device

    return step


def ms_a_step(step: Step, num_rows: int, device: str, num: int, batch_size: int = BATCH) -> float:
    """Median milliseconds of `num` steps after a few to warm up."""
    source, took = batches(num_rows, device, batch=batch_size), []
    for at in range(num + 3):
        batch = next(source)
        started = time.perf_counter()
        step(batch)
        if at >= 3:
            took.append(1e3 * (time.perf_counter() - started))
    return statistics.median(took)
