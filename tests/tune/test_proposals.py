"""What is proposed follows from the seed, the number of the trial and the trials before it; TPE learns from them."""

from __future__ import annotations

from typing import get_args

import numpy as np
import pytest
from ray import tune as ray_tune

from tests.tune.quadratic import SPACE
from tune.journal import Trial
from tune.plan import Searcher
from tune.proposals import PROPOSERS


def search(searcher: str, seed: int, samples: int) -> list[Trial]:
    """A sweep of the quadratic, one trial at a time."""
    trials: list[Trial] = []
    for number in range(samples):
        trial = Trial(number, "run", PROPOSERS[searcher](SPACE, seed, number, trials), "finished")
        trial.record(1, -abs(trial.settings["x"] - 0.3))
        trials.append(trial)
    return trials


@pytest.mark.parametrize("searcher", PROPOSERS)
def test_proposals_lie_in_the_space_and_repeat_with_the_seed(searcher: str) -> None:
    trials = search(searcher, 7, 12)
    for settings in (trial.settings for trial in trials):
        assert settings.keys() == SPACE.keys()
        assert 0.0 <= settings["x"] <= 1.0
        assert 0.01 <= settings["rate"] <= 1.0
        assert settings["width"] in (8, 16)
        assert [type(settings[key]) for key in ("x", "rate", "width")] == [float, float, int]
    assert len({trial.settings["x"] for trial in trials}) == 12
    assert search(searcher, 7, 12) == trials
    assert search(searcher, 8, 12) != trials


@pytest.mark.parametrize("searcher", PROPOSERS)
def test_a_search_that_was_cut_goes_on_as_if_it_had_not_been(searcher: str) -> None:
    trials = search(searcher, 7, 12)
    assert PROPOSERS[searcher](SPACE, 7, 11, trials[:11]) == trials[11].settings


def test_no_choice_is_drawn_twice_before_all_have_been() -> None:
    space = {"size": ray_tune.choice([1, 2, 3, 4])}
    trials: list[Trial] = []
    for number in range(6):
        trials.append(Trial(number, "run", PROPOSERS["random"](space, 7, number, trials), "finished"))
    assert sorted(trial.settings["size"] for trial in trials[:4]) == [1, 2, 3, 4]


def test_every_searcher_that_a_plan_takes_proposes() -> None:
    assert tuple(PROPOSERS) == get_args(Searcher)


def test_tpe_comes_closer_than_chance() -> None:
    def distance(searcher: str) -> float:
        last = [trial.settings["x"] for seed in range(3) for trial in search(searcher, seed, 30)[15:]]
        return float(np.mean(np.abs(np.subtract(last, 0.3))))

    assert distance("optuna") < 0.6 * distance("random")


def test_tpe_keeps_away_from_trials_without_a_score_and_takes_those_in_progress_and_failed() -> None:
    trials = search("optuna", 7, 30)
    for trial in trials:
        if trial.settings["x"] < 0.5:
            trial.scores = {1: None}
    trials[0].status, trials[1].status = "running", "failed"
    proposed = [PROPOSERS["optuna"](SPACE, seed, 30, trials)["x"] for seed in range(10)]
    assert np.mean([x > 0.5 for x in proposed]) >= 0.8
