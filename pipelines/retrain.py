"""The daily run: ingest what is new, check it, train, evaluate, publish, and promote when better than the champion.

Data past a threshold (shoal data report shows the figures) stops it before anything is trained.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from cluster.commands.console import add_places, parser, run, say
from cluster.delta.lake import Lake
from cluster.online.store import open_store
from cluster.privacy.keys import load_keys
from cluster.registry import Registry
from cluster.settings import Settings
from cluster.storage import Folder
from pipelines.quality.thresholds import with_limits
from pipelines.recipes import load_recipe
from pipelines.session import data_session


def main(argv: Sequence[str] | None = None) -> int:
    """Retrain and print the metrics."""
    args_parser = parser("retrain", __doc__, "shoal retrain --source s3://logs/2026-01-31/")
    args_parser.add_argument("--source", action="append", default=[], help="new logs beside the event log (repeatable)")
    args_parser.add_argument("--recipe", default="two_tower", help="retrieval recipe (name or file)")
    args_parser.add_argument("--ranker", default="ranker", help="ranker recipe (name or file), or `none`")
    args_parser.add_argument(
        "--set", action="append", default=[], metavar="A.B=C", help="override the retrieval recipe"
    )
    args_parser.add_argument(
        "--fail-on", action="append", default=[], metavar="FIGURE=VALUE",
        help="threshold of a figure of shoal data report, or FIGURE=none (repeatable)",
    )  # fmt: skip
    args_parser.add_argument("--skip-data-checks", action="store_true", help="train whatever the data is like")
    add_places(args_parser, "lake", "runs", "registry")
    return run(args_parser, _retrain, argv)


def _retrain(args: argparse.Namespace) -> int:
    from pipelines.privacy.forgetting import Places, finish_pending
    from pipelines.publication.conclusion import conclusion
    from pipelines.retraining.retraining import retrain

    retrieval = load_recipe(args.recipe, args.set)
    ranker = None if args.ranker == "none" else load_recipe(args.ranker)
    thresholds = None if args.skip_data_checks else with_limits(args.fail_on)
    settings = Settings()
    store, lake, registry = open_store(settings.store_url), Lake(args.lake), Registry(args.registry)
    with data_session():
        places = Places(store, lake, registry, args.runs, Folder(settings.receipts_uri), load_keys(settings))
        for erased in finish_pending(places):  # nobody is learned from who asked to be forgotten
            say(f"erased {len(erased.receipt.subjects):,} users: {erased.uri}")
        done = retrain(
            lake, store, registry, args.runs, retrieval=retrieval, ranker=ranker,
            sources=args.source, thresholds=thresholds,
        )  # fmt: skip
    print(conclusion(done))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
