"""A sweep keeps to its number of trials at a time, and refuses a number that could only wait for itself."""

from __future__ import annotations

from pathlib import Path

import pytest

from cluster.lake import Lake
from models.errors import ConfigError, ShoalError
from pipelines.recipes import load_recipe
from tune.searching import sweep

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(("concurrency", "room"), [(5, 4), (50, 4)])
def test_trials_that_do_not_fit_at_once_are_refused(
    ray_session: None, tmp_path: Path, concurrency: int, room: int
) -> None:
    lake = Lake(str(tmp_path / "lake"))
    with pytest.raises(ConfigError, match=f"--concurrency {room}"):
        sweep("two_tower", load_recipe("two_tower"), lake, str(tmp_path / "runs"), 1, concurrency, "sweep")


def test_one_trial_at_a_time(ray_session: None, tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    # On an empty lake a trial ends as soon as it reads it.
    with pytest.raises(ShoalError, match=r"all 2 trials failed.*holds no interactions"):
        sweep("two_tower", load_recipe("two_tower"), Lake(str(tmp_path / "lake")), str(runs), 2, 1, "sweep")
    trials = [
        (mtime(folder / "params.json"), mtime(folder / "error.txt")) for folder in runs.glob("sweeps/sweep/run_*")
    ]
    (_, first_ended), (second_begun, _) = sorted(trials)
    assert first_ended <= second_begun


def mtime(path: Path) -> float:
    return path.stat().st_mtime
