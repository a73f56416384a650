"""The curves of a run by epoch: its loss and its validation score, as one SVG."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pipelines.figure import svg
from pipelines.learning.runs.records import Record, score_name

FILE = "curves.svg"


def curves(records: Sequence[Record]) -> bytes:
    """An SVG of the run's `metrics.json`, of what is in it; the best epoch is marked."""
    score = score_name(records[0])
    names = [name for name in ("loss", score) if name in records[0]]

    def draw(figure: Any) -> None:
        epochs = [record["epoch"] for record in records]
        for place, name in enumerate(names, start=1):
            axes = figure.add_subplot(1, len(names), place)
            values = [record[name] for record in records]
            axes.plot(epochs, values, marker="o", markersize=3)
            axes.set_title(name)
            axes.set_xlabel("epoch")
            axes.xaxis.get_major_locator().set_params(integer=True)
            if name == score:
                best = max(range(len(values)), key=values.__getitem__)
                axes.annotate(f"{values[best]:.4f}", (epochs[best], values[best]))
                axes.axvline(epochs[best], linestyle=":", linewidth=1)

    return svg(draw, width=8.0, height=3.0)
