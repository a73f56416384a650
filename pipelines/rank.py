"""Score the user–item pairs of a Parquet file (user_id, item_id) into another (user_id, item_id, score)."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from cluster.commands.console import add_places, parser, run
from cluster.delta.lake import Lake
from pipelines.session import data_session


def main(argv: Sequence[str] | None = None) -> int:
    """Write the scores."""
    args_parser = parser("rank", __doc__, "shoal rank --pairs pairs.parquet --out scores.parquet")
    args_parser.add_argument("--pairs", type=Path, required=True, help="Parquet with columns user_id, item_id")
    args_parser.add_argument("--version", help="a published version (default: the champion)")
    args_parser.add_argument("--out", type=Path, required=True, help="the Parquet file to write")
    add_places(args_parser, "lake", "registry")
    return run(args_parser, _rank, argv)


def _rank(args: argparse.Namespace) -> int:
    from pipelines.answers.bundle import chosen_version
    from pipelines.answers.pair_scores import score_pairs

    version = chosen_version(args.registry, args.version)
    with data_session():
        rows = score_pairs(Lake(args.lake), args.registry, version, args.pairs, args.out)
    print(f"{rows:,} pairs scored by version {version} in {args.out}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
