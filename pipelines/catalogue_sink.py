"""Move what was put, patched and deleted into the lake's tables of items and users.

Interrupted at any moment, it goes on where it stopped; moving something twice changes nothing.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from cluster.commands.console import add_places, parser, run, say
from cluster.delta.lake import Lake
from cluster.online.store import open_store
from cluster.settings import Settings
from pipelines.online.catalogue_sink import catalogue_sink


def main(argv: Sequence[str] | None = None) -> int:
    """Move the changes of the store that `SHOAL_STORE` names."""
    args_parser = parser("catalogue-sink", __doc__, "shoal catalogue-sink --lake s3://shop/lake")
    add_places(args_parser, "lake")
    return run(args_parser, _sink, argv)


def _sink(args: argparse.Namespace) -> int:
    store = open_store(Settings().store_url)
    moved = catalogue_sink(
        store,
        Lake(args.lake),
        on_batch=lambda so_far: say(f"{so_far.num_items + so_far.num_users:,} changes moved"),
    )
    store.close()
    print(f"moved {moved.num_items:,} items and {moved.num_users:,} users")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
