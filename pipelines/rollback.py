"""Make the champion before this one the champion again."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from cluster.commands.console import add_places, parser, run
from cluster.registry import Registry


def main(argv: Sequence[str] | None = None) -> int:
    """Move the champion alias back."""
    args_parser = parser("rollback", __doc__, "shoal rollback")
    add_places(args_parser, "registry")
    return run(args_parser, _rollback, argv)


def _rollback(args: argparse.Namespace) -> int:
    print(f"champion: {Registry(args.registry).rollback()}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
