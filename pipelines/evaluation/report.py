"""An evaluation as a person reads it: each metric a line, the candidate beside the champion and popularity."""

from __future__ import annotations

from collections.abc import Mapping

from models.metrics import Estimate, PairedTest
from pipelines.evaluation.evaluation import LEADING, MIN_JUDGED, Evaluation

MODELS = ("model", "champion", "popularity")
_CELL = 26


def report(evaluation: Evaluation) -> str:
    """Means with their intervals, the candidate's differences, and slices by the leading metric."""
    names = [name for name in MODELS if name in evaluation.metrics]
    what = "users" if evaluation.protocol == "labelled pairs" else "cases"
    lines = [f"{evaluation.protocol}, {evaluation.num_cases:,} {what}; [95% interval over users]", ""]
    lines.append(f"{'metric':<24}" + "".join(f"{name:<{_CELL}}" for name in names).rstrip())
    for metric in by_k(evaluation.metrics["model"]):
        cells = (_cell(evaluation, name, metric) for name in names)
        lines.append(f"{metric:<24}" + "".join(f"{cell:<{_CELL}}" for cell in cells).rstrip())
    if evaluation.paired and any(evaluation.paired.values()):
        lines += ["", "candidate minus"]
        for name, tests in evaluation.paired.items():
            lines += [f"  {name:<12}{metric:<14}{_difference(test)}" for metric, test in tests.items()]
    if evaluation.slices:
        lines += ["", *_slices(evaluation, names)]
    return "\n".join([*lines, *(f"note: {note}" for note in evaluation.notes)])


def by_k(metrics: Mapping[str, float]) -> list[str]:
    """Names of metrics, those at one k together."""
    return sorted(metrics, key=lambda name: int(name.partition("@")[2] or 0))


def _slices(evaluation: Evaluation, names: list[str]) -> list[str]:
    lines = [f"{LEADING + ' by slice':<24}" + "".join(f"{name:<{_CELL}}" for name in names) + "cases"]
    for part in evaluation.slices:
        cells = (_estimate(part.estimates[name].get(LEADING)) for name in names)
        few = "" if part.judged else " (few)"
        lines.append(f"{part.name:<24}" + "".join(f"{cell:<{_CELL}}" for cell in cells) + f"{part.num_cases:,}{few}")
    if not all(part.judged for part in evaluation.slices):
        lines.append(f"(few): under {MIN_JUDGED} cases, not judged")
    return lines


def _cell(evaluation: Evaluation, name: str, metric: str) -> str:
    estimate = evaluation.intervals[name].get(metric)
    if estimate is not None:
        return _estimate(estimate)
    value = evaluation.metrics[name].get(metric)
    return "–" if value is None else f"{value:.4f}"


def _estimate(estimate: Estimate | None) -> str:
    return "–" if estimate is None else f"{estimate.mean:.4f} [{estimate.low:.4f}, {estimate.high:.4f}]"


def _difference(test: PairedTest) -> str:
    return f"{test.difference:+.4f} [{test.low:+.4f}, {test.high:+.4f}], p = {test.p_value:.3g}"
