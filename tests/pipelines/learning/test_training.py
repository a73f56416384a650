"""Training on the real thing: Ray Data, Ray Train, two gloo workers, TorchRec. A start costs seconds: they are few."""

from __future__ import annotations

import os
import signal
import threading
import time
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from cluster.lake import Lake
from cluster.storage import filesystem
from models.events import EventType
from models.recommender import Recommender
from models.user_state import HistoryEvent, UserState
from pipelines.learning.run_folder import read_json, run_uri
from pipelines.learning.trainer import TrainedRun, train
from pipelines.recipes import Recipe, load_recipe
from tests.pipelines.learning.checkerboard import START, checkerboard

NUM_USERS, NUM_ITEMS = 240, 40
SMALL = (
    "training.batch_size=128",
    "training.validation_users=100",
    "model.embedding_dim=16",
    "model.hidden_dim=32",
    "optimizer.table_learning_rate=0.2",
    "optimizer.dense_learning_rate=0.01",
)


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Lake:
    return checkerboard(tmp_path_factory.mktemp("checkerboard"), NUM_USERS, NUM_ITEMS)


@pytest.fixture(scope="module")
def recipe() -> Recipe:
    return load_recipe("two_tower", (*SMALL, "training.epochs=6", "training.patience=0"))


@pytest.fixture(scope="module")
def first(ray_session: None, lake: Lake, recipe: Recipe, tmp_path_factory: pytest.TempPathFactory) -> TrainedRun:
    return train(recipe, lake, str(tmp_path_factory.mktemp("runs")))


def export_of(run: TrainedRun) -> Path:
    return Path(filesystem(run.uri)[1]) / "export"


@pytest.mark.slow
def test_the_withheld_item_is_the_first_answer_for_every_user(first: TrainedRun) -> None:
    """Of a user's half only the withheld item is unseen, so any model that learned the halves puts it first."""
    recommender = Recommender.load(export_of(first), "v1")
    half = NUM_ITEMS // 2
    for user in range(NUM_USERS):
        items = [f"i{2 * ((user // 2 + step) % half) + user % 2:03}" for step in range(half)]
        history = tuple(HistoryEvent(item, EventType.CLICK, 0) for item in items[:-1])
        state = UserState(f"u{user:05}", START + timedelta(days=1), history)
        found = recommender.retrieve([state], 1, [state.seen])[0]
        assert recommender.items.ids[found.item_rows[0]] == items[-1]


@pytest.mark.slow
def test_every_example_is_seen_once_an_epoch(first: TrainedRun) -> None:
    # 19 events a user, of which the last tests and the one before validates: 17 examples.
    assert [epoch["samples"] for epoch in first.epochs] == [NUM_USERS * 17] * 6


@pytest.mark.slow
def test_the_same_seed_gives_the_same_weights(first: TrainedRun, lake: Lake, recipe: Recipe, tmp_path: Path) -> None:
    again = train(recipe, lake, str(tmp_path / "runs"))
    weights = [load_file(export_of(run) / "two_tower.safetensors") for run in (first, again)]
    assert all(np.array_equal(weights[0][name], weights[1][name]) for name in weights[0])


@pytest.mark.slow
def test_a_worker_killed_in_mid_epoch_costs_no_example(ray_session: None, tmp_path: Path) -> None:
    lake = checkerboard(tmp_path, num_users=3_000, num_items=120)
    small = load_recipe("two_tower", (*SMALL, "training.epochs=3", "training.patience=0"))
    runs, run_id = str(tmp_path / "runs"), "killed"
    killed: list[int] = []
    done = threading.Event()

    def kill_once() -> None:
        """As soon as the second epoch is on its way, end the worker that says so."""
        while not done.wait(0.05):
            live = read_json(run_uri(runs, run_id), "live.json")
            if live is not None and live["epoch"] == 2 and live["samples"] < live["total"]:
                os.kill(live["pid"], signal.SIGKILL)
                killed.append(live["pid"])
                return

    thread = threading.Thread(target=kill_once, daemon=True)
    thread.start()
    started = time.monotonic()
    run = train(small, lake, runs, run_id=run_id)
    done.set()
    thread.join()
    assert killed, f"the epochs passed in {time.monotonic() - started:.0f} s without a moment to kill a worker"
    assert [epoch["epoch"] for epoch in run.epochs] == [1, 2, 3]
    assert {epoch["samples"] for epoch in run.epochs} == {3_000 * (60 - 1 - 2)}
