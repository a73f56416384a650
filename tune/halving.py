"""Which trials are stopped early."""

from __future__ import annotations

import math
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

from ray.tune.schedulers import ASHAScheduler, FIFOScheduler, TrialScheduler

from tune.journal import Trial
from tune.plan import Plan

_REDUCTION = 2


class Halving(ASHAScheduler):
    """ASHA (Li et al., 2020, algorithm 2) that also stops a trial without a score: a net that diverged stays so."""

    def on_trial_result(self, tune_controller: Any, trial: Any, result: dict[str, Any]) -> str:
        """Go on or stop."""
        if not _is_number(result.get(self._metric)):
            return str(TrialScheduler.STOP)
        return str(super().on_trial_result(tune_controller, trial, result))

    def on_trial_complete(self, tune_controller: Any, trial: Any, result: dict[str, Any]) -> None:
        """Others are compared to it only by a score that is a number."""
        if _is_number(result.get(self._metric)):
            super().on_trial_complete(tune_controller, trial, result)


def scheduler_of(plan: Plan, trials: Sequence[Trial]) -> Any:
    """The plan's scheduler; ASHA is told how far the finished trials of the journal came.

    It stops a trial at 1, 2, 4, … epochs when it is below the median of those that came as far. One that survives
    ends by itself: stopped at its last epoch, it would not be exported.
    """
    if plan.scheduler == "none":
        return FIFOScheduler()
    asha = Halving(
        time_attr="epoch",
        metric=plan.metric,
        mode="max",
        max_t=plan.epochs + 1,
        grace_period=1,
        reduction_factor=_REDUCTION,
    )
    for trial in trials:
        if trial.status == "finished":
            known = SimpleNamespace(trial_id=f"earlier-{trial.number}")
            asha.on_trial_add(None, known)
            for epoch, score in sorted(trial.scores.items()):
                asha.on_trial_result(None, known, {"epoch": epoch, plan.metric: score})
    return asha


def _is_number(score: Any) -> bool:
    return score is not None and math.isfinite(score)
