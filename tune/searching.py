"""A sweep of training runs: as many trials at a time as have room, then the report and the best one's recipe."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import ray

from cluster.delta.lake import Lake
from cluster.storage import Folder, absolute
from models.errors import ConfigError, ShoalError
from models.tables import Table
from pipelines.learning.scaling import scaled
from pipelines.recipes import Recipe, from_dict, to_dict
from tune import plan as plans
from tune.axes import describe
from tune.engine import run_trials
from tune.journal import Journal, Trial, best_first
from tune.plan import Plan, sweep_folder
from tune.proposals import random_settings
from tune.report import write_report
from tune.spaces import Space, space_of
from tune.trials import run_trial, with_settings

_TRIAL_CPUS = 0.1
"""The trial itself only waits for its workers."""
_DATA_CPUS = 1.0
"""Ray Data's tasks take a whole one; all trials may share it, but without it none of them ever begins."""


@dataclass(frozen=True, slots=True)
class SweepResult:
    """Trials best first, and the best one's recipe."""

    plan: Plan
    uri: str
    trials: list[Trial]
    best: Recipe


def facts(space: str, recipe: Recipe, lake: Lake) -> dict[str, Any]:
    """The fields of a plan that follow from its space, recipe and lake; `ConfigError` when they do not fit together."""
    domains = space_of(space)
    # A scheduler compares trials epoch by epoch, so all have as many.
    epochs = scaled(recipe, lake.num_rows(Table.INTERACTIONS)).training.epochs
    recipe = replace(recipe, training=replace(recipe.training, epochs=epochs))
    # A recipe of another kind lacks the settings, and the error names the nearest.
    with_settings(recipe, random_settings(domains, recipe.seed, 0, ()))
    return {
        "space": space,
        "recipe": json.loads(json.dumps(to_dict(recipe))),
        "metric": recipe.metric,
        "seed": recipe.seed,
        "epochs": recipe.training.epochs,
        "lake": lake.uri,
        "interactions_version": lake.version(Table.INTERACTIONS),
        "domains": describe(domains),
    }


def sweep(plan: Plan, lake: Lake, runs_uri: str, concurrency: int) -> SweepResult:
    """Run the trials of the plan that have not finished yet, `concurrency` at a time, and write the report.

    `ConfigError` when they have no room; `ShoalError` when no trial has a score, or the sweep was interrupted.
    """
    space, recipe = space_of(plan.space), from_dict(plan.recipe)
    check_room(recipe, concurrency)
    folder = sweep_folder(runs_uri, plan.name)
    begun = len(Journal(folder).trials)
    if plan.samples < begun:
        raise ConfigError(
            f"sweep {plan.name!r} has begun {begun} trials; --samples {plan.samples} is fewer. Leave it out."
        )
    plans.write(folder, plan)
    objective = partial(run_trial, recipe=recipe, lake_uri=lake.uri, runs_uri=absolute(runs_uri))
    run_trials(objective, space, plan, folder, concurrency, _TRIAL_CPUS)
    return conclude(plan, space, recipe, folder)


def conclude(plan: Plan, space: Space, recipe: Recipe, folder: Folder) -> SweepResult:
    """The report of a sweep whose trials have all ended."""
    trials = best_first(Journal(folder).trials)
    ended = sum(trial.status != "running" for trial in trials)
    if ended < plan.samples:
        raise ShoalError(
            f"the sweep was interrupted after {ended} of {plan.samples} trials. Go on: shoal sweep --resume {plan.name}"
        )
    if trials[0].score is None or trials[0].status != "finished":
        raise ShoalError(_no_score(trials))
    best = replace(with_settings(recipe, trials[0].settings), name=recipe.name)
    write_report(folder, plan, space, trials, to_dict(best))
    return SweepResult(plan, folder.uri, trials, best)


def _no_score(trials: list[Trial]) -> str:
    failed = sorted((trial for trial in trials if trial.status == "failed"), key=lambda trial: trial.number)
    if len(failed) == len(trials):
        return f"all {len(trials)} trials failed; the first said: {failed[0].error}"
    first = f"; the first that failed said: {failed[0].error}" if failed else ""
    return f"no trial of {len(trials)} has a score that is a number, {len(failed)} failed{first}"


def check_room(recipe: Recipe, concurrency: int) -> None:
    """Trials that hold their workers and wait for a core to read with would wait for one another, for ever."""
    cpus = ray.cluster_resources().get("CPU", 0.0)
    trial_cpus = _TRIAL_CPUS + recipe.training.num_workers * recipe.training.cpus_per_worker
    # Sums of tenths fall short of whole numbers by a rounding error.
    room = int((cpus - _DATA_CPUS) / trial_cpus + 1e-9)
    if concurrency <= room:
        return
    fewer = "fewer training.num_workers or cpus_per_worker"
    advice = f"--concurrency {room}, {fewer}," if room else f"{fewer},"
    raise ConfigError(
        f"{concurrency} trials at a time need {_DATA_CPUS + concurrency * trial_cpus:.1f} CPUs; the cluster has "
        f"{cpus:g}. Use {advice} or a larger cluster."
    )
