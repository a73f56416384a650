"""Plans for tables that are too large to allocate here."""

from __future__ import annotations

from functools import partial
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from models.errors import ConfigError
from pipelines.learning.engine import sharding
from pipelines.learning.engine.look_ups import look_ups
from pipelines.plan import main
from pipelines.planning.meta_nets import meta_net
from pipelines.planning.planner import Plan, plan
from pipelines.planning.report import ranges
from pipelines.recipes import load_recipe

TABLES = [f"{name}_table" for name in ("user", "item", "country", "category", "moment", "profile", "word")]
USERS, ITEMS, DIM = 100_000_000, 10_000_000, 64


def cells(of: Plan, table: str) -> int:
    return sum(shard.rows * shard.columns for shard in of.shards if shard.table == table)


@pytest.mark.parametrize(("num_gpus", "memory_gib"), [(8, 80), (8, 4), (16, 80), (64, 80)])
def test_a_hundred_million_users_lie_on_gpus_whole_and_within_their_memory(num_gpus: int, memory_gib: int) -> None:
    recipe = load_recipe("two_tower")
    planned = plan(recipe, USERS, ITEMS, num_gpus, memory_gib)
    assert cells(planned, "user_table") == (USERS + recipe.features.user_buckets) * DIM
    assert cells(planned, "item_table") == ITEMS * DIM
    assert {shard.table for shard in planned.shards} == set(TABLES)
    for rank in range(num_gpus):
        held = [shard for shard in planned.shards if shard.rank == rank]
        assert sum(shard.planned_bytes for shard in held) <= 0.85 * memory_gib * 2**30
        assert all(shard.planned_bytes >= shard.weight_bytes + shard.state_bytes for shard in held)


def test_a_table_larger_than_a_gpu_is_cut_by_rows() -> None:
    planned = plan(load_recipe("two_tower"), USERS, ITEMS, 8, 4)
    users = [shard for shard in planned.shards if shard.table == "user_table"]
    assert {shard.sharding_type for shard in users} == {"row_wise"}
    assert sorted(shard.rank for shard in users) == list(range(8))


def test_adam_keeps_two_moments_of_every_weight_and_adagrad_a_sum_a_row() -> None:
    for optimizer, states in (("adam", 2 * 1_000 * DIM * 4), ("rowwise_adagrad", 1_000 * 4)):
        recipe = load_recipe("sequence", [f"optimizer.table_optimizer={optimizer}", f"model.embedding_dim={DIM}"])
        assert sum(shard.state_bytes for shard in plan(recipe, 1, 1_000, 2, 8).shards) == states


def test_what_does_not_fit_says_what_would(capsys: pytest.CaptureFixture[str]) -> None:
    size = ["--users", str(USERS), "--items", str(ITEMS)]
    assert main([*size, "--gpus", "1", "--memory-gib", "8"]) == 2
    error = capsys.readouterr().err
    assert "do not fit 1 GPUs of 8 GiB" in error
    assert "These are enough: 4 GPUs of 8 GiB, or 1 GPUs of 32 GiB." in error
    for gpus, gib in ((4, 8), (1, 32)):
        assert main([*size, "--gpus", str(gpus), "--memory-gib", str(gib)]) == 0
    for gpus, gib in ((3, 8), (1, 31)):
        with pytest.raises(ConfigError, match="do not fit"):
            plan(load_recipe("two_tower"), USERS, ITEMS, gpus, gib)


@pytest.mark.parametrize(
    ("options", "problem"),
    [(["--gpus", "8,x"], "'8,x'"), (["--users", "0"], "--users"), (["--recipe", "als"], "two_tower or sequence")],
)
def test_bad_input_is_one_clear_line(options: list[str], problem: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(options) == 2
    assert problem in capsys.readouterr().err


@pytest.mark.parametrize("name", ["two_tower", "sequence"])
def test_a_run_on_gpus_lies_as_was_planned(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = load_recipe(name, ["model.embedding_dim=64"])
    planned = {(s.table, s.sharding_type, s.kernel, s.rank) for s in plan(recipe, USERS, ITEMS, 8, 4).shards}

    def without_a_group(planner: Any, net: Any, sharders: Any, group: Any) -> Any:
        return planner.plan(net, sharders)

    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda _: SimpleNamespace(total_memory=4 << 30))
    monkeypatch.setattr(sharding.dist, "get_world_size", lambda: 8)
    monkeypatch.setattr(sharding.EmbeddingShardingPlanner, "collective_plan", without_a_group)
    monkeypatch.setattr(sharding, "DistributedModelParallel", lambda net, device, plan, sharders: plan)
    device = torch.device("cuda")
    made: Any = sharding.shard(
        meta_net(recipe, USERS, ITEMS), recipe.optimizer, recipe.training, device, 8, partial(look_ups, recipe)
    )
    lying = {
        (table, spec.sharding_type, spec.compute_kernel, shard.placement.rank())
        for table, spec in made.plan["tables"].items()
        for shard in spec.sharding_spec.shards
    }
    assert lying == planned


def test_the_full_softmax_looks_up_every_item_a_batch() -> None:
    full, some = (load_recipe("sequence", [f"model.num_negatives={num}"]) for num in (0, 512))
    assert look_ups(full, "negative", ITEMS) == ITEMS / full.training.batch_size
    assert look_ups(some, "negative", ITEMS) == 512 / some.training.batch_size


def test_the_width_is_the_recipes_unless_given(capsys: pytest.CaptureFixture[str]) -> None:
    size = ["--users", "1000", "--items", "100", "--gpus", "2", "--set", "model.embedding_dim=128"]
    for options, width in (([], 128), (["--dim", "32"], 32)):
        assert main([*size, *options]) == 0
        assert f"1,016 × {width}" in capsys.readouterr().out


def test_the_tables_are_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--users", "1000", "--items", "100", "--dim", "32", "--gpus", "2,16"]) == 0
    shown = capsys.readouterr().out
    assert shown.count("tables of a step: ") == 2
    assert "| user_table" in shown
    assert "1,016 × 32" in shown


def test_runs_of_ranks_are_joined() -> None:
    assert ranges([3, 0, 1, 2, 8]) == "0-3, 8"
