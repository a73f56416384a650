"""Search for better settings of a recipe; the best trial is written as a recipe file for `shoal train`."""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from cluster.commands.console import add_places, parser, run
from cluster.delta.lake import Lake
from models.errors import ConfigError
from pipelines.recipes import from_dict, load_recipe, to_dict
from pipelines.session import data_session
from tune import plan as plans
from tune.journal import line
from tune.plan import Plan, sweep_folder

_SPACE, _SAMPLES, _SEARCHER, _SCHEDULER = "two_tower", 8, "random", "asha"


def main(argv: Sequence[str] | None = None) -> int:
    """Sweep and print the trials."""
    args_parser = parser("sweep", __doc__, "shoal sweep --space two_tower --searcher optuna --samples 20")
    # Defaults are filled in later: a resumed sweep takes what is left out from its own plan.
    args_parser.add_argument("--space", help=f"search space of tune/spaces.py (default: {_SPACE})")
    args_parser.add_argument("--recipe", help="recipe to start from (default: the one named like the space)")
    args_parser.add_argument("--set", action="append", default=[], metavar="A.B=C", help="override one setting")
    args_parser.add_argument("--searcher", help=f"random, or optuna for TPE (default: {_SEARCHER})")
    args_parser.add_argument("--scheduler", help=f"asha stops poor trials early; none (default: {_SCHEDULER})")
    args_parser.add_argument("--samples", type=int, help=f"number of trials (default: {_SAMPLES})")
    args_parser.add_argument("--concurrency", type=int, default=1, help="trials at a time (default: 1)")
    args_parser.add_argument("--name", help="name of the sweep (default: the space and the time)")
    args_parser.add_argument("--resume", metavar="SWEEP", help="go on with a sweep that was interrupted")
    args_parser.add_argument("--out", type=Path, default=Path("best.json"), help="recipe file to write")
    add_places(args_parser, "lake", "runs")
    command = shlex.join(["shoal", "sweep", *(sys.argv[1:] if argv is None else argv)])
    return run(args_parser, lambda args: _sweep(args, command), argv)


def _sweep(args: argparse.Namespace, command: str) -> int:
    if args.concurrency < 1:
        raise ConfigError(f"--concurrency {args.concurrency} is less than 1. Use at least 1.")
    if args.name and args.resume:
        raise ConfigError(f"--resume {args.resume} goes on under its own name. Leave out --name.")
    if args.out.suffix != ".json":
        raise ConfigError(f"--out {args.out} is no name that `shoal train --recipe` takes. End it in .json.")
    plan = _resumed(args) if args.resume else _new(args, command)

    from tune.report import recipe_file
    from tune.searching import sweep

    args.out.parent.mkdir(parents=True, exist_ok=True)
    with data_session():
        result = sweep(plan, Lake(args.lake), args.runs, args.concurrency)
    args.out.write_bytes(recipe_file(to_dict(result.best)))
    for trial in result.trials:
        print(line(trial, plan.metric))
    print(f"best recipe: {args.out}\nreport: {result.uri}/report.md\n    next: shoal train --recipe {args.out}")
    return 0


def _new(args: argparse.Namespace, command: str) -> Plan:
    from tune.searching import facts  # torch, Ray Tune and Optuna load only where they are needed
    from tune.spaces import space_of

    space = args.space or _SPACE
    space_of(space)
    name = args.name or f"{space}-{datetime.now(UTC):%Y%m%dT%H%M%S}"
    plans.check_new(sweep_folder(args.runs, name), name)
    return Plan(
        name=name,
        searcher=args.searcher or _SEARCHER,
        scheduler=args.scheduler or _SCHEDULER,
        samples=_SAMPLES if args.samples is None else args.samples,
        command=command,
        **facts(space, load_recipe(args.recipe or space, args.set), Lake(args.lake)),
    )


def _resumed(args: argparse.Namespace) -> Plan:
    plan = plans.read(sweep_folder(args.runs, args.resume), args.resume)
    asked = {key: getattr(args, key) for key in ("space", "searcher", "scheduler", "samples")}
    plan = plans.resumed(plan, {key: value for key, value in asked.items() if value is not None})

    from tune.searching import facts

    anew = args.recipe or args.set
    recipe = load_recipe(args.recipe or plan.space, args.set) if anew else from_dict(plan.recipe)
    return plans.resumed(plan, facts(plan.space, recipe, Lake(args.lake)))


if __name__ == "__main__":
    raise SystemExit(main())
