"""Metrics as a table a person reads: each metric a line, the candidate beside popularity and the champion."""

from __future__ import annotations

from collections.abc import Mapping

Metrics = Mapping[str, Mapping[str, float]]


def table(metrics: Metrics) -> str:
    """One line a metric, one column a model."""
    names = [name for name in ("model", "champion", "popularity") if name in metrics]
    lines = [f"{'metric':<14}" + "".join(f"{name:>12}" for name in names)]
    for metric in metrics["model"]:
        lines.append(f"{metric:<14}" + "".join(f"{metrics[name][metric]:>12.4f}" for name in names))
    return "\n".join(lines)
