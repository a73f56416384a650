"""TorchRec's planner on GPUs that need not be there: the plan that training on them would make, and its price.

It is the planner of `pipelines/learning/engine/sharding.py`, with a topology of one's own: a plan fits the GPUs or
there is none.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from torchrec.distributed.embedding import EmbeddingCollectionSharder
from torchrec.distributed.embeddingbag import EmbeddingBagCollectionSharder
from torchrec.distributed.planner.types import KernelConfig, PlannerError, TopologyFactory, TrainerConfig

from models.errors import ConfigError
from pipelines.learning.engine.look_ups import look_ups
from pipelines.learning.engine.sharding import RESERVED_SHARE, fused, planner_of, state_bytes, weight_bytes
from pipelines.planning.meta_nets import meta_net
from pipelines.recipes import Recipe

GPUS_A_HOST = 8
_MOST_GPUS, _MOST_GIB = 1_024, 4_096


@dataclass(frozen=True, slots=True)
class PlacedShard:
    """A table's rows × columns on one rank. Bytes of weights, of optimizer states, and with the planner's buffers.

    The planner's estimates, in ms: look-up, sending what was looked up, backward with the optimizer, sending gradients.
    """

    table: str
    sharding_type: str
    kernel: str
    rank: int
    rows: int
    columns: int
    weight_bytes: int
    state_bytes: int
    planned_bytes: int
    times_ms: tuple[float, float, float, float]


@dataclass(frozen=True, slots=True)
class Plan:
    """Where every shard lies on `num_gpus` of `memory_gib` each."""

    recipe: Recipe
    num_gpus: int
    memory_gib: int
    shards: list[PlacedShard]


def plan(recipe: Recipe, num_users: int, num_items: int, num_gpus: int, memory_gib: int) -> Plan:
    """The fastest plan the planner finds; `ConfigError` with what would be enough when none fits."""
    planned = partial(_planned, recipe, num_users, num_items)
    shards = planned(num_gpus, memory_gib)
    if shards is not None:
        return Plan(recipe, num_gpus, memory_gib, shards)
    gpus = _least(num_gpus, _MOST_GPUS, lambda more: planned(more, memory_gib) is not None)
    gib = _least(memory_gib, _MOST_GIB, lambda more: planned(num_gpus, more) is not None)
    enough = [f"{gpus} GPUs of {memory_gib} GiB"] * bool(gpus) + [f"{num_gpus} GPUs of {gib} GiB"] * bool(gib)
    raise ConfigError(
        f"the tables of {num_users:,} users and {num_items:,} items do not fit {num_gpus} GPUs of {memory_gib} GiB, "
        f"{RESERVED_SHARE:.0%} of which is kept for all else. "
        + (f"These are enough: {', or '.join(enough)}." if enough else "Take a smaller --dim or --batch-size.")
    )


def _planned(
    recipe: Recipe, num_users: int, num_items: int, num_gpus: int, memory_gib: int
) -> list[PlacedShard] | None:
    """Shards of the best plan, None when nothing fits."""
    net = meta_net(recipe, num_users, num_items)
    types = fused(net.tables, recipe.optimizer, cuda=True)  # type: ignore[arg-type]
    chosen: list[Any] = []

    def keep(options: list[Any]) -> list[Any]:
        chosen.extend(options)
        return options

    topology = TopologyFactory.create_topology(
        TrainerConfig(world_size=num_gpus, local_world_size=_a_host(num_gpus), hbm_cap_bytes=memory_gib << 30),
        kernel_config=KernelConfig(compute_device="cuda"),
    )
    planner = planner_of(
        topology, net.tables, types, recipe.training.batch_size, partial(look_ups, recipe),
        stats=[], callbacks=[keep], debug=False,
    )  # fmt: skip
    try:
        planner.plan(net, [EmbeddingBagCollectionSharder(), EmbeddingCollectionSharder()])
    except PlannerError:
        return None
    return [_placed(option, shard, recipe) for option in chosen for shard in option.shards]


def _placed(option: Any, shard: Any, recipe: Recipe) -> PlacedShard:
    rows, columns = shard.size
    weights, states = weight_bytes(rows, columns), state_bytes(rows, columns, recipe.optimizer)
    took = shard.perf
    return PlacedShard(
        option.name, option.sharding_type, option.compute_kernel, shard.rank, rows, columns, weights, states,
        shard.storage.hbm, (took.fwd_compute, took.fwd_comms, took.bwd_compute, took.bwd_comms),
    )  # fmt: skip


def _a_host(num_gpus: int) -> int:
    """GPUs of one host: as many as there can be on hosts that are all alike."""
    return num_gpus if num_gpus <= GPUS_A_HOST else math.gcd(num_gpus, GPUS_A_HOST)


def _least(short: int, most: int, fits: Callable[[int], bool]) -> int | None:
    """The least number above `short` that fits, when more always fits better; None when `most` does not."""
    enough = 2 * short
    while not fits(enough):
        short, enough = enough, 2 * enough
        if enough > most:
            return None
    while enough - short > 1:
        middle = (short + enough) // 2
        short, enough = (short, middle) if fits(middle) else (middle, enough)
    return enough
