"""The gate: who may become champion.

The candidate must beat popularity. When there is a champion, it must hold its place on the same cases: its mean
NDCG@10 is at least the champion's, no other guarded metric is worse beyond its interval, and no judged slice is worse.
An equal candidate passes, so that a model of fresh data replaces an equal one of old data; a lower mean does not, not
even within chance, because small losses of many days would add up.

A slice is worse when the 95 % interval of its paired difference (candidate minus champion) lies below 0 and the p-value
is at most 5 % over the number of judged slices (Bonferroni): of a dozen slices of an equal model, one would look worse
by its interval alone every fourth day.
"""

from __future__ import annotations

from dataclasses import dataclass

from models.metrics import PairedTest
from pipelines.evaluation.evaluation import GUARDED, LEADING, Evaluation, Slice

_ALPHA = 0.05


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether the candidate passes, and why in one sentence."""

    passed: bool
    reason: str


def judge(evaluation: Evaluation) -> Verdict:
    """Compare the candidate with popularity and, when it was evaluated, the champion."""
    over_popularity = evaluation.paired["popularity"][LEADING]
    facts = _facts(evaluation, "popularity", LEADING)
    if over_popularity.difference <= 0.0:
        return Verdict(False, f"{facts}: it does not beat popularity")
    if "champion" not in evaluation.paired:
        return Verdict(True, f"{facts}; there is no champion to beat")
    over_champion = evaluation.paired["champion"]
    facts = _facts(evaluation, "champion", LEADING)
    if over_champion[LEADING].difference < 0.0:
        chance = "beyond chance" if over_champion[LEADING].is_worse else "within chance, but losses would add up"
        return Verdict(False, f"{facts}: worse, {chance}")
    for metric in GUARDED:
        if metric in over_champion and over_champion[metric].is_worse:
            return Verdict(False, f"{_facts(evaluation, 'champion', metric)}: worse, beyond chance")
    judged = [part for part in evaluation.slices if part.judged]
    worse = [part for part in judged if _is_worse(part, len(judged))]
    if worse:
        return Verdict(False, _slice_reason(min(worse, key=_difference)))
    return Verdict(True, f"{facts}, and none of {len(judged)} judged slices is worse")


def unjudged(champion: str | None) -> Verdict:
    """Where nothing is held out to judge by: any model is better than none, and none is better than the champion."""
    nothing = "no event is held out to judge it by"
    if champion is None:
        return Verdict(True, f"{nothing}, and there is no champion to beat")
    return Verdict(False, f"{nothing}, so the champion {champion} stays. Train on users of 3 items or more.")


def _is_worse(part: Slice, num_judged: int) -> bool:
    test = part.against_champion
    return test is not None and test.is_worse and test.p_value <= _ALPHA / num_judged


def _difference(part: Slice) -> float:
    assert part.against_champion is not None
    return part.against_champion.difference


def _facts(evaluation: Evaluation, other: str, metric: str) -> str:
    model, against = evaluation.metrics["model"][metric], evaluation.metrics[other][metric]
    cases = f"{metric} of all {evaluation.num_cases:,} cases"
    return f"{cases} is {model:.4f} against {other}'s {against:.4f} ({_said(evaluation.paired[other][metric])})"


def _slice_reason(part: Slice) -> str:
    assert part.against_champion is not None
    model, champion = (part.estimates[name][LEADING].mean for name in ("model", "champion"))
    return (
        f"{LEADING} of the {part.num_cases:,} cases in slice `{part.name}` is {model:.4f} against champion's "
        f"{champion:.4f} ({_said(part.against_champion)}): worse beyond chance"
    )


def _said(test: PairedTest) -> str:
    return f"difference {test.difference:+.4f}, 95% interval {test.low:+.4f} to {test.high:+.4f}"
