"""Write the vectors of a bundle's users and items: to the lake (user_embeddings, item_embeddings) and the online store.

One row a user or item. Running it again, also after an interruption, writes what differs and nothing twice.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from cluster.commands.console import add_places, parser, run
from cluster.delta.lake import Lake
from cluster.online.store import open_store
from cluster.settings import Settings


def main(argv: Sequence[str] | None = None) -> int:
    """Write the vectors and say how many."""
    args_parser = parser("embeddings", __doc__, "shoal embeddings --lake s3://shop/lake --registry s3://shop/registry")
    args_parser.add_argument("--users", default="all", help="`all`, or a file of user ids (Parquet, CSV or one a line)")
    args_parser.add_argument("--version", help="a published version (default: the champion)")
    args_parser.add_argument("--no-store", action="store_true", help="to the lake alone, not to the online store")
    add_places(args_parser, "lake", "registry")
    return run(args_parser, _embeddings, argv)


def _embeddings(args: argparse.Namespace) -> int:
    from pipelines.answers.bundle import chosen_version
    from pipelines.answers.recommending import read_users
    from pipelines.answers.vectors import write_vectors
    from pipelines.session import data_session

    version = chosen_version(args.registry, args.version)
    users = read_users(args.users)
    store = None if args.no_store else open_store(Settings().store_url)
    with data_session():
        print(write_vectors(Lake(args.lake), args.registry, version, users, store=store))
    if store is not None:
        store.close()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
