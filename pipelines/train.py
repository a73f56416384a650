"""Train a recipe on the lake and write a run folder whose export can be evaluated and published."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from cluster.commands.console import add_places, parser, run
from cluster.delta.lake import Lake
from cluster.storage import join
from models.errors import ConfigError, NotFoundError
from pipelines.learning.runs.run_folder import read_json, run_uri
from pipelines.recipes import RECIPES, Recipe, from_dict, load_recipe, overridden, to_dict
from pipelines.session import data_session

if TYPE_CHECKING:
    from pipelines.learning.warm.origin import Origin


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
    args_parser.add_argument(
        "--from", dest="origin", metavar="RUN", help="begin from a finished run (id or folder) or a bundle folder"
    )
    args_parser.add_argument(
        "--since", choices=["last"], help="train only on events newer than the last finished run (or than --from)"
    )
    args_parser.add_argument("--json", action="store_true", help="print the result as JSON")
    add_places(args_parser, "lake", "runs")
    return run(args_parser, _train, argv)


def _train(args: argparse.Namespace) -> int:
    from pipelines.learning.trainer import train  # torch and TorchRec load only once the arguments are right

    if args.resume and (args.origin or args.since):
        raise ConfigError("--resume goes on from where the run began. Leave out --from and --since.")
    lake = Lake(args.lake)
    recipe = _begun(run_uri(args.runs, args.resume), args.set) if args.resume else load_recipe(args.recipe, args.set)
    origin = None if args.resume else _origin(args, recipe, lake)
    with data_session():
        done = train(recipe, lake, args.runs, run_id=args.resume, origin=origin)
    if args.json:
        print(json.dumps({"run_id": done.run_id, "uri": done.uri, "epochs": done.epochs}))
    else:
        print(f"run {done.run_id}\n    {done.uri}\n    next: shoal publish --run {done.run_id}")
    return 0


def _origin(args: argparse.Namespace, recipe: Recipe, lake: Lake) -> Origin | None:
    from pipelines.learning.warm.origin import Origin, check_can_begin
    from pipelines.learning.warm.refresh import last_run

    if args.origin is None and args.since is None:
        return None
    check_can_begin(recipe)
    uri = run_uri(args.runs, args.origin) if args.origin else last_run(args.runs, recipe, lake)
    return Origin(uri, refresh=args.since is not None)


def _begun(uri: str, overrides: Sequence[str]) -> Recipe:
    """The recipe of a run that was interrupted, with the overrides; in `selection/` it still chose for how long."""
    from pipelines.learning.refit import SELECTION
    from pipelines.learning.runs.changes import change_settings

    chosen = read_json(uri, "config.json") is not None
    folder = uri if chosen else join(uri, SELECTION)
    config = read_json(folder, "config.json")
    if config is None:
        raise NotFoundError(f"there is no run {uri}. Look in the folder of runs, or train a new one: shoal train")
    recipe = from_dict(config)
    if overrides:
        recipe = overridden(recipe, overrides)
        change_settings(folder, to_dict(recipe))
    return recipe if chosen else replace(recipe, training=replace(recipe.training, refit=True))


if __name__ == "__main__":
    raise SystemExit(main())
