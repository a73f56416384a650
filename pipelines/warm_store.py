"""Fill the online store from the lake, so that known users get answers from their history at once.

Can be run again at any time, beside live traffic: what the store has is kept and nothing is added twice.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from cluster.commands.console import add_places, parser, progress, run
from cluster.delta.lake import Lake
from cluster.online.store import open_store
from cluster.settings import Settings
from pipelines.online.warm import warm


def main(argv: Sequence[str] | None = None) -> int:
    """Fill the store that `SHOAL_STORE` names."""
    args_parser = parser("warm-store", __doc__, "shoal warm-store --lake s3://shop/lake")
    add_places(args_parser, "lake")
    return run(args_parser, _warm, argv)


def _warm(args: argparse.Namespace) -> int:
    store = open_store(Settings().store_url)
    with progress() as bar:
        task = bar.add_task("warming the online store", total=None)
        num_events = warm(
            Lake(args.lake),
            store,
            on_batch=lambda seen: bar.update(task, completed=seen.num_read, total=seen.num_rows),
        )
    store.close()
    print(f"warmed from {num_events:,} interactions")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
