"""A trial trains a run, and what it holds is free again when it is left before its end."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from ray.util import placement_group_table

from cluster.delta.lake import Lake
from pipelines.recipes import load_recipe
from tests.pipelines.learning.checkerboard import write_checkerboard
from tune.trials import run_trial

pytestmark = pytest.mark.slow


def test_a_trial_that_is_left_gives_back_its_workers_cpus(ray_session: None, tmp_path: Path) -> None:
    lake = Lake(str(tmp_path / "lake"))
    write_checkerboard(lake)
    settings = ["training.epochs=500", "training.patience=0", "training.num_workers=1", "training.validation_users=20"]
    before = taken()
    trial = run_trial({}, "left", load_recipe("two_tower", settings), lake.uri, str(tmp_path / "runs"))
    assert next(trial)["epoch"] == 1
    assert len(taken() - before) == 1
    trial.close()
    deadline = time.monotonic() + 20
    while taken() - before and time.monotonic() < deadline:
        time.sleep(0.1)
    assert taken() == before


def taken() -> set[str]:
    """Placement groups that hold resources."""
    groups = placement_group_table()
    return {name for name, group in groups.items() if group["state"] not in ("REMOVED", "PENDING")}
