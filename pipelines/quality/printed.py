"""The data report on the terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict

from pipelines.quality.drift import WEEKS
from pipelines.quality.report import DataReport
from pipelines.quality.thresholds import SMALLEST, Breach, Thresholds

_DAYS_SHOWN = 14


def as_text(report: DataReport, thresholds: Thresholds, found: Sequence[Breach]) -> str:
    """Every part of the report, the figures with their thresholds last."""
    parts = [
        f"{report.lake}: {report.num_events:,} events of {report.first_day} to {report.last_day}, about "
        f"{report.num_users:,} users and {report.num_items:,} items",
        _tables(report.tables),
        _volumes(report.by_day),
        _nulls(report.nulls),
        _spreads({"events a user": report.per_user, "events an item": report.per_item}),
        *([_counts("quarantine", report.quarantine)] if report.quarantine else []),
        _figures(report.figures, thresholds, {breach.figure for breach in found}),
    ]
    return "\n\n".join(parts)


def _tables(tables: Mapping[str, Mapping[str, int]]) -> str:
    lines = [f"{'table':<18}{'rows':>14}{'files':>10}{'MB':>12}{'version':>10}"]
    for name, of in tables.items():
        lines.append(f"{name:<18}{of['rows']:>14,}{of['files']:>10,}{of['bytes'] / 1e6:>12,.1f}{of['version']:>10,}")
    return "\n".join(lines)


def _volumes(by_day: Sequence[tuple[str, str, int]]) -> str:
    types = sorted({kind for _, kind, _ in by_day})
    nums = {(day, kind): num for day, kind, num in by_day}
    days = sorted({day for day, _, _ in by_day})[-_DAYS_SHOWN:]
    lines = [f"{'day':<18}" + "".join(f"{kind:>12}" for kind in types)]
    lines += [f"{day:<18}" + "".join(f"{nums.get((day, kind), 0):>12,}" for kind in types) for day in days]
    return "\n".join(lines)


def _nulls(nulls: Mapping[str, Mapping[str, float | None]]) -> str:
    columns = ("all", *WEEKS)
    lines = [f"{'null':<18}" + "".join(f"{name.replace('_', ' '):>12}" for name in columns)]
    for name, shares in nulls.items():
        lines.append(f"{name:<18}" + "".join(f"{_share(shares[column]):>12}" for column in columns))
    return "\n".join(lines)


def _spreads(spreads: Mapping[str, Mapping[str, float]]) -> str:
    names = next(iter(spreads.values()))
    lines = [f"{'':<18}" + "".join(f"{name:>12}" for name in names)]
    lines += [f"{what:<18}" + "".join(f"{value:>12,.1f}" for value in of.values()) for what, of in spreads.items()]
    return "\n".join(lines)


def _counts(title: str, counts: Mapping[str, int]) -> str:
    return "\n".join([f"{title:<32}{'rows':>12}", *(f"{name[:31]:<32}{num:>12,}" for name, num in counts.items())])


def _figures(figures: Mapping[str, float | None], thresholds: Thresholds, past: set[str]) -> str:
    lines = [f"{'figure':<18}{'value':>12}{'threshold':>14}"]
    for name, limit in asdict(thresholds).items():
        value = figures[name]
        shown = "not known" if value is None else f"{value:.4f}"
        bound = "none" if limit is None else f"{'>=' if name in SMALLEST else '<='} {limit:g}"
        lines.append(f"{name:<18}{shown:>12}{bound:>14}{'   past it' if name in past else ''}")
    return "\n".join(lines)


def _share(value: float | None) -> str:
    return "" if value is None else f"{value:.1%}"
