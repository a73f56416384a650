"""Evaluate a run beside popularity and the champion on held-out events, without publishing anything."""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Sequence
from pathlib import Path

from cluster.commands.console import add_places, parser, run
from cluster.delta.lake import Lake
from cluster.registry import Registry
from models.errors import InputError
from pipelines.evaluation.report import report
from pipelines.learning.runs.run_folder import run_uri
from pipelines.session import data_session


def main(argv: Sequence[str] | None = None) -> int:
    """Evaluate and print the metrics."""
    args_parser = parser("evaluate", __doc__, "shoal evaluate --run two_tower-20260131T120000-0a1b2c")
    args_parser.add_argument("--run", required=True, help="the retrieval run (id or address)")
    args_parser.add_argument("--ranker", metavar="RUN", help="a ranker run to go with it")
    args_parser.add_argument("--max-users", type=int, default=10_000, help="evaluate at most this many users")
    given = args_parser.add_mutually_exclusive_group()
    given.add_argument(
        "--candidates",
        type=Path,
        metavar="FILE",
        help="rank held-out items among these user_id, item_id (Parquet, CSV)",
    )
    given.add_argument(
        "--labels", type=Path, metavar="FILE", help="score these user_id, item_id, label of 0 or 1 (Parquet, CSV)"
    )
    args_parser.add_argument("--out", type=Path, metavar="DIR", help="write report.svg and metrics.json there")
    args_parser.add_argument("--json", action="store_true", help="print everything as JSON")
    add_places(args_parser, "lake", "runs", "registry")
    return run(args_parser, _evaluate, argv)


def _evaluate(args: argparse.Namespace) -> int:
    from pipelines.evaluation.picture import write_report  # torch loads only once the arguments are right
    from pipelines.publication.assemble import assemble
    from pipelines.publication.publish import evaluate_candidate

    if args.max_users < 1:
        raise InputError(f"--max-users must be 1 or more; got {args.max_users}.")
    ranker = run_uri(args.runs, args.ranker) if args.ranker else None
    with data_session(), tempfile.TemporaryDirectory() as scratch:
        bundle = assemble(run_uri(args.runs, args.run), ranker, Path(scratch))
        evaluation = evaluate_candidate(
            bundle, Lake(args.lake), Registry(args.registry), args.max_users,
            candidates=args.candidates, labels=args.labels,
        )  # fmt: skip
    if evaluation is None:
        raise InputError(
            "nothing is held out to evaluate on. Train with another split, or on users of 3 items or more."
        )
    if args.out is not None:
        write_report(evaluation, args.out)
    print(evaluation.to_json().decode() if args.json else report(evaluation))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
