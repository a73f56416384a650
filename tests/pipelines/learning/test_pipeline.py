"""Steps on CPU: overlapped or one by one they compute the same; clipping clips; rates rise and fall."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
import torch.distributed as dist

from pipelines.learning.engine.optimizing import LearningRates, rate_share
from pipelines.learning.engine.pipeline import Step, Stepping, overlapped, plain
from pipelines.recipes import OptimizerConfig, TrainingConfig
from tests.pipelines.learning.gloo_workers import CPU, examples, one_worker, run_group, sharded

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module", autouse=True)
def group() -> Iterator[None]:
    with one_worker():
        yield


def weights(tables: str, training: TrainingConfig, overlap: bool) -> dict[str, torch.Tensor]:
    """Weights after two epochs of five steps, the last of each epoch a blank one."""
    torch.manual_seed(7)
    objective, model, optimizer = sharded(tables, training)
    stepping = Stepping(model, optimizer, objective, CPU, training.precision)
    take = (overlapped if overlap else plain)(stepping)
    rng = np.random.default_rng([3, dist.get_rank()])  # workers ask each other for different rows

    def epoch() -> Iterator[Step]:
        for weight in (1.0, 1.0, 1.0, 1.0, 0.0):
            batch = examples(rng) if weight else objective.blank()
            inputs = objective.inputs(batch, rng)
            yield Step(inputs.features, inputs.tensors, weight, [])

    taken = []
    for _ in range(2):
        taken += [done.weight for done in take(epoch(), lambda: None)]
        with torch.no_grad():  # as validation does between two epochs
            model.module.look_up(objective.inputs(examples(rng), rng).features)
    assert taken == [1.0, 1.0, 1.0, 1.0, 0.0] * 2
    return {name: whole(value) for name, value in model.state_dict().items()}


@pytest.mark.parametrize("tables", ["rowwise_adagrad", "adam"])
def test_overlapped_steps_compute_what_plain_ones_do(tables: str) -> None:
    one, other = weights(tables, TrainingConfig(), False), weights(tables, TrainingConfig(), True)
    assert one.keys() == other.keys()
    for name, weight in one.items():
        assert torch.equal(weight, other[name]), name


def test_overlapped_steps_of_two_workers_compute_what_plain_ones_do() -> None:
    run_group(2, compare)


def compare(rank: int, world: int) -> None:
    """Each worker holds other tables, and asks the other for them."""
    one, other = (weights("rowwise_adagrad", TrainingConfig(), overlap) for overlap in (False, True))
    assert all(torch.equal(weight, other[name]) for name, weight in one.items())


def whole(value: Any) -> torch.Tensor:
    """What this worker holds of it: tables lie whole on one worker."""
    if not hasattr(value, "local_shards"):
        return value
    return next((shard.tensor for shard in value.local_shards()), torch.zeros(0))


def moved(tables: str, rates: OptimizerConfig) -> dict[str, float]:
    """How far the first step moves each weight."""
    torch.manual_seed(7)
    objective, model, optimizer = sharded(tables)
    rng = np.random.default_rng(3)
    inputs = objective.inputs(examples(rng), rng)
    before = {name: whole(value).clone() for name, value in model.state_dict().items()}
    LearningRates(optimizer, rates, 1, 1_000.0).set(0, 0.0)
    optimizer.zero_grad()
    objective.losses(model, inputs).mean().backward()
    optimizer.step()
    return {name: float((whole(value) - before[name]).norm()) for name, value in model.state_dict().items()}


def test_rates_have_risen_by_a_tenth_of_a_short_run() -> None:
    _, _, optimizer = sharded("rowwise_adagrad")
    rates = LearningRates(optimizer, OptimizerConfig(warmup_steps=200), 5, 20.0)
    assert [rates.set(step, 0.0) for step in (0, 4, 9, 50)] == pytest.approx([0.1, 0.5, 1.0, 1.0])


def test_a_schedule_may_be_longer_than_the_run() -> None:
    _, _, optimizer = sharded("rowwise_adagrad")
    config = OptimizerConfig(schedule="linear", schedule_epochs=10)
    assert LearningRates(optimizer, config, 4, 20.0).set(0, 4.0) == pytest.approx(0.6)


def test_l2_of_a_fused_table_holds_the_rows_that_a_batch_looks_up() -> None:
    free, held = (after_a_step(OptimizerConfig(table_l2=l2))[ITEMS] for l2 in (0.0, 100.0))
    looked_up = (free != held).any(1)
    assert 0 < int(looked_up.sum()) < len(free)
    assert (held.norm(dim=1) < free.norm(dim=1))[looked_up].all()


def after_a_step(config: OptimizerConfig) -> dict[str, torch.Tensor]:
    """Weights after one step of four examples."""
    torch.manual_seed(7)
    objective, model, optimizer = sharded("rowwise_adagrad", optimizer=config)
    rng = np.random.default_rng(3)
    optimizer.zero_grad()
    torch.autograd.backward(objective.losses(model, objective.inputs(examples(rng, 4), rng)).mean())
    optimizer.step()
    return {name: whole(value) for name, value in model.state_dict().items()}


TOWER, ITEMS = "item_tower.hidden.2.weight", "tables.embedding_bags.item_table.weight"


def test_clipping_bounds_what_a_huge_loss_does() -> None:
    """Adagrad and Adam divide by the size of a gradient, so a table's is read from the sums that are kept."""
    clipped = TrainingConfig(max_gradient_norm=0.001)
    dense, table = {}, {}
    for training in (TrainingConfig(), clipped):
        torch.manual_seed(7)
        objective, model, optimizer = sharded("rowwise_adagrad", training)
        rng = np.random.default_rng(3)
        inputs = objective.inputs(examples(rng), rng)
        optimizer.zero_grad()
        (1e6 * objective.losses(model, inputs).mean()).backward()
        optimizer.step()
        gradients = [weight.grad for name, weight in model.named_parameters() if "tower" in name]
        dense[training] = float(torch.stack([g.norm() for g in gradients if g is not None]).norm())
        sums = optimizer.state_dict()["state"][ITEMS]["item_table.momentum1"]
        table[training] = float(whole(sums).max()) ** 0.5
    assert dense[TrainingConfig()] > 1_000
    assert dense[clipped] == pytest.approx(0.001, rel=1e-3)
    # A row's gradient is the sum of what each look-up sends it, each element of which is cut: at most 16 × 5 look-ups.
    assert table[TrainingConfig()] > 1_000
    assert table[clipped] <= 0.001 * 16 * 5


@pytest.mark.parametrize("tables", ["rowwise_adagrad", "adam"])
def test_rates_reach_tables_and_towers_alike(tables: str) -> None:
    full, tenth = moved(tables, OptimizerConfig()), moved(tables, OptimizerConfig(warmup_steps=10))
    for name in (TOWER, ITEMS):
        assert full[name] > 0
        assert tenth[name] == pytest.approx(full[name] / 10, rel=1e-2)


@pytest.mark.parametrize(
    ("schedule", "expected"), [("constant", [1, 1, 1]), ("linear", [1, 0.5, 0]), ("cosine", [1, 0.5, 0])]
)
def test_schedules(schedule: Any, expected: list[float]) -> None:
    config = OptimizerConfig(schedule=schedule, warmup_steps=4)
    assert [rate_share(config, 100, done) for done in (0.0, 0.5, 1.5)] == pytest.approx(expected)
    assert [rate_share(config, step, 0.0) for step in range(5)] == [0.25, 0.5, 0.75, 1, 1]


def test_weight_decay_is_of_the_dense_layers_alone_and_begins_with_the_first_step() -> None:
    torch.manual_seed(7)
    _, undecayed, _ = sharded("adam")
    torch.manual_seed(7)
    _, model, optimizer = sharded("adam", optimizer=OptimizerConfig(weight_decay=0.5))
    for name, value in undecayed.state_dict().items():
        assert torch.equal(value, model.state_dict()[name]), name
    assert [group["weight_decay"] for group in optimizer.param_groups] == [0.0, 0.5]
