"""Recommend for all users, or for those of a file, into one Parquet file (user_id, rank, item_id, score)."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from cluster.commands.console import add_places, parser, run
from cluster.delta.lake import Lake
from models.errors import ConfigError
from pipelines.session import data_session

MAX_K = 1_000


def main(argv: Sequence[str] | None = None) -> int:
    """Write the recommendations."""
    args_parser = parser("recommend", __doc__, "shoal recommend --users all --k 20 --exclude-seen --out recs.parquet")
    args_parser.add_argument("--users", default="all", help="`all`, or a file of user ids (Parquet, CSV or one a line)")
    args_parser.add_argument("--k", type=int, default=20, help=f"items a user, 1 to {MAX_K}")
    args_parser.add_argument("--exclude-seen", action="store_true", help="leave out items the user had an event with")
    args_parser.add_argument("--version", help="a published version (default: the champion)")
    args_parser.add_argument("--out", type=Path, required=True, help="the Parquet file to write")
    add_places(args_parser, "lake", "registry")
    return run(args_parser, _recommend, argv)


def _recommend(args: argparse.Namespace) -> int:
    from pipelines.answers.bundle import chosen_version
    from pipelines.answers.recommending import read_users, recommend_all

    if not 1 <= args.k <= MAX_K:
        raise ConfigError(f"--k must be 1 to {MAX_K}; got {args.k}.")
    version = chosen_version(args.registry, args.version)
    users = read_users(args.users)
    with data_session():
        rows = recommend_all(Lake(args.lake), args.registry, version, users, args.k, args.exclude_seen, args.out)
    print(f"{rows:,} rows of version {version} in {args.out}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
