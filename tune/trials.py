"""One trial: a whole training run of the recipe with the trial's settings; its epochs are what ASHA judges."""

from __future__ import annotations

import json
from collections.abc import Generator
from typing import Any

import ray

from cluster.delta.lake import Lake
from pipelines.learning.refit import selecting
from pipelines.learning.runs.run_folder import read_json, run_uri
from pipelines.learning.trainer import train
from pipelines.recipes import Recipe, overridden
from pipelines.session import data_session

_LOOK_EVERY_S, _STOP_S = 1.0, 60.0


def with_settings(recipe: Recipe, settings: dict[str, Any]) -> Recipe:
    """The recipe with `{"a.b": c}` set."""
    overrides = [f"{key}={value if isinstance(value, str) else json.dumps(value)}" for key, value in settings.items()]
    return overridden(recipe, overrides)


def run_trial(
    settings: dict[str, Any], run: str, recipe: Recipe, lake_uri: str, runs_uri: str
) -> Generator[dict[str, Any]]:
    """Train run `run`, or go on with it; yields every epoch's metrics. `runs_uri` is absolute.

    A trial's placement group would catch every task of the training, which needs far more than the trial itself.
    Training therefore runs in a task of its own outside the group, and its epochs are read from the run's folder.
    """
    work = _train.options(scheduling_strategy="DEFAULT").remote(
        with_settings(recipe, settings), lake_uri, runs_uri, run
    )
    told, ended = 0, False
    try:
        while not ended:
            ended = bool(ray.wait([work], timeout=_LOOK_EVERY_S)[0])
            epochs = ray.get(work) if ended else read_json(run_uri(runs_uri, run), "metrics.json") or []
            yield from epochs[told:]
            told = max(told, len(epochs))
    finally:
        if not ended:
            # As Ctrl-C does. Ray Train then gives back the CPUs of its workers; of a run that is killed they stay taken
            # until the sweep ends, and later trials wait for them.
            ray.cancel(work)
            ray.wait([work], timeout=_STOP_S)


@ray.remote(num_cpus=0, max_retries=0)  # type: ignore[untyped-decorator]
def _train(recipe: Recipe, lake_uri: str, runs_uri: str, run: str) -> list[dict[str, float]]:
    with data_session():
        return train(selecting(recipe), Lake(lake_uri), runs_uri, run_id=run).epochs
