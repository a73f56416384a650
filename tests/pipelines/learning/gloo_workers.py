"""Worker processes of one gloo group on loopback: a net is trained a step, written and restored by any number."""

from __future__ import annotations

import os
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.distributed as dist
import torch.multiprocessing as mp

from models.features import FeatureSpec, item_features
from models.model_config import TableSizes, TwoTowerConfig
from pipelines.learning.checkpoint import Progress, Reader, save
from pipelines.learning.examples import Examples, examples_of
from pipelines.learning.objectives.objective import Known
from pipelines.learning.objectives.two_tower import TwoTowerObjective
from pipelines.learning.sharding import optimizer_of, shard
from pipelines.recipes import OptimizerConfig

NUM_ITEMS = 40
EMBEDDING_DIM = 8
SPEC = FeatureSpec(history_length=3, country_buckets=4, category_buckets=8)
SIZES = TableSizes(users=30, items=NUM_ITEMS, countries=4, categories=8)


@dataclass(frozen=True, slots=True)
class Job:
    """Write a checkpoint to `target`: of fresh nets trained two steps, or of what was restored from `source`."""

    target: Path
    source: Path | None = None


def run_jobs(world: int, jobs: Sequence[Job]) -> None:
    """Do the jobs one after another in a group of `world` processes."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    mp.spawn(_enter, args=(world, port, jobs), nprocs=world)


def _enter(rank: int, world: int, port: int, jobs: Sequence[Job]) -> None:
    torch.set_num_threads(1)
    os.environ["GLOO_SOCKET_IFNAME"] = "lo"
    dist.init_process_group("gloo", init_method=f"tcp://127.0.0.1:{port}", rank=rank, world_size=world)
    try:
        for job in jobs:
            _do(rank, world, job)
            dist.barrier()
    finally:
        dist.destroy_process_group()


def _do(rank: int, world: int, job: Job) -> None:
    torch.manual_seed(1 if job.source is None else 99)
    objective = _objective()
    model = shard(objective.build("cpu"), OptimizerConfig(), torch.device("cpu"))
    optimizer = optimizer_of(model, OptimizerConfig())
    progress = Progress(3, 0.5, 2)
    if job.source is None:
        rng = np.random.default_rng(rank)
        for _ in range(2):
            inputs = objective.inputs(_examples(rng), rng)
            optimizer.zero_grad()
            objective.losses(model, inputs).mean().backward()
            optimizer.step()
    else:
        reader = Reader(job.source)
        reader.restore(model, optimizer)
        progress = reader.progress
    save(job.target, rank, world, model, optimizer, progress)


def _objective() -> TwoTowerObjective:
    categories = [[f"category-{n % 5}"] for n in range(NUM_ITEMS)]
    features = item_features(SPEC, categories, np.arange(NUM_ITEMS), np.full(NUM_ITEMS, -1))
    config = TwoTowerConfig(embedding_dim=EMBEDDING_DIM, hidden_dim=8)
    return TwoTowerObjective(config, Known(SIZES, features, np.arange(NUM_ITEMS), SPEC))


def _examples(rng: np.random.Generator, size: int = 16) -> Examples:
    return examples_of(
        {
            "user": rng.integers(0, SIZES.users, size),
            "country": rng.integers(0, SIZES.countries, size),
            "now_us": np.zeros(size, np.int64),
            "item": rng.integers(0, NUM_ITEMS, size),
            "history": rng.integers(-1, NUM_ITEMS, (size, SPEC.history_length)),
        }
    )
