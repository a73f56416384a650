"""Sweeps of real training: room for the trials, what is said when all fail, and one from lake to recipe."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import ray

from cluster.delta.lake import Lake
from cluster.storage import Folder
from models.errors import ConfigError, ShoalError
from pipelines.recipes import load_recipe
from tests.pipelines.learning.checkerboard import write_checkerboard
from tests.tune.quadratic import SPACE, plan
from tune.journal import Journal, Trial
from tune.plan import Plan
from tune.searching import check_room, conclude, facts, sweep
from tune.sweep import main

SMALL = ("training.epochs=2", "features.history_length=8")


def two_tower_plan(lake: Lake, *overrides: str, **changes: Any) -> Plan:
    return plan("sweep", **facts("two_tower", load_recipe("two_tower", overrides), lake), **changes)


@pytest.mark.parametrize(
    ("cpus", "concurrency", "advice"),
    [
        (6.0, 4, None),
        (6.0, 5, "--concurrency 4"),
        (4.3, 3, None),
        (2.1, 1, None),
        (2.0, 1, "fewer training.num_workers or cpus_per_worker"),
        (1.0, 1, "1 trials at a time need 2.1 CPUs; the cluster has 1"),
    ],
)
def test_trials_that_could_only_wait_are_refused(
    monkeypatch: pytest.MonkeyPatch, cpus: float, concurrency: int, advice: str | None
) -> None:
    monkeypatch.setattr(ray, "cluster_resources", lambda: {"CPU": cpus})
    if advice is None:
        check_room(load_recipe("two_tower"), concurrency)
    else:
        with pytest.raises(ConfigError, match=advice):
            check_room(load_recipe("two_tower"), concurrency)


def test_a_space_and_a_recipe_must_fit(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"no setting 'model\.temperature'"):
        facts("two_tower", load_recipe("ranker"), Lake(str(tmp_path)))


@pytest.mark.parametrize(
    ("ends", "message"),
    [
        (("failed", "failed"), "all 2 trials failed; the first said: no room in 0"),
        (("failed", None), "no trial of 2 has a score that is a number, 1 failed; the first that failed said: no room"),
        (("running", 0.5), "interrupted after 1 of 2 trials. Go on: shoal sweep --resume sweep"),
    ],
)
def test_a_sweep_without_an_answer_says_why(tmp_path: Path, ends: tuple[Any, ...], message: str) -> None:
    journal = Journal(Folder(str(tmp_path)))
    for number, end in enumerate(ends):
        trial = Trial(number, "run", {"x": 0.5}, "failed", error=f"no room in {number}")
        if end != "failed":
            trial.status = "running" if end == "running" else "finished"
            trial.record(1, None if end == "running" else end)
        journal.write(trial)
    recipe = load_recipe("two_tower")
    with pytest.raises(ShoalError, match=message):
        conclude(plan("sweep", samples=2), SPACE, recipe, Folder(str(tmp_path)))


def test_a_resumed_sweep_cannot_be_shorter_than_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ray, "cluster_resources", lambda: {"CPU": 6.0})
    lake, runs = Lake(str(tmp_path / "lake")), tmp_path / "runs"
    journal = Journal(Folder(str(runs / "sweeps" / "sweep")))
    for number in range(3):
        journal.write(Trial(number, "run", {"x": 0.5}, "finished", {1: 0.5}))
    with pytest.raises(ConfigError, match="has begun 3 trials; --samples 2 is fewer"):
        sweep(two_tower_plan(lake, samples=2), lake, str(runs), 1)


@pytest.mark.slow
def test_from_lake_to_the_best_recipe(ray_session: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lake, runs = Lake(str(tmp_path / "lake")), tmp_path / "runs"
    write_checkerboard(lake)
    places = ["--lake", lake.uri, "--runs", str(runs), "--out", str(tmp_path / "best.json")]
    options = [part for override in SMALL for part in ("--set", override)]
    options += ["--space", "als", "--samples", "2", "--concurrency", "2"]
    options += ["--searcher", "optuna", "--name", "first"]
    assert main([*places, *options]) == 0
    folder = runs / "sweeps" / "first"
    best, second = json.loads((folder / "trials.json").read_text())
    assert best["score"] >= second["score"] > 0
    for trial in (best, second):
        epochs = json.loads((runs / trial["run"] / "metrics.json").read_text())
        # All that the best one did is told. ASHA may have stopped the other in the midst of an epoch more.
        told = epochs if trial is best else epochs[: len(trial["scores"])]
        assert {int(e): score for e, score in trial["scores"].items()} == {e["epoch"]: e["ndcg@10"] for e in told}
        assert (
            json.loads((runs / trial["run"] / "config.json").read_text())["model"]["alpha"]
            == (trial["settings"]["model.alpha"])
        )
    assert (runs / best["run"] / "export").is_dir()
    recipe = load_recipe(str(tmp_path / "best.json"))
    expected = load_recipe("als", [*SMALL, *(f"{key}={value}" for key, value in best["settings"].items())])
    assert recipe == replace(expected, name="als")
    assert {file.name for file in folder.iterdir()} >= {"report.md", "parallel.svg", "best.json", "sweep.json"}
    assert "shoal sweep" in (folder / "report.md").read_text()
    capsys.readouterr()

    assert main([*places, "--resume", "first"]) == 0
    assert len(list(folder.glob("tune-*"))) == 1, "nothing was left to run"
    assert f"trial {best['number']}: ndcg@10" in capsys.readouterr().out.splitlines()[0]
    for wrong, message in (
        (["--resume", "first", "--space", "ranker"], "space was als, is ranker"),
        (["--resume", "first", "--set", "seed=5"], "recipe.seed was 2026, is 5"),
        (["--name", "first"], "there is a sweep 'first' already"),
    ):
        assert main([*places, *wrong]) == 2
        assert message in capsys.readouterr().err
