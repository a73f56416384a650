"""A net over several workers: TorchRec's planner shards the tables, DDP copies the dense layers."""

from __future__ import annotations

from typing import Any

import torch
import torch.distributed as dist
from torch import nn
from torchrec.distributed import DistributedModelParallel
from torchrec.distributed.model_parallel import get_default_sharders
from torchrec.distributed.planner import EmbeddingShardingPlanner, Topology
from torchrec.distributed.planner.types import ParameterConstraints
from torchrec.distributed.types import ShardingType
from torchrec.optim.apply_optimizer_in_backward import apply_optimizer_in_backward
from torchrec.optim.keyed import CombinedOptimizer, KeyedOptimizerWrapper
from torchrec.optim.optimizers import in_backward_optimizer_filter
from torchrec.optim.rowwise_adagrad import RowWiseAdagrad

from pipelines.recipes import OptimizerConfig

# Not data-parallel, which has no fused kernel; these take their step inside the backward pass. Not by columns: each
# shard would have a row-wise Adagrad state of its own, which another number of workers could not take over. By
# rows is CUDA's alone.
_SHARDING = [ShardingType.ROW_WISE.value, ShardingType.TABLE_WISE.value]


def shard(net: nn.Module, optimizer: OptimizerConfig, device: torch.device) -> DistributedModelParallel:
    """The net under `DistributedModelParallel`, on the process group of this worker; the same plan on every worker."""
    tables: nn.Module = net.tables  # type: ignore[assignment]
    types = _SHARDING
    if optimizer.table_optimizer == "adam":  # on CPU no fused kernel has it: whole tables, a copy on every worker
        types = [ShardingType.DATA_PARALLEL.value]
    else:
        settings = {"lr": optimizer.table_learning_rate, "weight_decay": optimizer.table_l2}
        apply_optimizer_in_backward(RowWiseAdagrad, tables.parameters(), settings)
    configs = tables.embedding_bag_configs if hasattr(tables, "embedding_bag_configs") else tables.embedding_configs
    names = [config.name for config in configs()]  # type: ignore[operator]
    world = dist.get_world_size()
    planner = EmbeddingShardingPlanner(
        topology=Topology(world_size=world, compute_device=device.type, local_world_size=world),
        constraints={name: ParameterConstraints(sharding_types=types) for name in names},
    )
    sharders = get_default_sharders()
    plan = planner.collective_plan(net, sharders, dist.GroupMember.WORLD)
    return DistributedModelParallel(net, device=device, plan=plan, sharders=sharders)


def optimizer_of(model: DistributedModelParallel, config: OptimizerConfig) -> CombinedOptimizer:
    """Adam for the dense layers beside the tables' fused optimizer."""
    outside = dict(in_backward_optimizer_filter(model.named_parameters()))
    tables = {name: weight for name, weight in outside.items() if name.startswith("tables.")}
    dense = {name: weight for name, weight in outside.items() if name not in tables}
    parts = [_adam(dense, config.dense_learning_rate)]
    if tables:
        parts.append(_adam(tables, config.table_learning_rate, config.table_l2))
    # Two levels, so that no two optimizers have one name.
    return CombinedOptimizer([model.fused_optimizer, CombinedOptimizer(parts)])


def _adam(weights: dict[str, Any], learning_rate: float, l2: float = 0.0) -> KeyedOptimizerWrapper:
    adam = KeyedOptimizerWrapper(weights, lambda params: torch.optim.Adam(params, lr=learning_rate))
    adam.init_state()  # so that a checkpoint has a place to be restored into; it is a step, so nothing decays yet
    for group in adam.param_groups:
        group["weight_decay"] = l2
    return adam


def describe_plan(model: DistributedModelParallel) -> str:
    """One line: each table and how it is sharded."""
    parts = [
        f"{table} {spec.sharding_type}/{spec.compute_kernel}"
        for module in model.plan.plan.values()
        for table, spec in module.items()
    ]
    return ", ".join(parts)
