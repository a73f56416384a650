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

from cluster.commands.console import add_places, parser, run
from cluster.delta.lake import Lake
from models.errors import ConfigError
from pipelines.ingestion.options import add_file_options, file_options


def main(argv: Sequence[str] | None = None) -> int:
    """Ingest and print the summary."""
    args_parser = parser("ingest", __doc__, "shoal ingest logs/2026-01-31.csv --map item_id=sku --map timestamp=ts")
    add = args_parser.add_argument
    add("source", help="a file, a folder, a glob in quotes, or s3://bucket/prefix")
    add_file_options(args_parser)
    add("--max-bad-fraction", type=float, default=0.1, help="share of bad rows that is no failure (default: 0.1)")
    add("--json", action="store_true", help="print the summary as JSON")
    add_places(args_parser, "lake")
    return run(args_parser, _ingest, argv)


def _ingest(args: argparse.Namespace) -> int:
    from pipelines.ingestion.ingesting import ingest
    from pipelines.session import data_session

    if not 0 <= args.max_bad_fraction <= 1:
        raise ConfigError(f"--max-bad-fraction is a share from 0 to 1; got {args.max_bad_fraction}.")
    with data_session():
        summary = ingest(args.source, Lake(args.lake), file_options(args))
    print(json.dumps(summary.to_dict()) if args.json else summary)
    if summary.bad_fraction <= args.max_bad_fraction:
        return 0
    print(
        f"error: {summary.bad_fraction:.1%} of the source is bad; at most {args.max_bad_fraction:.1%} may be. "
        "Reasons and rows are in the quarantine table.",
        file=sys.stderr,
    )
    return 1


if __name__ == "__main__":
    raise SystemExit(main())
