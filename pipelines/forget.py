"""Erase users: at once out of every answer, then from the log, the lake, bundles and runs; a signed receipt says what.

Interrupted, it goes on where it ended; asked twice, it finds nothing. What was asked for over HTTP waits for --pending.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from cluster.commands.console import add_places, parser, run, say
from cluster.delta.lake import Lake
from cluster.online.store import open_store
from cluster.privacy.keys import load_keys
from cluster.registry import Registry
from cluster.settings import Settings
from cluster.storage import Folder
from models.errors import InputError
from pipelines.privacy.forgetting import Erased, Places, finish_pending, forget


def main(argv: Sequence[str] | None = None) -> int:
    """Erase, and print where the receipts are."""
    args_parser = parser("forget", __doc__, "shoal forget u7 --receipts s3://shop/receipts")
    args_parser.add_argument("user_ids", nargs="*", metavar="USER_ID", help="whom to erase")
    args_parser.add_argument("--file", type=Path, metavar="FILE", help="ids, one a line, erased in one go")
    args_parser.add_argument("--pending", action="store_true", help="finish what was asked over HTTP or interrupted")
    add_places(args_parser, "lake", "registry", "runs", "receipts")
    return run(args_parser, _forget, argv)


def _forget(args: argparse.Namespace) -> int:
    settings = Settings()
    user_ids = [*args.user_ids, *(read_ids(args.file) if args.file else ())]
    if not user_ids and not args.pending:
        raise InputError("nobody is to be erased. Give a USER_ID, --file FILE with one id a line, or --pending.")
    places = Places(
        open_store(settings.store_url),
        Lake(args.lake),
        Registry(args.registry),
        args.runs,
        Folder(args.receipts),
        load_keys(settings),
    )
    done = finish_pending(places, _say)
    if user_ids:
        done.append(forget(user_ids, places, _say))
    for erased in done:
        _print(erased)
    if not done:
        print("no erasure is waiting")
    return 0


def read_ids(path: Path) -> list[str]:
    """Ids of a file, one a line; blank lines are none."""
    try:
        return [line for line in path.read_text(encoding="utf-8").split("\n") if line.strip("\r")]
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path} cannot be read: {error}. Give a UTF-8 text file with one id a line.") from None


def _say(place: str, num_rows: int) -> None:
    say(f"{place}: {num_rows:,}")


def _print(erased: Erased) -> None:
    receipt = erased.receipt
    print(f"erased {len(receipt.subjects):,} users, {receipt.num_rows:,} rows and entries in all: {erased.uri}")


if __name__ == "__main__":
    raise SystemExit(main())
