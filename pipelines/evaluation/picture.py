"""An evaluation as one SVG: metrics and slices with their intervals; for labelled pairs a reliability diagram."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from models.errors import InputError
from models.metrics import Estimate
from pipelines.evaluation.evaluation import LEADING, Evaluation
from pipelines.evaluation.report import MODELS, by_k
from pipelines.figure import svg

_COLOURS = {"model": "#1b6ca8", "champion": "#e0a030", "popularity": "#9a9a9a"}
_BEYOND = ("coverage", "gini", "diversity")
"""Have a panel of their own: beside them the accuracy of a large catalogue would be too small to see."""
_TABLE_ONLY = ("novelty", "log_loss")
"""Not on the scale from 0 to 1 of the other metrics."""
_PANEL_WIDTH = 5.0


def picture(evaluation: Evaluation) -> bytes:
    """The SVG document."""
    names = [name for name in MODELS if name in evaluation.metrics]
    shown = [name for name in _at_smallest_k(evaluation) if not name.startswith(_TABLE_ONLY)]
    beyond = [name for name in shown if name.startswith(_BEYOND)]
    accuracy = [name for name in shown if name not in beyond]
    second = "reliability" if evaluation.reliability else "slices" if evaluation.slices else None
    left = ["accuracy", "beyond"] if beyond else ["accuracy"]

    def draw(figure: Any) -> None:
        figure.suptitle(f"{evaluation.protocol}, {evaluation.num_cases:,} users; lines are 95% intervals")
        rows = [[name, second] if second else [name] for name in left]
        axes = figure.subplot_mosaic(rows, height_ratios=[len(accuracy), len(beyond)][: len(rows)])
        _metrics(axes["accuracy"], evaluation, names, accuracy)
        axes["accuracy"].legend()
        if beyond:
            _metrics(axes["beyond"], evaluation, names, beyond)
        if second == "reliability":
            _reliability(axes[second], evaluation)
        elif second == "slices":
            _slices(axes[second], evaluation, names)

    return svg(draw, _PANEL_WIDTH * (2 if second else 1), max(4.0, 1.2 + 0.3 * len(evaluation.slices)))


def write_report(evaluation: Evaluation, folder: Path) -> None:
    """Write `report.svg` and `metrics.json`; `InputError` when the folder cannot be written."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "report.svg").write_bytes(picture(evaluation))
        (folder / "metrics.json").write_bytes(evaluation.to_json())
    except OSError as error:
        raise InputError(f"the report cannot be written to {folder}: {error}. Give another folder.") from error


def _at_smallest_k(evaluation: Evaluation) -> list[str]:
    metrics = by_k(evaluation.metrics["model"])
    smallest = metrics[0].partition("@")[2]
    return [name for name in metrics if name.partition("@")[2] == smallest]


def _metrics(axes: Any, evaluation: Evaluation, names: Sequence[str], metrics: Sequence[str]) -> None:
    thick = 0.8 / len(names)
    for number, name in enumerate(names):
        held = [at for at, metric in enumerate(metrics) if metric in evaluation.metrics[name]]
        values = [evaluation.metrics[name][metrics[at]] for at in held]
        places = [at + (number - (len(names) - 1) / 2) * thick for at in held]
        estimates = [evaluation.intervals[name].get(metrics[at]) for at in held]
        axes.barh(places, values, thick, color=_COLOURS[name], label=name)
        axes.errorbar(values, places, xerr=_errors(values, estimates), fmt="none", ecolor="#333333", elinewidth=0.8)
    axes.set_yticks(range(len(metrics)), metrics)
    axes.invert_yaxis()
    axes.set_axisbelow(True)


def _slices(axes: Any, evaluation: Evaluation, names: Sequence[str]) -> None:
    shift = 0.6 / len(names)
    for number, name in enumerate(names):
        estimates = [part.estimates[name].get(LEADING) for part in evaluation.slices]
        held = [(at, found) for at, found in enumerate(estimates) if found is not None]
        places = [at + (number - (len(names) - 1) / 2) * shift for at, _ in held]
        means = [found.mean for _, found in held]
        errors = _errors(means, [found for _, found in held])
        axes.errorbar(means, places, xerr=errors, fmt="o", markersize=4, color=_COLOURS[name], label=name)
    labels = [f"{part.name} ({part.num_cases:,}{'' if part.judged else ', few'})" for part in evaluation.slices]
    axes.set_yticks(range(len(labels)), labels, parse_math=False)  # a country may hold a $
    axes.set_ylim(len(labels) - 0.5, -0.5)
    axes.set_xlabel(f"{LEADING} by slice (cases)")


def _reliability(axes: Any, evaluation: Evaluation) -> None:
    axes.plot([0, 1], [0, 1], color="#333333", linewidth=0.8, linestyle="--", label="calibrated")
    for name, bins in evaluation.reliability.items():
        error = evaluation.metrics[name]["calibration_error"]
        label = f"{name}, error {error:.3f}"
        axes.plot(bins.probability, bins.share_positive, marker="o", markersize=4, color=_COLOURS[name], label=label)
    axes.set_xlabel("mean probability")
    axes.set_ylabel("share of positives")
    axes.legend()


def _errors(values: Sequence[float], estimates: Sequence[Estimate | None]) -> np.ndarray:
    """Lengths of the error bars, [2, len(values)]; none where there is no interval."""
    ends = [(v, v) if e is None else (e.low, e.high) for v, e in zip(values, estimates, strict=True)]
    low, high = np.asarray(ends, np.float64).reshape(-1, 2).T
    # A percentile interval need not hold the mean; an error bar must.
    return np.maximum([np.asarray(values) - low, high - np.asarray(values)], 0.0)
