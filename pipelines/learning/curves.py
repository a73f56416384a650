"""The curves of a run by epoch: its loss and its validation score, as one SVG."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pipelines.figure import svg
from pipelines.learning.records import Record, score_name

FILE = "curves.svg"


def curves(records: Sequence[Record]) -> bytes:
    """An SVG of the run's `metrics.json`; the best epoch is marked."""

    def draw(figure: Any) -> None:
        epochs = [record["epoch"] for record in records]
        loss, score = figure.subplots(1, 2)
        for axes, name in ((loss, "loss"), (score, score_name(records[0]))):
            values = [record[name] for record in records]
            axes.plot(epochs, values, marker="o", markersize=3)
            axes.set_title(name)
            axes.set_xlabel("epoch")
            axes.xaxis.get_major_locator().set_params(integer=True)
            if axes is score:
                best = max(range(len(values)), key=values.__getitem__)
                axes.annotate(f"{values[best]:.4f}", (epochs[best], values[best]))
                axes.axvline(epochs[best], linestyle=":", linewidth=1)

    return svg(draw, width=8.0, height=3.0)
