"""List the entries of the event log that could not be used, with the reasons; or put them back after a fix (replay).

An entry that is put back goes through the log again. When what was wrong with it is still wrong, it comes back here.
Entries of erased users are never put back.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from datetime import UTC, datetime

from cluster.commands.console import parser, run
from cluster.consuming.replaying import replay_all
from cluster.online.event_log import DeadLetter
from cluster.online.store import open_store
from cluster.settings import Settings

_LISTED = 100


def main(argv: Sequence[str] | None = None) -> int:
    """List or replay the dead letters of the store that `SHOAL_STORE` names."""
    args_parser = parser("dead-letters", __doc__, "shoal dead-letters list\n  shoal dead-letters replay")
    args_parser.add_argument("action", choices=("list", "replay"), help="what to do")
    args_parser.add_argument(
        "--limit", type=int, default=_LISTED, help=f"how many of each partition to list (default: {_LISTED})"
    )
    return run(args_parser, _act, argv)


def _act(args: argparse.Namespace) -> int:
    store = open_store(Settings().store_url)
    if args.action == "list":
        for letter in store.log.dead_letters(args.limit):
            print(_line(letter))
        print(f"{store.log.num_dead_letters():,} dead letters")
    else:
        done = replay_all(store)
        dropped = f"dropped {done.num_dropped:,} of erased users; " if done.num_dropped else ""
        left = store.log.num_dead_letters()
        print(f"put {done.num_back:,} entries back into the log; {dropped}{left:,} dead letters are left")
    store.close()
    return 0


def _line(letter: DeadLetter) -> str:
    """Without the body, which may be personal data."""
    at = datetime.fromtimestamp(letter.offset / 1e6, UTC)
    by = "the lake" if letter.refused_by_lake else "decoding"
    return (
        f"{letter.partition}/{letter.offset}  {at:%Y-%m-%d %H:%M:%S}  {len(letter.body)} bytes  {by}: {letter.reason}"
    )


if __name__ == "__main__":
    raise SystemExit(main())
