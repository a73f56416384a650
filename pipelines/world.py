"""Make a synthetic world of users, items and events with known tastes, and write it as files that ingest takes.

The same options make the same bytes; docs/synthetic-world.md has the maths. Without --end the world ends
at the start of the current UTC day, so that its events are fresh: give the date to repeat it another day.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from datetime import date
from pathlib import Path

from cluster.commands.console import parser, run, settings
from pipelines.synthesis.config import WorldConfig, today
from pipelines.synthesis.world import make_world


def main(argv: Sequence[str] | None = None) -> int:
    """Write the world and say where."""
    default = WorldConfig(seed=settings().seed)
    args_parser = parser("world", __doc__, "shoal world --out /tmp/world --users 3000 --end 2026-01-31")
    args_parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder to write to")
    for name, value in (
        ("users", default.num_users),
        ("items", default.num_items),
        ("events", default.num_events),
        ("days", default.num_days),
    ):
        args_parser.add_argument(f"--{name}", type=int, default=value, metavar="N", help=f"(default: {value:,})")
    args_parser.add_argument("--seed", type=int, default=default.seed, help=f"(default: {default.seed})")
    args_parser.add_argument(
        "--end", type=date.fromisoformat, metavar="DATE", help="first day without events (default: today, UTC)"
    )
    return run(args_parser, _world, argv)


def _world(args: argparse.Namespace) -> int:
    config = WorldConfig(args.users, args.items, args.events, args.days, args.seed, args.end or today())
    made = make_world(args.out, config)
    print(
        f"{made.num_users:,} users, {made.num_items:,} items, {made.num_events:,} events in {made.seconds:.1f} s\n"
        f"    {made.folder}\n    next: shoal ingest {made.folder}"
    )
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
