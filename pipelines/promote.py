"""Make a published version the champion: verified first, then served by every replica within seconds."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from cluster.commands.console import add_places, parser, run
from cluster.registry import Registry


def main(argv: Sequence[str] | None = None) -> int:
    """Move the champion alias forward."""
    args_parser = parser("promote", __doc__, "shoal promote 20260131T120000-0a1b2c")
    args_parser.add_argument("version", help="a version that `shoal models` lists")
    add_places(args_parser, "registry")
    return run(args_parser, _promote, argv)


def _promote(args: argparse.Namespace) -> int:
    Registry(args.registry).promote(args.version)
    print(f"champion: {args.version}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
