"""A plan as text: where the shards lie, what each GPU holds, and how long a step is said to take."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence

from pipelines.learning.engine.sharding import RESERVED_SHARE
from pipelines.planning.planner import GPUS_A_HOST, PlacedShard, Plan

_GIB = float(1 << 30)
_PARTS = ("look-ups", "sending vectors", "backward", "sending gradients")


def describe(plan: Plan) -> str:
    """Two tables (shards, GPUs) and the estimated step, for people and for a Markdown page alike."""
    batch = plan.recipe.training.batch_size
    return "\n".join(
        [
            f"{plan.num_gpus} GPUs of {plan.memory_gib} GiB, {GPUS_A_HOST} a host, {batch:,} examples a GPU and step",
            "",
            *_table(("table", "sharding", "kernel", "rows × columns a shard", "ranks"), _shards(plan.shards)),
            "",
            *_table(("ranks", "weights GiB", "optimizer GiB", "with buffers GiB", "free GiB"), _devices(plan)),
            "",
            _step(plan),
        ]
    )


def _shards(shards: list[PlacedShard]) -> list[tuple[str, ...]]:
    alike: dict[tuple[str, ...], list[int]] = defaultdict(list)
    for shard in shards:
        size = f"{shard.rows:,} × {shard.columns}"
        alike[shard.table, shard.sharding_type, shard.kernel, size].append(shard.rank)
    return [(*what, ranges(ranks)) for what, ranks in alike.items()]


def _devices(plan: Plan) -> list[tuple[str, ...]]:
    """A line for each set of ranks that hold as much; memory that is kept for all else is not free."""
    held = {rank: [0, 0, 0] for rank in range(plan.num_gpus)}
    for shard in plan.shards:
        added = (shard.weight_bytes, shard.state_bytes, shard.planned_bytes)
        held[shard.rank] = [a + b for a, b in zip(held[shard.rank], added, strict=True)]
    room = plan.memory_gib * (1 - RESERVED_SHARE)
    alike: dict[tuple[str, ...], list[int]] = defaultdict(list)
    for rank, holding in held.items():
        gib = [size / _GIB for size in holding]
        alike[*(f"{part:.3f}" for part in gib), f"{room - gib[-1]:.1f}"].append(rank)
    return [(ranges(ranks), *columns) for columns, ranks in alike.items()]


def _step(plan: Plan) -> str:
    """Of the rank that takes longest, since all wait for it."""
    taken = {rank: [0.0] * len(_PARTS) for rank in range(plan.num_gpus)}
    for shard in plan.shards:
        taken[shard.rank] = [a + b for a, b in zip(taken[shard.rank], shard.times_ms, strict=True)]
    slowest = max(taken, key=lambda rank: sum(taken[rank]))
    parts = ", ".join(f"{name} {ms:.3f}" for name, ms in zip(_PARTS, taken[slowest], strict=True))
    total = sum(taken[slowest])
    rate = plan.num_gpus * plan.recipe.training.batch_size / total / 1e3
    return f"tables of a step: {total:.3f} ms on rank {slowest} ({parts}), at most {rate:.1f} M examples/s"


def ranges(ranks: Iterable[int]) -> str:
    """Ascending ranks with runs joined: `0-3, 8`."""
    runs: list[list[int]] = []
    for rank in sorted(set(ranks)):
        if runs and rank == runs[-1][1] + 1:
            runs[-1][1] = rank
        else:
            runs.append([rank, rank])
    return ", ".join(str(first) if first == last else f"{first}-{last}" for first, last in runs)


def _table(head: Sequence[str], rows: list[tuple[str, ...]]) -> list[str]:
    widths = [max(len(row[at]) for row in [tuple(head), *rows]) for at in range(len(head))]
    lines = [" | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in [head, *rows]]
    rule = "-|-".join("-" * width for width in widths)
    return [f"| {line} |" for line in (lines[0], rule, *lines[1:])]
