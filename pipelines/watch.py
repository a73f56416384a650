"""Watch a folder or S3 prefix of log files and take them into the lake as they come, until Ctrl-C or SIGTERM.

What was taken is remembered beside the lake: started again, also after a crash, it goes on where it stopped. A file
that is still being written is left until it is whole; one that holds no rows of ours goes to quarantine. Guide:
docs/streams.md.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from cluster.commands.console import add_places, parser, run, say
from cluster.delta.lake import Lake
from pipelines.ingestion.options import add_file_options, file_options
from pipelines.streams.durations import seconds
from pipelines.streams.stopping import stop_on_signals


def main(argv: Sequence[str] | None = None) -> int:
    """Watch, and print a line for each batch of files."""
    args_parser = parser("watch", __doc__, "shoal watch --source s3://logs/clicks/ --every 10s --map item_id=sku")
    add = args_parser.add_argument
    add("--source", required=True, help="a folder, a glob in quotes, or s3://bucket/prefix")
    add("--every", type=seconds, default=10.0, help="how often to look (default: 10s)")
    add("--settle", type=seconds, default=5.0, help="a local file unchanged for so long is whole (default: 5s)")
    add("--once", action="store_true", help="look once and end")
    add_file_options(args_parser)
    add_places(args_parser, "lake")
    return run(args_parser, _watch, argv)


def _watch(args: argparse.Namespace) -> int:
    from pipelines.session import data_session
    from pipelines.streams.watching import Look, Watch, watch

    def show(look: Look) -> None:
        for refused in look.refused:
            say(f"quarantined: {refused.reason}")
        new, bad = (look.summary.num_new, look.summary.num_bad) if look.summary else (0, 0)
        waiting = f"; {look.waiting} files still being written" if look.waiting else ""
        print(f"{look.num_taken} files taken: {new:,} new rows, {bad:,} bad{waiting}", flush=True)

    watched = Watch(args.source, Lake(args.lake), file_options(args), args.settle)
    with data_session(), stop_on_signals() as stop:
        if args.once:
            for look in watched.look():
                show(look)
        else:
            watch(watched, args.every, stop, show)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
