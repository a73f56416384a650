"""Whether a net's tables fit the memory there is. Asked before workers start: one that dies of it is started again."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import Any

import ray
import torch

from models.errors import ConfigError
from pipelines.learning.engine.sharding import RESERVED_SHARE, state_bytes, table_configs, weight_bytes
from pipelines.learning.objectives.objective import Objective
from pipelines.recipes import Recipe, TrainingConfig


@dataclass(frozen=True, slots=True)
class Memory:
    """What tables may take, and in words whose it is."""

    num_bytes: int
    whose: str


def check_tables(recipe: Recipe, objective: Objective, on_gpus: bool, memory: Memory | None = None) -> None:
    """`ConfigError` with the largest table when those of the objective's net do not fit `memory`, by default all."""
    memory = memory or _memory(recipe.training, on_gpus)
    with torch.device("meta"):
        configs: list[Any] = table_configs(objective.build("meta").tables)
    needs = {config.name: _needed(config, recipe, on_gpus) for config in configs}
    needed = sum(needs.values())
    if memory.num_bytes >= needed:
        return
    largest = max(configs, key=lambda config: needs[config.name])
    raise ConfigError(
        f"the tables of recipe {recipe.name} take {needed:,} bytes in training, and there are {memory.num_bytes:,} "
        f"{memory.whose}. The largest is {largest.name}: {largest.num_embeddings:,} rows × {largest.embedding_dim} "
        f"with what the optimizer keeps, {needs[largest.name]:,} bytes. Set a smaller model.embedding_dim, take more "
        f"{'workers, a GPU each' if on_gpus else 'or larger machines'}, or ask what would be enough: shoal plan"
    )


def _needed(config: Any, recipe: Recipe, on_gpus: bool) -> int:
    """Over all workers. On CPU each builds the table before it gives up what others hold, and Adam's are copies."""
    rows, dim = config.num_embeddings, config.embedding_dim
    weights, states = weight_bytes(rows, dim), state_bytes(rows, dim, recipe.optimizer)
    if on_gpus:
        return weights + states
    num: int = recipe.training.num_workers
    return weights * num + states * (num if recipe.optimizer.table_optimizer == "adam" else 1)


def _memory(training: TrainingConfig, on_gpus: bool) -> Memory:
    """What the workers' GPUs have for tables, or what Ray's nodes have in all."""
    if on_gpus:
        free = 1 - RESERVED_SHARE
        num_bytes = int(training.num_workers * ray.get(_gpu_bytes.remote()) * free)
        return Memory(num_bytes, f"on {training.num_workers} GPUs, {free:.0%} of their memory")
    return Memory(int(ray.cluster_resources().get("memory", sys.maxsize)), "in the memory of Ray's nodes")


@ray.remote(num_gpus=1, num_cpus=0)  # type: ignore[untyped-decorator]
def _gpu_bytes() -> int:
    return int(torch.cuda.get_device_properties(0).total_memory)
