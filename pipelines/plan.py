"""Plan how a recipe's embedding tables would lie on GPUs. Nothing is allocated and no GPU is needed.

Rows of tables are counted from --users and --items; docs/sharding.md explains what is printed.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import replace

from cluster.commands.console import parser, run
from models.errors import ConfigError
from models.model_config import SequenceConfig, TwoTowerConfig
from pipelines.recipes import load_recipe


def main(argv: Sequence[str] | None = None) -> int:
    """Print one plan a number of GPUs."""
    args_parser = parser("plan", __doc__, "shoal plan --users 100000000 --items 10000000 --gpus 8,16,64")
    args_parser.add_argument("--recipe", default="two_tower", help="two_tower or sequence, or a recipe file (.json)")
    args_parser.add_argument(
        "--set", action="append", default=[], metavar="A.B=C", help="override one setting of the recipe"
    )
    for name, value, meaning in (
        ("users", 100_000_000, "known users"),
        ("items", 10_000_000, "items of the catalogue"),
        ("memory-gib", 80, "memory of one GPU"),
    ):
        args_parser.add_argument(f"--{name}", type=int, default=value, metavar="N", help=f"{meaning} ({value:,})")
    args_parser.add_argument("--dim", type=int, metavar="N", help="width of the tables (the recipe's)")
    args_parser.add_argument("--batch-size", type=int, metavar="N", help="examples a GPU and step (the recipe's)")
    args_parser.add_argument("--gpus", default="8,16,64", metavar="N,N", help="numbers of GPUs (8,16,64), 8 a host")
    return run(args_parser, _plan, argv)


def _plan(args: argparse.Namespace) -> int:
    worlds = _counts(args.gpus)
    for name in ("users", "items", "dim", "memory_gib", "batch_size"):
        if getattr(args, name) is not None and getattr(args, name) < 1:
            raise ConfigError(f"--{name.replace('_', '-')} must be at least 1; got {getattr(args, name)}.")
    recipe = load_recipe(args.recipe, args.set)
    if not isinstance(recipe.model, TwoTowerConfig | SequenceConfig):
        raise ConfigError(f"recipe {recipe.name} is a {recipe.model.kind}. A plan is for two_tower or sequence.")
    training = replace(recipe.training, batch_size=args.batch_size or recipe.training.batch_size)
    model = replace(recipe.model, embedding_dim=args.dim or recipe.model.embedding_dim)
    recipe = replace(recipe, model=model, training=training)

    from pipelines.learning.scaling import scaled
    from pipelines.planning.planner import plan  # torch and TorchRec load only once the arguments are right
    from pipelines.planning.report import describe

    recipe = scaled(recipe, args.users)
    for world in worlds:
        print(describe(plan(recipe, args.users, args.items, world, args.memory_gib)), end="\n\n", flush=True)
    return 0


def _counts(text: str) -> list[int]:
    parts = text.split(",")
    if not all(part.strip().isdecimal() and int(part) >= 1 for part in parts):
        raise ConfigError(f"--gpus takes numbers of 1 or more between commas, like 8,16,64; got {text!r}.")
    return [int(part) for part in parts]


if __name__ == "__main__":
    raise SystemExit(main())
