"""Write the examples that a recipe trains, validates and tests on as Parquet, a folder for each of the three.

The code that training streams from makes them, each as of just before its event; docs/examples.md has the columns.
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Sequence

from cluster.commands.console import add_places, parser, run
from cluster.delta.lake import Lake
from cluster.settings import place
from pipelines.recipes import RECIPES, load_recipe
from pipelines.session import data_session


def main(argv: Sequence[str] | None = None) -> int:
    """Write the folders and print what is in them."""
    args_parser = parser("examples", __doc__, "shoal examples --recipe two_tower --out /tmp/examples")
    args_parser.add_argument(
        "--recipe", default="two_tower", help=f"one of {', '.join(RECIPES)}, or a recipe file (.json)"
    )
    args_parser.add_argument(
        "--set", action="append", default=[], metavar="A.B=C", help="override one setting of the recipe"
    )
    args_parser.add_argument(
        "--out", type=place, required=True, metavar="URI", help="a new folder, or an interrupted one"
    )
    add_places(args_parser, "lake")
    return run(args_parser, _examples, argv)


def _examples(args: argparse.Namespace) -> int:
    from pipelines.learning.data.example_files import write_examples

    recipe = load_recipe(args.recipe, args.set)
    with data_session(max(2, os.cpu_count() or 2), lean=True):
        summary = write_examples(recipe, Lake(args.lake), args.out)
    print(json.dumps(summary, indent=2))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
