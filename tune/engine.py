"""The trials of a sweep on Ray Tune: what runs next comes from the journal, and what comes of it goes back there."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ray import tune as ray_tune
from ray.tune.logger import JsonLoggerCallback
from ray.tune.result import DONE, RESULT_DUPLICATE
from ray.tune.search import ConcurrencyLimiter, Searcher

from cluster.commands.console import say
from cluster.storage import Folder
from tune.halving import scheduler_of
from tune.journal import Journal, Trial, line
from tune.plan import Plan
from tune.proposals import PROPOSERS
from tune.spaces import Space

Objective = Callable[[dict[str, Any], str], Generator[dict[str, Any]]]
"""Takes the settings and the run id of a trial; yields `{metric: …, "epoch": …}` after each epoch.

It is closed where the trial is stopped early, and has then to give back what it holds. The run id is the same whenever
the trial is started again, so that it can go on from its own checkpoint.
"""


def run_trials(objective: Objective, space: Space, plan: Plan, folder: Folder, concurrency: int, cpus: float) -> None:
    """Run what is left of the sweep, `concurrency` trials at a time, each holding `cpus` itself.

    Trials that have finished are left alone. One that was interrupted or failed is started again, before any new one.
    """
    journal = Journal(folder)
    searcher = JournalSearcher(journal, space, plan)
    if searcher.num_left == 0:
        return
    tuner = ray_tune.Tuner(
        ray_tune.with_resources(ray_tune.with_parameters(_Trial, objective=objective), {"CPU": cpus}),
        tune_config=ray_tune.TuneConfig(
            num_samples=searcher.num_left,
            scheduler=scheduler_of(plan, journal.trials),
            search_alg=ConcurrencyLimiter(searcher, max_concurrent=concurrency),
            trial_dirname_creator=lambda trial: f"{trial.config['number']:06d}",
        ),
        run_config=ray_tune.RunConfig(
            name=f"tune-{time.strftime('%Y%m%dT%H%M%S', time.gmtime())}",
            storage_path=folder.uri,
            callbacks=[JournalCallback(journal, plan), JsonLoggerCallback()],
            checkpoint_config=ray_tune.CheckpointConfig(checkpoint_at_end=False),  # a run has its own
            verbose=0,
        ),
    )
    with _quiet_tune():
        tuner.fit()


class _Trial(ray_tune.Trainable):
    """Steps through an objective. A function that reports would be killed wherever it is when its trial is stopped."""

    def setup(self, config: dict[str, Any], objective: Objective) -> None:
        """Nothing runs before the first step."""
        self._told: dict[str, Any] = {}
        self._epochs = objective(config["settings"], config["run"])

    def step(self) -> dict[str, Any]:
        """The next epoch; after the last one that it was the last, which no scheduler takes for an epoch."""
        try:
            self._told = next(self._epochs)
        except StopIteration:
            return {**self._told, DONE: True, RESULT_DUPLICATE: True}
        return dict(self._told)

    def cleanup(self) -> None:
        """Called when the trial has ended or is stopped."""
        self._epochs.close()


class JournalSearcher(Searcher):
    """First the trials that were begun and did not end well, then new ones until the plan's number is reached."""

    def __init__(self, journal: Journal, space: Space, plan: Plan) -> None:
        super().__init__(metric=plan.metric, mode="max")
        self._journal, self._space, self._plan = journal, space, plan
        self._again = [trial for trial in journal.trials if trial.status != "finished"]

    @property
    def num_left(self) -> int:
        """Trials yet to be started, again or anew."""
        return len(self._again) + max(self._plan.samples - len(self._journal.trials), 0)

    def suggest(self, trial_id: str) -> dict[str, Any] | str:
        """Number, run id and settings of the next trial."""
        if self.num_left == 0:
            return str(Searcher.FINISHED)
        trial = self._again.pop(0) if self._again else self._new()
        trial.status, trial.error = "running", None
        self._journal.write(trial)
        return {"number": trial.number, "run": trial.run, "settings": trial.settings}

    def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
        """The journal has it from the callback, which knows the number of the trial."""

    def save_to_dir(self, checkpoint_dir: str, session_str: str = "default") -> None:
        """The journal is the state."""

    def _new(self) -> Trial:
        number = len(self._journal.trials)
        settings = PROPOSERS[self._plan.searcher](self._space, self._plan.seed, number, self._journal.trials)
        return Trial(number, f"{self._plan.name}-{number:06d}", settings)


class JournalCallback(ray_tune.Callback):
    """Writes to the journal, on the driver: every epoch of every trial, and how each ended."""

    def __init__(self, journal: Journal, plan: Plan) -> None:
        self._journal, self._plan = journal, plan
        self._begun: dict[int, tuple[float, float]] = {}

    def on_trial_start(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """Its seconds count from here, on top of those of earlier attempts."""
        kept = self._of(trial)
        self._begun[kept.number] = (time.monotonic(), kept.seconds)

    def on_trial_result(
        self, iteration: int, trials: list[Any], trial: Any, result: dict[str, Any], **info: Any
    ) -> None:
        """An epoch. What is fitted in one go tells one."""
        kept = self._of(trial)
        kept.record(int(result.get("epoch", result["training_iteration"])), result.get(self._plan.metric))
        self._write(kept)

    def on_trial_complete(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """It came to its end, or the scheduler stopped it."""
        kept = self._of(trial)
        kept.status = "finished"
        self._end(kept)

    def on_trial_error(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """It failed; the last line of its traceback says why."""
        kept = self._of(trial)
        kept.status, kept.error = "failed", _last_line(Path(trial.error_file))
        self._end(kept)

    def _of(self, trial: Any) -> Trial:
        kept: Trial = self._journal.trials[trial.config["number"]]
        return kept

    def _write(self, kept: Trial) -> None:
        if kept.number in self._begun:
            began, earlier = self._begun[kept.number]
            kept.seconds = round(earlier + time.monotonic() - began, 1)
        self._journal.write(kept)

    def _end(self, kept: Trial) -> None:
        self._write(kept)
        ended = sum(trial.status != "running" for trial in self._journal.trials)
        say(f"{ended}/{self._plan.samples}  {line(kept, self._plan.metric)}")


@contextmanager
def _quiet_tune() -> Iterator[None]:
    """Tune for the length of the block without its banner and most of its logs, its own state written seldom.

    The journal has all that a sweep goes on from. These settings of Tune are environment variables alone.
    """
    ours = {
        "RAY_AIR_NEW_OUTPUT": "0",
        "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
        "TUNE_GLOBAL_CHECKPOINT_S": "600",
    }
    before = {name: os.environ.get(name) for name in ours}
    os.environ.update(ours)
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name)
            if value is not None:
                os.environ[name] = value


def _last_line(error_file: Path) -> str:
    lines = [line.strip() for line in error_file.read_text().splitlines() if line.strip()]
    # `package.module.SomeError: why` is `SomeError: why` to a reader.
    return re.sub(r"^(?:\w+\.)+(?=\w+: )", "", lines[-1]) if lines else "no reason was given"
