"""Move the event log into the lake once, exactly once, and trim the log behind it.

Interrupted at any moment, it goes on where it stopped; several at once, or consumers beside it, move no event twice.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from cluster.commands.console import add_places, parser, run, say
from cluster.consuming.drain import drain
from cluster.delta.lake import Lake
from cluster.online.store import open_store
from cluster.settings import Settings


def main(argv: Sequence[str] | None = None) -> int:
    """Drain the log of the store that `SHOAL_STORE` names."""
    args_parser = parser("event-sink", __doc__, "shoal event-sink --lake s3://shop/lake")
    add_places(args_parser, "lake")
    return run(args_parser, _sink, argv)


def _sink(args: argparse.Namespace) -> int:
    settings = Settings()
    store = open_store(settings.store_url)
    moved = drain(
        store,
        Lake(args.lake),
        settings.trending_half_life_s,
        on_batch=lambda so_far: say(f"{so_far.num_interactions + so_far.num_exposures:,} entries moved"),
    )
    store.close()
    print(f"moved {moved.num_interactions:,} interactions and {moved.num_exposures:,} exposures")
    if moved.num_buried:
        print(f"{moved.num_buried:,} entries could not be moved: shoal dead-letters list")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
