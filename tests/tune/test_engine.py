"""Real sweeps of an objective that trains nothing: the number at a time, and going on after a kill."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import cast

import pytest
import ray
from ray.tune.search import Searcher

from cluster.storage import Folder
from tests.tune.quadratic import SPACE, Quadratic, plan
from tune.engine import JournalSearcher, run_trials
from tune.journal import Journal, Status, Trial
from tune.proposals import PROPOSERS

ROOT = Path(__file__).resolve().parent.parent.parent


def test_trials_that_did_not_end_well_come_before_new_ones(tmp_path: Path) -> None:
    begun = Journal(Folder(str(tmp_path)))
    for number, status in enumerate(("failed", "finished", "running")):
        begun.write(
            Trial(number, f"sweep-{number:06d}", {"x": number / 10}, cast(Status, status), {1: 0.5}, 9.0, "why")
        )
    searcher = JournalSearcher(journal(tmp_path), SPACE, plan("sweep", samples=4))
    assert searcher.num_left == 3
    suggested = [searcher.suggest(f"id-{n}") for n in range(4)]
    assert [s["number"] for s in suggested[:3]] == [0, 2, 3]
    assert [s["run"] for s in suggested[:3]] == ["sweep-000000", "sweep-000002", "sweep-000003"]
    assert suggested[0]["settings"] == {"x": 0.0}
    assert suggested[3] == Searcher.FINISHED
    again = journal(tmp_path).trials
    assert [(t.status, t.error) for t in again] == [
        ("running", None), ("finished", "why"), ("running", None), ("running", None),
    ]  # fmt: skip
    assert (again[0].scores, again[0].seconds) == ({1: 0.5}, 9.0)


@pytest.mark.slow
def test_so_many_at_a_time_and_no_more_and_one_fails(ray_session: None, tmp_path: Path) -> None:
    sweep = plan("sweep", searcher="optuna", samples=3)
    run_trials(Quadratic(tmp_path, meet=2, fail="sweep-000002"), SPACE, sweep, Folder(str(tmp_path)), 2, 0.1)
    assert most_at_once(tmp_path, 0) == 2
    trials = journal(tmp_path).trials
    assert [(t.status, len(t.scores), t.best_epoch, t.error) for t in trials] == [
        ("finished", 3, 2, None),
        ("finished", 3, 2, None),
        ("failed", 1, 1, "ShoalError: a trial that fails"),
    ]
    assert all(trial.seconds >= 0.3 for trial in trials)


@pytest.mark.slow
def test_a_trial_that_is_stopped_early_is_left_in_order(ray_session: None, tmp_path: Path) -> None:
    sweep = plan("sweep", scheduler="asha", samples=4)
    run_trials(Quadratic(tmp_path), SPACE, sweep, Folder(str(tmp_path)), 1, 0.1)
    trials = journal(tmp_path).trials
    assert [trial.status for trial in trials] == ["finished"] * 4
    stopped = [trial.run for trial in trials if len(trial.scores) < 3]
    assert stopped
    left = [run for run, _ in noted(tmp_path, "left")]
    assert left == [trial.run for trial in trials]
    assert [run for run, _ in noted(tmp_path, "ends")] == [run for run in left if run not in stopped]


@pytest.mark.slow
def test_a_killed_sweep_goes_on_where_it_was(ray_session: None, tmp_path: Path) -> None:
    whole = [PROPOSERS["random"](SPACE, 7, number, ()) for number in range(4)]
    environment = {**os.environ, "RAY_ADDRESS": ray.get_runtime_context().gcs_address}
    driver = subprocess.Popen(
        [sys.executable, "-m", "tests.tune.killed_sweep", str(tmp_path), "sweep-000001"],
        cwd=ROOT,
        env=environment,
        stderr=subprocess.DEVNULL,
    )
    try:
        # The first trial has ended, the second is past its first epoch.
        wait_for(lambda: (tmp_path / "trials/000001.json").exists() and journal(tmp_path).trials[1].scores)
    finally:
        driver.send_signal(signal.SIGKILL)
        driver.wait(10)
    (tmp_path / "released").touch()
    assert [trial.status for trial in journal(tmp_path).trials] == ["finished", "running"]

    longer, resumed_at = plan("sweep", samples=4), time.time()
    run_trials(Quadratic(tmp_path), SPACE, longer, Folder(str(tmp_path)), 1, 0.1)
    assert most_at_once(tmp_path, resumed_at) == 1
    trials = journal(tmp_path).trials
    assert [(trial.status, trial.run) for trial in trials] == [("finished", f"sweep-{n:06d}") for n in range(4)]
    assert [trial.settings for trial in trials] == whole
    assert [len(trial.scores) for trial in trials] == [3] * 4
    starts = [run for run, _ in noted(tmp_path, "starts")]
    assert sorted(starts) == ["sweep-000000", "sweep-000001", "sweep-000001", "sweep-000002", "sweep-000003"]

    run_trials(Quadratic(tmp_path), SPACE, longer, Folder(str(tmp_path)), 2, 0.1)
    assert [run for run, _ in noted(tmp_path, "starts")] == starts, "nothing was left to do"


def journal(folder: Path) -> Journal:
    return Journal(Folder(str(folder)))


def noted(folder: Path, file: str) -> list[tuple[str, float]]:
    return [(run, float(at)) for run, at in map(str.split, (folder / file).read_text().splitlines())]


def most_at_once(folder: Path, since: float) -> int:
    """The largest number of trials that were between their start and their end."""
    moments = [(at, 1) for _, at in noted(folder, "starts")] + [(at, -1) for _, at in noted(folder, "ends")]
    running = most = 0
    for _, step in sorted(moment for moment in moments if moment[0] >= since):
        running += step
        most = max(most, running)
    return most


def wait_for(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline, "waited for a minute"
        time.sleep(0.1)
