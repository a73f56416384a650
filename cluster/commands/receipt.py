"""Check the signed receipt of an erasure, or show the public key that others check receipts with."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from cluster.commands.console import parser, run
from cluster.privacy.keys import load_keys
from cluster.privacy.receipts import public_key, verify
from models.errors import InputError


def main(argv: Sequence[str] | None = None) -> int:
    """`shoal receipt verify FILE` and `shoal receipt key`."""
    args_parser = parser("receipt", __doc__, "shoal receipt verify receipts/20260131T120000-0a1b2c3d.json")
    commands = args_parser.add_subparsers(required=True)
    verifying = commands.add_parser("verify", help="check a receipt's signature and print what it says")
    verifying.add_argument("file", type=Path)
    verifying.add_argument("--public-key", metavar="HEX", help="the key of who made it (default: this deployment's)")
    verifying.set_defaults(do=_verify)
    commands.add_parser("key", help="print this deployment's public key").set_defaults(do=_key)
    return run(args_parser, lambda args: int(args.do(args)), argv)


def _verify(args: argparse.Namespace) -> int:
    try:
        data = args.file.read_bytes()
    except OSError as error:
        raise InputError(f"{args.file} cannot be read: {error}. Give the file that shoal forget wrote.") from None
    receipt = verify(data, args.public_key or public_key(load_keys()))
    print(f"genuine: erasure {receipt.erasure_id} of {len(receipt.subjects):,} users, finished {receipt.finished_at}")
    for name, place in receipt.places.items():
        print(f"  {place.rows:>12,}  {name}  ({place.at})")
    return 0


def _key(_: argparse.Namespace) -> int:
    print(public_key(load_keys()))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
