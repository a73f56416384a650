"""Parallel coordinates (Inselberg, 1985): one axis a setting and one for the score, one line a trial."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pipelines.figure import svg
from tune.axes import Axis, axis_of, axis_over
from tune.journal import Trial
from tune.spaces import Space

_WIDTH_OF_AXIS, _HEIGHT = 1.9, 4.5
_BEST = "#c1121f"


def parallel_svg(space: Space, trials: Sequence[Trial], metric: str) -> bytes:
    """An SVG of the trials that have a score, best first, coloured by it; the best one is red and in front."""
    scored = [trial for trial in trials if trial.score is not None]
    scores = [float(trial.score or 0.0) for trial in scored]
    axes = {**{key: axis_of(domain) for key, domain in space.items()}, metric: axis_over(scores)}

    def draw(figure: Any) -> None:
        plot = figure.subplots()
        plot.set_axis_off()
        plot.set_xlim(-0.4, len(axes) - 0.9)
        plot.set_ylim(-0.05, 1.12)
        # An empty scatter holds the colour scale: its limits, its colours and what the bar beside the axes shows.
        scale = plot.scatter([], [], c=[], cmap="viridis", vmin=min(scores), vmax=max(scores))
        for at, (name, axis) in enumerate(axes.items()):
            _draw_axis(plot, at, name, axis)
        for trial, score in reversed(list(zip(scored, scores, strict=True))):
            is_best = trial is scored[0]
            values = [*(trial.settings[key] for key in space), score]
            heights = [axis.place(value) for axis, value in zip(axes.values(), values, strict=True)]
            plot.plot(
                range(len(heights)),
                heights,
                color=_BEST if is_best else scale.to_rgba(score),
                linewidth=2.5 if is_best else 1.2,
                alpha=1.0 if is_best else 0.8,
                marker="o",
                markersize=5 if is_best else 3,
                gid=f"trial-{trial.number}",
                label=f"trial {trial.number}: {score:.4g}" if is_best else None,
            )
        plot.legend(loc="lower center", bbox_to_anchor=(0.5, -0.12), frameon=False)
        figure.colorbar(scale, ax=plot, label=metric, shrink=0.8)

    return svg(draw, width=_WIDTH_OF_AXIS * len(axes) + 1.5, height=_HEIGHT)


def _draw_axis(plot: Any, at: int, name: str, axis: Axis) -> None:
    plot.plot([at, at], [0, 1], color="0.4", linewidth=1, zorder=0)
    plot.text(at, 1.07, name.removeprefix("model.").removeprefix("optimizer."), ha="center", va="bottom")
    for height, label in axis.ticks():
        plot.plot([at - 0.03, at], [height, height], color="0.4", linewidth=1, zorder=0)
        # A white ground keeps a label readable where lines cross it.
        ground = {"facecolor": "white", "edgecolor": "none", "alpha": 0.7, "pad": 0.5}
        plot.text(at - 0.05, height, label, ha="right", va="center", fontsize=8, color="0.2", bbox=ground)
