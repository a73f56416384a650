"""Worker processes of one gloo group on loopback: a net is trained a step, written and restored by any number."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from torchrec.optim.apply_optimizer_in_backward import apply_optimizer_in_backward

from cluster.free_ports import free_port
from models.features import FeatureSpec, item_features
from models.model_config import TableSizes, TwoTowerConfig
from models.profiles import MAX_ATTRIBUTES
from pipelines.learning.data.examples import Examples, examples_of
from pipelines.learning.data.known import Known
from pipelines.learning.engine.checkpoint import Progress, Reader, save_progress, save_shards
from pipelines.learning.engine.optimizing import optimizer_of
from pipelines.learning.engine.sharding import describe_plan, distribute, shard
from pipelines.learning.objectives.two_tower import TwoTowerObjective
from pipelines.recipes import OptimizerConfig, TrainingConfig

NUM_ITEMS = 40
EMBEDDING_DIM = 8
SPEC = FeatureSpec(history_length=3, country_buckets=4, category_buckets=8, profile_buckets=6, word_buckets=10)
SIZES = TableSizes.of(SPEC, 14, NUM_ITEMS)
CPU = torch.device("cpu")
BY_COLUMNS = "columns"
"""In place of a table optimizer: element-wise Adagrad over tables that are cut by columns."""


@dataclass(frozen=True, slots=True)
class Job:
    """Write a checkpoint to `target`: of fresh nets trained two steps, or of what was restored from `source`."""

    target: Path
    source: Path | None = None
    tables: str = "rowwise_adagrad"


def run_jobs(world: int, jobs: Sequence[Job]) -> None:
    """Do the jobs one after another in a group of `world` processes; a group of one is this process."""
    if world == 1:
        with one_worker():
            _do_all(jobs, 0, 1)
    else:
        run_group(world, partial(_do_all, jobs))


def run_group(world: int, work: Callable[[int, int], None]) -> None:
    """Call `work(rank, world)` in each process of a new group; what one raises is raised here."""
    mp.spawn(_enter, args=(world, free_port(), work), nprocs=world)


@contextmanager
def one_worker() -> Iterator[None]:
    """This process as a group of one."""
    dist.init_process_group("gloo", init_method=f"tcp://127.0.0.1:{free_port()}", rank=0, world_size=1)
    try:
        yield
    finally:
        dist.destroy_process_group()


def sharded(
    tables: str, training: TrainingConfig | None = None, optimizer: OptimizerConfig | None = None
) -> tuple[TwoTowerObjective, Any, Any]:
    """An objective, its net over this process group, and the optimizer."""
    training = training or TrainingConfig()
    objective = _objective()
    net = objective.build("cpu")
    config = optimizer or OptimizerConfig()
    if tables == BY_COLUMNS:
        apply_optimizer_in_backward(torch.optim.Adagrad, net.tables.parameters(), {"lr": 0.05})
        model = distribute(net, CPU, ["column_wise"], training, narrowest=EMBEDDING_DIM // 2)
    else:
        config = replace(config, table_optimizer=tables)
        model = shard(net, config, training, CPU)
    return objective, model, optimizer_of(model, config, training)


def examples(rng: np.random.Generator, size: int = 16) -> Examples:
    """Examples of users, items and histories drawn from `rng`."""
    return examples_of(
        {
            "user": rng.integers(0, SIZES.users, size),
            "country": rng.integers(0, SIZES.countries, size),
            "now_us": rng.integers(0, 2, size) * 1_000_000,
            "profile": rng.integers(-1, SPEC.profile_buckets, (size, MAX_ATTRIBUTES)),
            "item": rng.integers(0, NUM_ITEMS, size),
            "history": rng.integers(-1, NUM_ITEMS, (size, SPEC.history_length)),
        }
    )


def _enter(rank: int, world: int, port: int, work: Callable[[int, int], None]) -> None:
    torch.set_num_threads(1)
    os.environ["GLOO_SOCKET_IFNAME"] = "lo"
    dist.init_process_group("gloo", init_method=f"tcp://127.0.0.1:{port}", rank=rank, world_size=world)
    try:
        work(rank, world)
        dist.barrier()
    finally:
        dist.destroy_process_group()


def _do_all(jobs: Sequence[Job], rank: int, world: int) -> None:
    for job in jobs:
        _do(rank, world, job)
        dist.barrier()


def _do(rank: int, world: int, job: Job) -> None:
    torch.manual_seed(1 if job.source is None else 99)
    objective, model, optimizer = sharded(job.tables)
    progress = Progress(3, 0.5, 2, 12)
    if job.source is None:
        rng = np.random.default_rng(rank)
        for _ in range(2):
            inputs = objective.inputs(examples(rng), rng)
            optimizer.zero_grad()
            objective.losses(model, inputs).mean().backward()
            optimizer.step()
    else:
        reader = Reader(job.source)
        reader.restore(model, optimizer)
        progress = reader.progress
    save_shards(job.target, rank, model, optimizer)
    if rank == 0:
        save_progress(job.target, world, progress)
    if rank == 0:
        (job.target / "sharding.txt").write_text(describe_plan(model))


def _objective() -> TwoTowerObjective:
    categories = [[f"category-{n % 5}"] for n in range(NUM_ITEMS)]
    titles = pl.Series([f"Word {n % 7}{n % 7}" for n in range(NUM_ITEMS)])
    features = item_features(SPEC, categories, np.arange(NUM_ITEMS), np.full(NUM_ITEMS, -1), titles)
    config = TwoTowerConfig(embedding_dim=EMBEDDING_DIM, tower="perceptron", hidden_dim=8)
    return TwoTowerObjective(config, Known(SIZES, features, np.arange(NUM_ITEMS), SPEC))
