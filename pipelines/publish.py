"""Evaluate a run, publish it as a bundle, and make it the champion when it beats the one in use."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from cluster.commands.console import add_places, parser, run
from cluster.delta.lake import Lake
from cluster.registry import Registry
from pipelines.learning.runs.run_folder import run_uri
from pipelines.session import data_session


def main(argv: Sequence[str] | None = None) -> int:
    """Publish and print the metrics."""
    args_parser = parser("publish", __doc__, "shoal publish --run two_tower-20260131T120000-0a1b2c")
    args_parser.add_argument("--run", required=True, help="the retrieval run (id or address)")
    args_parser.add_argument("--ranker", metavar="RUN", help="a ranker run to go with it")
    add_places(args_parser, "lake", "runs", "registry")
    return run(args_parser, _publish, argv)


def _publish(args: argparse.Namespace) -> int:
    # Torch loads only once the arguments are right.
    from pipelines.publication.conclusion import conclusion
    from pipelines.publication.publish import publish

    ranker = run_uri(args.runs, args.ranker) if args.ranker else None
    with data_session():
        done = publish(run_uri(args.runs, args.run), ranker, Lake(args.lake), Registry(args.registry))
    print(conclusion(done))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
