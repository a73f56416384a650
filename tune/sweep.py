"""Search for better settings of a recipe; the best trial is written as a recipe file for `shoal train`."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from cluster.console import add_places, parser, run
from cluster.lake import Lake
from models.errors import ConfigError
from pipelines.recipes import load_recipe
from pipelines.session import data_session


def main(argv: Sequence[str] | None = None) -> int:
    """Sweep and print the trials."""
    args_parser = parser("sweep", __doc__, "shoal sweep --space two_tower --samples 8 --out best.json")
    args_parser.add_argument("--space", default="two_tower", help="search space (tune/spaces.py)")
    args_parser.add_argument("--recipe", help="recipe to start from (default: the one named like the space)")
    args_parser.add_argument("--set", action="append", default=[], metavar="A.B=C", help="override one setting")
    args_parser.add_argument("--samples", type=int, default=8, help="number of trials")
    args_parser.add_argument("--concurrency", type=int, default=1, help="trials at a time")
    args_parser.add_argument("--out", type=Path, default=Path("best.json"), help="recipe file to write")
    add_places(args_parser, "lake", "runs")
    return run(args_parser, _sweep, argv)


def _sweep(args: argparse.Namespace) -> int:
    from tune.searching import sweep, write_recipe

    if args.samples < 1 or args.concurrency < 1:
        raise ConfigError("--samples and --concurrency must be at least 1.")
    recipe = load_recipe(args.recipe or args.space, args.set)
    name = f"{args.space}-{datetime.now(UTC):%Y%m%dT%H%M%S}"
    with data_session():
        result = sweep(args.space, recipe, Lake(args.lake), args.runs, args.samples, args.concurrency, name)
    write_recipe(result, args.out)
    for trial in result.trials:
        settings = "  ".join(
            f"{k}={v:.4g}" if isinstance(v, float) else f"{k}={v}" for k, v in trial["settings"].items()
        )
        print(f"{result.metric} {trial['score']:.4f}  epochs {trial['epochs']}  {settings}")
    print(f"best recipe: {args.out}\n    next: shoal train --recipe {args.out}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
