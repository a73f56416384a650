"""ASHA compares trials at 1, 2, 4, … epochs, lets them end by themselves, and knows of trials before a resume."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

from tests.tune.quadratic import plan
from tune.halving import scheduler_of
from tune.journal import Trial


def decisions(asha: Any, trial_id: str, scores: list[float]) -> list[str]:
    """What is decided after each epoch, until the trial is stopped."""
    trial, made = SimpleNamespace(trial_id=trial_id), []
    asha.on_trial_add(None, trial)
    for epoch, score in enumerate(scores, 1):
        made.append(asha.on_trial_result(None, trial, {"epoch": epoch, "score": score}))
        if made[-1] == "STOP":
            break
    return made


def test_the_worse_half_is_stopped_and_the_rest_ends_by_itself() -> None:
    asha = scheduler_of(plan("sweep", scheduler="asha"), [])
    assert decisions(asha, "first", [0.5, 0.6, 0.7]) == ["CONTINUE"] * 3
    assert decisions(asha, "worse", [0.4]) == ["STOP"]
    assert decisions(asha, "good at first", [0.6, 0.5]) == ["CONTINUE", "STOP"]
    assert decisions(asha, "better", [0.7, 0.8, 0.9]) == ["CONTINUE"] * 3


def test_a_trial_without_a_score_is_stopped_and_no_other_is_compared_to_it() -> None:
    asha = scheduler_of(plan("sweep", scheduler="asha"), [])
    assert decisions(asha, "diverged", [math.nan]) == ["STOP"]
    asha.on_trial_complete(None, SimpleNamespace(trial_id="diverged"), {"epoch": 1, "score": math.nan})
    assert decisions(asha, "first", [-5.0, -4.0, -3.0]) == ["CONTINUE"] * 3


def test_trials_from_before_a_resume_are_compared_to() -> None:
    earlier = Trial(0, "run", {}, "finished", {1: 0.5, 2: 0.6, 3: None})
    interrupted = Trial(1, "run", {}, "running", {1: 0.9})
    asha = scheduler_of(plan("sweep", scheduler="asha"), [earlier, interrupted])
    assert decisions(asha, "worse", [0.4]) == ["STOP"]
    assert decisions(asha, "better", [0.55]) == ["CONTINUE"]


def test_what_is_fitted_in_one_go_has_one_epoch() -> None:
    asha = scheduler_of(plan("sweep", scheduler="asha", epochs=1), [])
    assert decisions(asha, "first", [0.5]) == ["CONTINUE"]
    assert decisions(asha, "better", [0.6]) == ["CONTINUE"]


def test_none_stops_nothing() -> None:
    every = scheduler_of(plan("sweep", scheduler="none"), [])
    assert decisions(every, "first", [0.5]) + decisions(every, "worse", [0.1]) == ["CONTINUE"] * 2
