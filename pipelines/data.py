"""How sound the lake's events are: volumes, nulls, duplicates, unknown ids, late events, this week beside the last.

Exit code 1: a figure is past its threshold. docs/lake.md says what each figure means. Needs no Ray.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

from cluster.commands.console import add_places, parser, run, say
from cluster.delta.lake import Lake
from models.errors import ConfigError, InputError, NotFoundError
from pipelines.quality.report import DAYS, DataReport
from pipelines.quality.thresholds import Thresholds, breaches, with_limits


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, print and write the report."""
    args_parser = parser("data", __doc__, "shoal data report --out report/ --fail-on future=0.001")
    actions = args_parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    report = actions.add_parser("report", help="measure the newest days", description=__doc__, allow_abbrev=False)
    report.add_argument("--days", type=int, default=DAYS, help=f"newest days to read; 0: all (default: {DAYS})")
    report.add_argument("--out", type=Path, metavar="FOLDER", help="write report.json and report.svg there")
    report.add_argument(
        "--fail-on", action="append", default=[], metavar="FIGURE=VALUE",
        help="threshold of a figure, or FIGURE=none (repeatable)",
    )  # fmt: skip
    report.add_argument("--json", action="store_true", help="print the report as JSON")
    add_places(report, "lake")
    return run(args_parser, _report, argv)


def _report(args: argparse.Namespace) -> int:
    from pipelines.quality.printed import as_text
    from pipelines.quality.report import measure

    thresholds = with_limits(args.fail_on)
    if args.days < 0:
        raise ConfigError(f"--days is 1 or more, or 0 for all; got {args.days}.")
    report = measure(Lake(args.lake).pinned(), args.days or None)
    if report is None:
        raise NotFoundError(f"the lake {args.lake} holds no interactions. Ingest a log first: shoal ingest --help")
    found = breaches(report.figures, thresholds)
    if args.out is not None:
        _write(report, thresholds, [str(breach) for breach in found], args.out)
    body = json.dumps(report.to_dict()) if args.json else as_text(report, thresholds, found)
    print(body)
    for breach in found:
        say(f"past its threshold: {breach}")
    return 1 if found else 0


def _write(report: DataReport, thresholds: Thresholds, past: Sequence[str], folder: Path) -> None:
    from pipelines.quality.picture import picture

    try:
        folder.mkdir(parents=True, exist_ok=True)
        body = json.dumps({**report.to_dict(), "past_thresholds": past}, indent=2, sort_keys=True)
        (folder / "report.json").write_text(body)
        (folder / "report.svg").write_bytes(picture(report, thresholds))
    except OSError as error:
        raise InputError(f"the report cannot be written to {folder}: {error}. Give another folder.") from error


if __name__ == "__main__":
    raise SystemExit(main())
