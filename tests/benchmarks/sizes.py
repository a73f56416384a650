"""Sizes and the folder of plots of a benchmark, which the environment may change to try it quickly."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pipelines.figure import svg


def sizes(variable: str, full: Sequence[int]) -> list[int]:
    """Numbers between commas in an environment variable, like `1e4,1e5`; the full ones without it."""
    given = os.environ.get(variable)
    return [int(float(part)) for part in given.split(",")] if given else list(full)


def plot(name: str, folder: Path, xs: Sequence[int], series: dict[str, Sequence[float]], xlabel: str) -> Path:
    """One panel a series over a logarithmic x, each from 0; into the folder that `BENCHMARK_OUT` names, if any."""

    def draw(figure: Any) -> None:
        for axes, (label, values) in zip(
            figure.subplots(1, len(series), squeeze=False)[0], series.items(), strict=True
        ):
            axes.plot(xs, values, marker="o")
            axes.set(xscale="log", xlabel=xlabel, ylabel=label, ylim=(0, 1.15 * max(values)))

    out = Path(os.environ.get("BENCHMARK_OUT", folder)) / f"{name}.svg"
    out.write_bytes(svg(draw, 4.0 * len(series), 3.2))
    return out
