"""Take event logs, users and items into the lake; bad rows go to quarantine with the reason.

Forms: MovieLens (.dat, u.data, CSV), CSV with a header, JSON Lines, Parquet, RecBole atomic files; .gz of any text.
Taking the same files again changes nothing. docs/ingest.md has the formats and the rules.
Exit code 1: more than --max-bad-fraction of the rows were bad (the good ones are in the lake all the same).
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence

from cluster.console import add_places, parser, run
from cluster.lake import Lake
from models.errors import ConfigError
from models.events import EventType
from pipelines.ingestion.sources import FORMATS
from pipelines.ingestion.timestamps import TIME_UNITS


def main(argv: Sequence[str] | None = None) -> int:
    """Ingest and print the summary."""
    args_parser = parser("ingest", __doc__, "shoal ingest logs/2026-01-31.csv --map item_id=sku --map timestamp=ts")
    add = args_parser.add_argument
    add("source", help="a file, a folder, a glob in quotes, or s3://bucket/prefix")
    add("--format", choices=FORMATS, default="auto", help="how the files are written (default: auto)")
    add(
        "--map", action="append", default=[], metavar="OURS=THEIRS", help="what a column of ours is called in the files"
    )
    add("--event-type", type=EventType, choices=list(EventType), help="type of events that name none")
    add("--time-unit", choices=TIME_UNITS, help="unit of numeric times (default: decided by a sample)")
    add("--untimed", action="store_true", help="take events without a time")
    add("--max-bad-fraction", type=float, default=0.1, help="share of bad rows that is no failure (default: 0.1)")
    add("--json", action="store_true", help="print the summary as JSON")
    add_places(args_parser, "lake")
    return run(args_parser, _ingest, argv)


def _ingest(args: argparse.Namespace) -> int:
    from pipelines.ingestion.ingesting import IngestOptions, ingest
    from pipelines.session import data_session

    if not 0 <= args.max_bad_fraction <= 1:
        raise ConfigError(f"--max-bad-fraction is a share from 0 to 1; got {args.max_bad_fraction}.")
    options = IngestOptions(args.format, parse_mapping(args.map), args.untimed, args.event_type, args.time_unit)
    with data_session():
        summary = ingest(args.source, Lake(args.lake), options)
    print(json.dumps(summary.to_dict()) if args.json else summary)
    if summary.bad_fraction <= args.max_bad_fraction:
        return 0
    print(
        f"error: {summary.bad_fraction:.1%} of the source is bad; at most {args.max_bad_fraction:.1%} may be. "
        "Reasons and rows are in the quarantine table.",
        file=sys.stderr,
    )
    return 1


def parse_mapping(pairs: Sequence[str]) -> dict[str, str]:
    """`["item_id=sku"]` → `{"item_id": "sku"}`."""
    for pair in pairs:
        if not all(pair.partition("=")):
            raise ConfigError(f"--map {pair!r} is not OURS=THEIRS. For example: --map item_id=sku")
    return dict(pair.split("=", 1) for pair in pairs)


if __name__ == "__main__":
    raise SystemExit(main())
