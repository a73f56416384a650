"""A net over several workers: TorchRec's planner shards the tables, DDP copies the dense layers.

What the planner may choose from depends on the optimizer, since a checkpoint must fit any number of workers:

    row-wise Adagrad        whole tables, or rows of them where the kernel can (CUDA). Not columns: each column shard
                            would keep a state a row of its own, and no other cut could take those over.
                            Not data-parallel: that has no fused kernel.
    Adam, fused (CUDA)      whole tables, rows or columns: its states lie beside the weights, element by element.
    Adam on CPU             data-parallel with the dense kernel, the only one that has Adam there.

On CUDA a table lies in the memory of GPUs: kernels that keep rows in the host's are left out.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.distributed as dist
from fbgemm_gpu.split_table_batched_embeddings_ops_training import WeightDecayMode
from torch import nn
from torchrec.distributed import DistributedModelParallel
from torchrec.distributed.embedding import EmbeddingCollectionSharder
from torchrec.distributed.embedding_types import EmbeddingComputeKernel
from torchrec.distributed.embeddingbag import EmbeddingBagCollectionSharder
from torchrec.distributed.planner import EmbeddingShardingPlanner, Topology
from torchrec.distributed.planner.storage_reservations import FixedPercentageStorageReservation
from torchrec.distributed.planner.types import ParameterConstraints
from torchrec.distributed.types import ShardingType
from torchrec.optim.apply_optimizer_in_backward import apply_optimizer_in_backward
from torchrec.optim.rowwise_adagrad import RowWiseAdagrad

from pipelines.recipes import OptimizerConfig, TrainingConfig

_WHOLE = [ShardingType.TABLE_WISE.value]
_ROWS = [ShardingType.ROW_WISE.value]
_COLUMNS = [ShardingType.COLUMN_WISE.value]
NARROWEST = 32
RESERVED_SHARE = 0.15
"""Of each GPU's memory, for dense layers, their activations and batches in flight."""

_FLOAT_BYTES = 4

LookUps = Callable[[str, int], float]
"""Rows that an example looks up for a feature, in a table of so many."""


def one_row(feature: str, rows: int) -> float:
    """An example looks up one row for every feature."""
    return 1.0


def shard(
    net: nn.Module,
    optimizer: OptimizerConfig,
    training: TrainingConfig,
    device: torch.device,
    local_world: int = 0,
    look_ups: LookUps = one_row,
) -> DistributedModelParallel:
    """The net under `DistributedModelParallel`, on the process group of this worker; the same plan on every worker.

    `local_world`: workers on this host; 0 for all of them.
    """
    tables: nn.Module = net.tables  # type: ignore[assignment]
    types = fused(tables, optimizer, device.type == "cuda")
    return distribute(net, device, types, training, local_world, look_ups=look_ups)


def fused(tables: nn.Module, optimizer: OptimizerConfig, cuda: bool) -> list[str]:
    """Fuse the tables' optimizer into their backward pass; returns the sharding types a plan may choose from.

    Adam on CPU is not fused, and its tables are copies.
    """
    adam = optimizer.table_optimizer == "adam"
    if adam and not cuda:
        return [ShardingType.DATA_PARALLEL.value]
    in_backward = torch.optim.Adam if adam else RowWiseAdagrad
    settings = {"lr": optimizer.table_learning_rate, "weight_decay": optimizer.table_l2}
    apply_optimizer_in_backward(in_backward, tables.parameters(), settings)
    return _WHOLE + (_ROWS if cuda else []) + (_COLUMNS if adam else [])


def distribute(
    net: nn.Module,
    device: torch.device,
    sharding_types: list[str],
    training: TrainingConfig,
    local_world: int = 0,
    narrowest: int = NARROWEST,
    look_ups: LookUps = one_row,
) -> DistributedModelParallel:
    """Plan among these sharding types and wrap. Elements of gradients into fused tables are cut as `training` says.

    `narrowest`: fewest columns of a shard.
    """
    world = dist.get_world_size()
    local = local_world if local_world and world % local_world == 0 else world
    memory = {"hbm_cap": torch.cuda.get_device_properties(device).total_memory} if device.type == "cuda" else {}
    topology = Topology(world_size=world, compute_device=device.type, local_world_size=local, **memory)
    planner = planner_of(topology, net.tables, sharding_types, training.batch_size, look_ups, narrowest)
    largest = training.max_gradient_norm
    # By itself fbgemm's row-wise Adagrad takes a `weight_decay` and does nothing with it.
    fused: dict[str, Any] = {"weight_decay_mode": WeightDecayMode.L2}
    if largest:
        fused |= {"gradient_clipping": True, "max_gradient": largest}
    sharders = [EmbeddingBagCollectionSharder(fused_params=fused), EmbeddingCollectionSharder(fused_params=fused)]
    plan = planner.collective_plan(net, sharders, dist.GroupMember.WORLD)
    return DistributedModelParallel(net, device=device, plan=plan, sharders=sharders)


def planner_of(
    topology: Topology,
    tables: Any,
    sharding_types: list[str],
    batch_size: int,
    look_ups: LookUps = one_row,
    narrowest: int = NARROWEST,
    **options: Any,
) -> EmbeddingShardingPlanner:
    """TorchRec's planner for a net's tables: one for a run and for `shoal plan`, so that a run does as was planned."""
    cuda = topology.compute_device == "cuda"
    return EmbeddingShardingPlanner(
        topology=topology,
        batch_size=batch_size,
        storage_reservation=FixedPercentageStorageReservation(RESERVED_SHARE) if cuda else None,
        constraints={
            config.name: ParameterConstraints(
                sharding_types=sharding_types,
                min_partition=narrowest,
                compute_kernels=[EmbeddingComputeKernel.FUSED.value] if cuda else None,
                pooling_factors=[look_ups(feature, config.num_embeddings) for feature in config.feature_names],
            )
            for config in table_configs(tables)
        },
        **options,
    )


def describe_plan(model: DistributedModelParallel) -> str:
    """A line a table: how it is sharded and which rank holds what, and a line a rank with its bytes of weights."""
    lines, held = [], dict.fromkeys(range(dist.get_world_size()), 0)
    for path, module in model.plan.plan.items():
        shapes = _shapes(model.module.get_submodule(path))
        for table, spec in module.items():
            rows, dim, element_bytes = shapes[table]
            if spec.sharding_spec is None:
                places = [(rank, 0, 0, rows, dim) for rank in held]
            else:
                places = [
                    (shard.placement.rank(), *shard.shard_offsets, *shard.shard_sizes)
                    for shard in spec.sharding_spec.shards
                ]
            for rank, _, _, height, width in places:
                held[rank] += height * width * element_bytes
            where = "; ".join(_place(place, rows, dim) for place in places)
            lines.append(f"{table} {spec.sharding_type}/{spec.compute_kernel}  {rows:,} × {dim}: {where}")
    return "\n".join([*lines, *(f"rank {rank}: {size / 1e6:,.1f} MB of tables" for rank, size in held.items())])


def _place(place: tuple[int, ...], rows: int, dim: int) -> str:
    rank, top, left, height, width = place
    cut = f" rows {top:,}-{top + height - 1:,}" if height < rows else ""
    cut += f" columns {left}-{left + width - 1}" if width < dim else ""
    return f"rank {rank}{cut}"


def table_configs(tables: Any) -> Any:
    """TorchRec's configuration of each table."""
    return tables.embedding_bag_configs() if hasattr(tables, "embedding_bag_configs") else tables.embedding_configs()


def _shapes(tables: Any) -> dict[str, tuple[int, int, int]]:
    """Rows, width and bytes an element of each table of a sharded module."""
    found = {}
    for name, weight in tables.state_dict().items():
        local = weight.metadata() if hasattr(weight, "local_shards") else None
        rows, dim = local.size if local else weight.shape
        dtype = local.tensor_properties.dtype if local else weight.dtype
        found[name.split(".")[-2]] = (rows, dim, dtype.itemsize)
    return found


def weight_bytes(rows: int, columns: int) -> int:
    """Of a table, or of a shard of one."""
    return rows * columns * _FLOAT_BYTES


def state_bytes(rows: int, columns: int, optimizer: OptimizerConfig) -> int:
    """Adam keeps two moments of every weight, row-wise Adagrad one sum a row."""
    return 2 * weight_bytes(rows, columns) if optimizer.table_optimizer == "adam" else weight_bytes(rows, 1)
