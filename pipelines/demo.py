"""The whole path on this machine: events, ingest, train, evaluate, publish, serve, a click, and a changed row."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from cluster.commands.console import parser, run
from pipelines.ingestion.options import parse_mapping
from pipelines.ingestion.sources import FORMATS


def main(argv: Sequence[str] | None = None) -> int:
    """Run the demo."""
    args_parser = parser("demo", __doc__, "shoal demo\n  shoal demo --data ml-100k --format movielens")
    args_parser.add_argument("--data", help="files of your own instead of a synthetic world")
    args_parser.add_argument("--format", choices=FORMATS, default="auto", help="how --data is written (default: auto)")
    args_parser.add_argument(
        "--map", action="append", default=[], metavar="OURS=THEIRS", help="name of a column in --data"
    )
    args_parser.add_argument(
        "--home", type=Path, default=Path(".shoal/demo"), help="where to keep everything (emptied first)"
    )
    args_parser.add_argument("--port", type=int, default=8000, help="port to serve on, or any free one (default: 8000)")
    args_parser.add_argument(
        "--check", action="store_true", help="end after the row has changed; non-zero if it did not"
    )
    return run(args_parser, _demo, argv)


def _demo(args: argparse.Namespace) -> int:
    from pipelines.ingestion.ingesting import IngestOptions
    from pipelines.showcase.demo import run_demo
    from pipelines.showcase.steps import Source

    source = Source(args.data, IngestOptions(args.format, parse_mapping(args.map)))
    return run_demo(args.home, source, args.port, check=args.check)


if __name__ == "__main__":
    raise SystemExit(main())
