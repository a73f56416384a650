"""The settings of the next trial, as a function of the sweep's seed, the trial's number and the trials before it.

Nothing else is kept between two proposals, so a sweep that was killed and resumed proposes what it would have proposed.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import optuna
from ray.tune.search.optuna import OptunaSearch

from models.seeds import derive_seed
from tune.journal import Trial
from tune.spaces import Space

Propose = Callable[[Space, int, int, Sequence[Trial]], dict[str, Any]]

_STARTUP_TRIALS = 5
"""Trials at random before TPE has something to learn from. Optuna's own default is 10, which is a whole small sweep."""


_DRAWS = 100
"""At most, for settings that no trial before has had: a space of a few choices runs out of them."""


def random_settings(space: Space, seed: int, number: int, trials: Sequence[Trial]) -> dict[str, Any]:
    """Each setting drawn by itself (Bergstra and Bengio, 2012), anew while an earlier trial has had them all alike."""
    # Ray's distributions take a RandomState.
    rng = np.random.RandomState(derive_seed(seed, "sweep", number) % 2**32)
    before = [trial.settings for trial in trials]
    for _ in range(_DRAWS):
        drawn = {key: _plain(space[key].sample(random_state=rng)) for key in sorted(space)}
        if drawn not in before:
            break
    return drawn


def tpe_settings(space: Space, seed: int, number: int, trials: Sequence[Trial]) -> dict[str, Any]:
    """Tree-structured Parzen estimator (Bergstra et al., 2011, section 4) of Optuna (Akiba et al., 2019).

    Asked of a study made anew from the trials so far. `ray.tune.search.optuna.OptunaSearch` is not used, except for
    its translation of distributions: it tells Optuna the last epoch's score, not the best one's; a trial that reports
    NaN stays unfinished for it; and its state is a pickle that is written now and then, so a kill loses trials.
    """
    distributions = OptunaSearch.convert_search_space(space)
    sampler = optuna.samplers.TPESampler(
        n_startup_trials=_STARTUP_TRIALS,
        multivariate=True,
        constant_liar=True,  # a trial in progress counts as a bad one, so that trials side by side are not alike
        seed=derive_seed(seed, "sweep", number) % 2**32,
    )
    level = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        study = optuna.create_study(direction="maximize", sampler=sampler)
    finally:
        optuna.logging.set_verbosity(level)
    for trial in trials:
        study.add_trial(_told(trial, distributions))
    return {key: _plain(value) for key, value in study.ask(distributions).params.items()}


PROPOSERS: dict[str, Propose] = {"random": random_settings, "optuna": tpe_settings}


def _told(trial: Trial, distributions: dict[str, Any]) -> Any:
    state = optuna.trial.TrialState
    of_status = {"running": state.RUNNING, "finished": state.COMPLETE, "failed": state.FAIL}[trial.status]
    value = None
    if trial.status == "finished":
        value = -math.inf if trial.score is None else trial.score
    return optuna.trial.create_trial(params=trial.settings, distributions=distributions, state=of_status, value=value)


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value
