"""The gate before a training: figures of the lake's newest weeks against their thresholds."""

from __future__ import annotations

from cluster.commands.console import say
from cluster.delta.lake import Lake
from models.errors import InputError
from pipelines.quality.report import measure
from pipelines.quality.thresholds import Thresholds, breaches


def check_data(lake: Lake, thresholds: Thresholds) -> None:
    """`InputError` that names each figure past its threshold and what to do; a lake of items alone passes."""
    report = measure(lake)
    if report is None:
        return
    found = breaches(report.figures, thresholds)
    if not found:
        say(f"data checks passed: {report.num_events:,} events of {report.first_day} to {report.last_day}")
        return
    raise InputError(
        "nothing was trained, the data is past its thresholds:\n"
        + "\n".join(f"  {breach}" for breach in found)
        + f"\nLook at shoal data report --lake {lake.uri}. To train all the same: --skip-data-checks, or a wider "
        f"threshold such as --fail-on {found[0].figure}=none"
    )
