"""Personalization off or on for users: off, their answers are the popular items, and nothing of them is remembered."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from cluster.commands.console import add_places, parser, run
from cluster.delta.consent import keep_consent
from cluster.delta.lake import Lake
from cluster.online.consent import set_consent
from cluster.online.store import open_store
from cluster.settings import Settings
from models.events import check_id


def main(argv: Sequence[str] | None = None) -> int:
    """Keep the decision in the online store, where answers see it, and in the lake, where training does."""
    args_parser = parser("consent", __doc__, "shoal consent u7 off")
    args_parser.add_argument("user_id", metavar="USER_ID", help="whose decision")
    args_parser.add_argument("personalization", choices=("off", "on"))
    add_places(args_parser, "lake")
    return run(args_parser, _consent, argv)


def _consent(args: argparse.Namespace) -> int:
    user_id, wanted = check_id("user_id", args.user_id), args.personalization == "on"
    num_new = set_consent(open_store(Settings().store_url), [user_id], wanted)
    keep_consent(Lake(args.lake), [user_id], wanted)
    print(f"personalization is {args.personalization} for this user{'' if num_new else ', as it was'}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
