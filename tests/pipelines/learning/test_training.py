"""Training on the real thing: Ray Data, Ray Train, two gloo workers, TorchRec. A start costs seconds."""

from __future__ import annotations

import os
import signal
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file

from cluster.delta.lake import Lake
from models.errors import ConfigError
from models.recommender import Recommender
from pipelines.evaluation.cases import EvaluationCase, evaluation_cases
from pipelines.evaluation.evaluator import evaluate_bundle, evaluate_popularity
from pipelines.learning.data.sequences import sequences
from pipelines.learning.data.split import TEST, Split
from pipelines.learning.runs.run_folder import read_json
from pipelines.learning.trainer import TrainedRun, train
from pipelines.recipes import Recipe, load_recipe
from tests.pipelines.learning.checkerboard import SIZE, item, user, write_checkerboard
from tests.pipelines.learning.failure_log import FailureLog

pytestmark = pytest.mark.slow

EPOCHS = 6
NUM_EXAMPLES = SIZE * (SIZE // 2 - 2)
"""All clicks of a user but the last two: one validates, one tests."""


def recipe() -> Recipe:
    overrides = {
        "features.history_length": 50,
        "model.embedding_dim": 16,
        "model.hidden_dim": 16,
        "training.num_workers": 2,
        "training.epochs": EPOCHS,
        "training.patience": 0,
        "training.refit": "false",
        "training.batch_size": 8,
        "optimizer.table_learning_rate": 0.2,
    }
    return load_recipe("two_tower", [f"{key}={value}" for key, value in overrides.items()])


def run(lake: Lake, name: str, **options: Any) -> TrainedRun:
    return train(recipe(), lake, str(Path(lake.uri).parent / "runs"), run_id=name, **options)


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Lake:
    lake = Lake(str(tmp_path_factory.mktemp("world") / "lake"))
    write_checkerboard(lake)
    return lake


@pytest.fixture(scope="module")
def trained(ray_session: None, lake: Lake) -> TrainedRun:
    return run(lake, "first")


@pytest.fixture(scope="module")
def recommender(trained: TrainedRun) -> Recommender:
    return Recommender.load(Path(trained.uri) / "export", "first", recipe().features.digest())


@pytest.fixture(scope="module")
def cases(trained: TrainedRun, lake: Lake) -> list[EvaluationCase]:
    return evaluation_cases(sequences(lake, 0), Split("leave_last_out"), TEST, limit=1_000)


def weights(run: TrainedRun) -> dict[str, Any]:
    return {name: tensor.tolist() for name, tensor in load_file(f"{run.uri}/export/two_tower.safetensors").items()}


def test_every_epoch_sees_every_example_once(trained: TrainedRun) -> None:
    assert [epoch["epoch"] for epoch in trained.epochs] == list(range(1, EPOCHS + 1))
    assert {epoch["samples"] for epoch in trained.epochs} == {NUM_EXAMPLES}
    assert trained.epochs[-1]["loss"] < trained.epochs[0]["loss"]


def test_the_withheld_item_is_the_answer_for_every_user(recommender: Recommender, cases: list[EvaluationCase]) -> None:
    assert {case.user.user_id: case.relevant for case in cases} == {user(n): {item(n)} for n in range(SIZE)}
    users = [case.user for case in cases]
    found = recommender.retrieve(users, 1, [u.seen for u in users])
    answers = {u.user_id: recommender.items.ids[f.item_rows[0]] for u, f in zip(users, found, strict=True)}
    assert answers == {user(n): item(n) for n in range(SIZE)}


def test_evaluation_agrees_and_popularity_cannot_know(recommender: Recommender, cases: list[EvaluationCase]) -> None:
    model, popularity = evaluate_bundle(recommender, cases), evaluate_popularity(recommender, cases)
    assert model["ndcg@10"] == model["mrr@10"] == model["hit_rate@10"] == 1.0
    assert popularity["ndcg@10"] < 0.8


def test_the_run_folder_says_what_was_done(trained: TrainedRun) -> None:
    data = read_json(trained.uri, "data.json")
    assert (data["num_users"], data["num_items"], data["num_interactions"]) == (SIZE, SIZE, SIZE * SIZE // 2)
    assert read_json(trained.uri, "config.json")["training"]["epochs"] == EPOCHS
    assert read_json(trained.uri, "metrics.json") == trained.epochs
    assert "item_table table_wise/fused" in (Path(trained.uri) / "sharding.txt").read_text()


def test_tables_that_do_not_fit_are_refused_before_a_worker_starts(ray_session: None, lake: Lake) -> None:
    words = replace(recipe().features, word_buckets=2**31)  # 137 GB for each of two workers
    with pytest.raises(ConfigError, match=r"Ray's nodes\. The largest is word_table: 2,147,483,648 rows"):
        train(replace(recipe(), features=words), lake, str(Path(lake.uri).parent / "runs"), run_id="too large")
    assert not (Path(lake.uri).parent / "runs" / "too large" / "checkpoints").exists()


def test_a_seed_repeats_a_run_to_the_bit_though_a_worker_is_killed(
    trained: TrainedRun, lake: Lake, tmp_path: Path
) -> None:
    killed: list[int] = []

    def kill_one(epoch: dict[str, float]) -> None:
        if not killed and epoch["epoch"] >= 2:
            killed.append(worker_pids()[-1])
            os.kill(killed[0], signal.SIGKILL)

    failures = tmp_path / "failures.txt"
    resumed = run(lake, "killed", on_epoch=kill_one, callbacks=[FailureLog(failures)])
    assert len(failures.read_text().splitlines()) == len(killed) == 1
    assert [epoch["epoch"] for epoch in resumed.epochs] == list(range(1, EPOCHS + 1))
    assert {epoch["samples"] for epoch in resumed.epochs} == {NUM_EXAMPLES}
    assert weights(resumed) == weights(trained)


def worker_pids() -> list[int]:
    """Ray Train workers of this session: descendants of this process."""
    parents, workers = {}, []
    for folder in Path("/proc").iterdir():
        try:
            # The name in parentheses may itself hold spaces; the parent is the second field after it.
            parents[int(folder.name)] = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            if b"TrainWorker" in (folder / "cmdline").read_bytes():
                workers.append(int(folder.name))
        except (OSError, ValueError):
            continue  # not a process, or one that has just ended

    def ours(pid: int) -> bool:
        return pid == os.getpid() or (pid in parents and ours(parents[pid]))

    return sorted(filter(ours, workers))
