"""The optimizers of a run as one, and its learning rates over time."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import torch
from torchrec.distributed import DistributedModelParallel
from torchrec.optim.clipping import GradientClipping, GradientClippingOptimizer
from torchrec.optim.keyed import CombinedOptimizer, KeyedOptimizer, KeyedOptimizerWrapper
from torchrec.optim.optimizers import in_backward_optimizer_filter

from pipelines.recipes import OptimizerConfig, TrainingConfig

_TABLES = "tables."
_MOST_WARMING = 0.1
"""Share of a run over which the learning rates rise, at most: a run of a small log has few steps."""


def optimizer_of(
    model: DistributedModelParallel, config: OptimizerConfig, training: TrainingConfig
) -> CombinedOptimizer:
    """AdamW for the dense layers beside the tables' optimizer: fused, or Adam where their kernel is dense.

    The gradients that reach an optimizer as a whole (not those of fused tables) are clipped by their global norm.
    """
    outside = dict(in_backward_optimizer_filter(model.named_parameters()))
    tables = {name: weight for name, weight in outside.items() if name.startswith(_TABLES)}
    dense = {name: weight for name, weight in outside.items() if name not in tables}
    parts = []
    if tables:
        parts.append(_adam(torch.optim.Adam, tables, config.table_learning_rate, config.table_l2))
    if dense:
        parts.append(_adam(torch.optim.AdamW, dense, config.dense_learning_rate, config.weight_decay))
    stepped: KeyedOptimizer = CombinedOptimizer(parts)
    if training.max_gradient_norm:
        stepped = GradientClippingOptimizer(stepped, GradientClipping.NORM, training.max_gradient_norm)
    return CombinedOptimizer([model.fused_optimizer, stepped])


def _adam(
    kind: type[torch.optim.Adam], weights: dict[str, Any], learning_rate: float, weight_decay: float
) -> KeyedOptimizerWrapper:
    """`weight_decay` is in the gradient for Adam, which is an L2 penalty, and beside it for AdamW."""
    adam = KeyedOptimizerWrapper(weights, lambda params: kind(params, lr=learning_rate, weight_decay=0.0))
    adam.init_state()  # so that a checkpoint has a place to be restored into; it is a step, so nothing decays yet
    for group in adam.param_groups:
        group["weight_decay"] = weight_decay
    return adam


class LearningRates:
    """Sets the rates of all parameter groups, fused tables' among them, before each step.

    `epochs`, `steps_per_epoch`: of the run, as far as they are known before it.
    """

    def __init__(
        self, optimizer: CombinedOptimizer, config: OptimizerConfig, epochs: int, steps_per_epoch: float
    ) -> None:
        self._groups = list(optimizer.param_groups)
        self._full = [float(group["lr"]) for group in self._groups]
        self._epochs = config.schedule_epochs or epochs
        warmup_steps = min(config.warmup_steps, int(_MOST_WARMING * self._epochs * steps_per_epoch))
        self._config = replace(config, warmup_steps=warmup_steps)

    def set(self, step: int, epochs_done: float) -> float:
        """Rates for a step (from 0, over all epochs) when `epochs_done` are behind; returns the share of the full."""
        share = rate_share(self._config, step, epochs_done / self._epochs)
        for group, full in zip(self._groups, self._full, strict=True):
            group["lr"] = full * share
        return share


def rate_share(config: OptimizerConfig, step: int, done: float) -> float:
    """Share of the full learning rate at a step (from 0) when `done` of the run, 0 to 1, is behind it.

    `cosine` is half a wave (Loshchilov and Hutter, 2017, section 3, without restarts).
    """
    warm = min(1.0, (step + 1) / config.warmup_steps) if config.warmup_steps else 1.0
    done = min(done, 1.0)
    falling = {"constant": 1.0, "linear": 1.0 - done, "cosine": 0.5 * (1.0 + math.cos(math.pi * done))}
    return warm * falling[config.schedule]
