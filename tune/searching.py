"""A sweep: random search under ASHA (Li et al., 2020), one TorchTrainer a trial; the best becomes a recipe file."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import ray
from ray import tune as ray_tune
from ray.tune.schedulers import ASHAScheduler

from cluster.lake import Lake
from cluster.storage import join
from models.errors import ConfigError, ShoalError
from pipelines.recipes import Recipe, to_dict
from tune.spaces import SPACES
from tune.trials import run_trial, with_settings

_TRIAL_CPUS = 0.1
"""The trial itself only waits for its workers."""
_DATA_CPUS = 1.0
"""Ray Data's tasks take a whole one; all trials may share it, but without it none of them ever begins."""


@dataclass(frozen=True, slots=True)
class SweepResult:
    """Trials best first (settings, score of the best epoch, epochs), and the best one's recipe."""

    metric: str
    trials: list[dict[str, Any]]
    best: Recipe


def sweep(
    space: str, recipe: Recipe, lake: Lake, runs_uri: str, samples: int, concurrency: int, name: str
) -> SweepResult:
    """Search `SPACES[space]` with `samples` trials, `concurrency` at a time."""
    if space not in SPACES:
        raise ConfigError(f"search space {space!r} is unknown. Use one of: {', '.join(SPACES)}.")
    _check_room(recipe, concurrency)
    metric = recipe.metric
    trainable = ray_tune.with_resources(
        ray_tune.with_parameters(run_trial, recipe=recipe, lake_uri=lake.uri, runs_uri=runs_uri), {"CPU": _TRIAL_CPUS}
    )
    scheduler = ASHAScheduler(time_attr="epoch", max_t=recipe.training.epochs, grace_period=1, reduction_factor=2)
    tuner = ray_tune.Tuner(
        trainable,
        param_space=SPACES[space](),
        tune_config=ray_tune.TuneConfig(
            metric=metric,
            mode="max",
            num_samples=samples,
            scheduler=scheduler,
            # The number at a time is the generator's to keep: `max_concurrent_trials` does not reach it.
            search_alg=ray_tune.search.BasicVariantGenerator(max_concurrent=concurrency, random_state=recipe.seed),
        ),
        run_config=ray_tune.RunConfig(name=name, storage_path=join(runs_uri, "sweeps"), verbose=1),
    )
    return _result(metric, recipe, tuner.fit())


def _check_room(recipe: Recipe, concurrency: int) -> None:
    """Trials that hold their workers and wait for a core to read with would wait for one another, for ever."""
    cpus = ray.cluster_resources().get("CPU", 0.0)
    trial_cpus = _TRIAL_CPUS + recipe.training.num_workers * recipe.training.cpus_per_worker
    room = int((cpus - _DATA_CPUS) / trial_cpus)
    if concurrency > max(room, 1):
        raise ConfigError(
            f"{concurrency} trials at a time need {_DATA_CPUS + concurrency * trial_cpus:.1f} CPUs; the cluster has "
            f"{cpus:g}. Use --concurrency {max(room, 1)}, fewer training.num_workers, or a larger cluster."
        )


def write_recipe(result: SweepResult, path: Path) -> None:
    """The best trial as a file that `shoal train --recipe FILE` takes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(to_dict(result.best), indent=2, sort_keys=True) + "\n")


def _result(metric: str, recipe: Recipe, grid: Any) -> SweepResult:
    trials: list[dict[str, Any]] = [
        {
            "settings": dict(r.config),
            "score": float(r.metrics_dataframe[metric].max()),
            "epochs": int(r.metrics["epoch"]),
        }
        for r in grid
        if r.error is None and r.metrics and metric in r.metrics
    ]
    if not trials:
        raise ShoalError(f"all {len(grid)} trials failed; the first said: {grid.errors[:1]}")
    trials.sort(key=lambda trial: -trial["score"])
    best = with_settings(recipe, trials[0]["settings"])
    return SweepResult(metric, trials, replace(best, name=recipe.name))
