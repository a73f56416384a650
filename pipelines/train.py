"""Train a recipe on the lake and write a run folder whose export can be evaluated and published."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence

from cluster.console import add_places, parser, run
from cluster.lake import Lake
from models.errors import ConfigError, NotFoundError
from pipelines.learning.run_folder import read_json, run_uri
from pipelines.recipes import RECIPES, Recipe, from_dict, load_recipe
from pipelines.session import data_session


def main(argv: Sequence[str] | None = None) -> int:
    """Train and print the run."""
    args_parser = parser("train", __doc__, "shoal train --recipe two_tower --set training.epochs=5")
    args_parser.add_argument(
        "--recipe", default="two_tower", help=f"one of {', '.join(RECIPES)}, or a recipe file (.json)"
    )
    args_parser.add_argument(
        "--set", action="append", default=[], metavar="A.B=C", help="override one setting of the recipe"
    )
    args_parser.add_argument("--resume", metavar="RUN", help="go on with an interrupted run, by its own recipe")
    args_parser.add_argument("--json", action="store_true", help="print the result as JSON")
    add_places(args_parser, "lake", "runs")
    return run(args_parser, _train, argv)


def _train(args: argparse.Namespace) -> int:
    from pipelines.learning.trainer import train  # torch and TorchRec load only once the arguments are right

    if args.resume and args.set:
        raise ConfigError("--resume goes on by the run's own recipe. Leave out --set, or start a new run.")
    recipe = _begun(run_uri(args.runs, args.resume)) if args.resume else load_recipe(args.recipe, args.set)
    with data_session():
        done = train(recipe, Lake(args.lake), args.runs, run_id=args.resume)
    if args.json:
        print(json.dumps({"run_id": done.run_id, "uri": done.uri, "epochs": done.epochs}))
    else:
        print(f"run {done.run_id}\n    {done.uri}\n    next: shoal publish --run {done.run_id}")
    return 0


def _begun(uri: str) -> Recipe:
    config = read_json(uri, "config.json")
    if config is None:
        raise NotFoundError(f"there is no run {uri}. Look in the folder of runs, or train a new one: shoal train")
    return from_dict(config)


if __name__ == "__main__":
    raise SystemExit(main())
