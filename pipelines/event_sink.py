"""Move the event log into the lake, exactly once, and trim the log behind it.

Interrupted at any moment, it goes on where it stopped; several at once do not move an event twice.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from cluster.console import add_places, parser, run, say
from cluster.lake import Lake
from cluster.online_store import open_store
from cluster.settings import Settings
from pipelines.online.sink import sink


def main(argv: Sequence[str] | None = None) -> int:
    """Drain the log of the store that `SHOAL_STORE` names."""
    args_parser = parser("event-sink", __doc__, "shoal event-sink --lake s3://shop/lake")
    add_places(args_parser, "lake")
    return run(args_parser, _sink, argv)


def _sink(args: argparse.Namespace) -> int:
    store = open_store(Settings().store_url)
    moved = sink(
        store,
        Lake(args.lake),
        on_batch=lambda so_far: say(f"{so_far.num_interactions + so_far.num_exposures:,} entries moved"),
    )
    store.close()
    print(f"moved {moved.num_interactions:,} interactions and {moved.num_exposures:,} exposures")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
