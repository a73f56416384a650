"""Everything that is held of one user, as a zip of JSON Lines with a README."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from cluster.commands.console import add_places, parser, run
from cluster.delta.lake import Lake
from cluster.online.held_data import Holders, write_held
from cluster.online.store import open_store
from cluster.privacy.keys import load_keys
from cluster.registry import Registry
from cluster.settings import Settings


def main(argv: Sequence[str] | None = None) -> int:
    """Write the zip and print how much is in it."""
    args_parser = parser("export", __doc__, "shoal export u7 --out data.zip")
    args_parser.add_argument("user_id", metavar="USER_ID", help="whose data")
    args_parser.add_argument("--out", type=Path, required=True, metavar="ZIP", help="where to write it")
    add_places(args_parser, "lake", "registry", "runs")
    return run(args_parser, _export, argv)


def _export(args: argparse.Namespace) -> int:
    settings = Settings()
    store = open_store(settings.store_url)
    holders = Holders(store, Lake(args.lake), Registry(args.registry), args.runs, load_keys(settings))
    aside = args.out.with_name(f".{args.out.name}.part")
    with aside.open("wb") as file:
        counts = write_held(args.user_id, holders, file)
    aside.replace(args.out)
    print(f"{sum(counts.values()):,} rows in {len(counts)} files: {args.out}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
