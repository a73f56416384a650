"""The data report as one SVG: events by day and type, nulls by week, figures by threshold."""

from __future__ import annotations

from dataclasses import asdict
from datetime import date
from typing import Any

import numpy as np

from models.events import EventType
from pipelines.figure import svg
from pipelines.quality.drift import WEEKS
from pipelines.quality.report import DataReport
from pipelines.quality.thresholds import SMALLEST, Thresholds

_COLOURS = dict(
    zip(EventType, ("#1b6ca8", "#e0a030", "#2e8b57", "#9a9a9a", "#8e5ea2", "#c45850", "#555555"), strict=True)
)
_WEEK_COLOURS = {WEEKS[0]: "#9a9a9a", WEEKS[1]: "#1b6ca8"}
_SOUND, _PAST = "#2e8b57", "#c45850"
_MOST = 2.0
"""Figures that are further past their threshold are drawn as that many times it."""


def picture(report: DataReport, thresholds: Thresholds) -> bytes:
    """The SVG document."""

    def draw(figure: Any) -> None:
        figure.suptitle(f"{report.num_events:,} events of {report.first_day} to {report.last_day}")
        axes = figure.subplot_mosaic([["days", "days"], ["nulls", "figures"]])
        _days(axes["days"], report)
        _nulls(axes["nulls"], report)
        _figures(axes["figures"], report, thresholds)

    return svg(draw, 10.0, 7.0)


def _days(axes: Any, report: DataReport) -> None:
    days = sorted({day for day, _, _ in report.by_day})
    places = [date.fromisoformat(day) for day in days]
    base = np.zeros(len(days))
    for kind in EventType:
        nums = {day: num for day, of, num in report.by_day if of == kind}
        if nums:
            counts = np.array([nums.get(day, 0) for day in days], np.float64)
            axes.bar(places, counts, 0.9, bottom=base, color=_COLOURS[kind], label=kind.value)
            base += counts
    axes.set_ylabel("events a day")
    axes.legend(ncols=len(EventType))
    axes.set_axisbelow(True)


def _nulls(axes: Any, report: DataReport) -> None:
    for number, week in enumerate(WEEKS):
        shares = [of[week] or 0.0 for of in report.nulls.values()]
        places = [at + (number - 0.5) * 0.4 for at in range(len(shares))]
        axes.barh(places, shares, 0.4, color=_WEEK_COLOURS[week], label=week.replace("_", " "))
    axes.set_yticks(range(len(report.nulls)), list(report.nulls))
    axes.set_xlim(0, 1)
    axes.invert_yaxis()
    axes.set_xlabel("share of nulls")
    axes.legend()
    axes.set_axisbelow(True)


def _figures(axes: Any, report: DataReport, thresholds: Thresholds) -> None:
    """Each figure as a multiple of its threshold; one of which less is worse is turned round."""
    names, lengths = [], []
    for name, limit in asdict(thresholds).items():
        value = report.figures[name]
        if value is not None and limit:
            ratio = (limit / value if value else _MOST) if name in SMALLEST else value / limit
            names.append(f"{name} {value:.3g}")
            lengths.append(min(ratio, _MOST))
    axes.barh(range(len(names)), lengths, 0.7, color=[_PAST if length > 1 else _SOUND for length in lengths])
    axes.axvline(1.0, color="#333333", linewidth=0.8)
    axes.set_yticks(range(len(names)), names)
    axes.set_xlim(0, _MOST)
    axes.invert_yaxis()
    axes.set_xlabel("of its threshold")
    axes.set_axisbelow(True)
