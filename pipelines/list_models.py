"""List the published versions, oldest first, with their metrics beside popularity's; * marks the champion."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import asdict

from cluster.commands.console import add_places, parser, run
from cluster.registry import Registry
from models.manifest import Manifest


def main(argv: Sequence[str] | None = None) -> int:
    """Print one line a version."""
    args_parser = parser("models", __doc__, "shoal models")
    add_places(args_parser, "registry")
    args_parser.add_argument("--json", action="store_true", help="print the manifests as JSON")
    return run(args_parser, _list, argv)


def _list(args: argparse.Namespace) -> int:
    registry = Registry(args.registry)
    manifests, champion = registry.versions(), registry.champion()
    if args.json:
        rows = [asdict(m) | {"champion": m.version == champion} for m in manifests]
        print(json.dumps(rows, indent=2, sort_keys=True))
        return 0
    if not manifests:
        print(f"no version published in {args.registry}. Train and publish one: shoal train, shoal publish")
        return 0
    print(f"  {'version':<24} {'recipe':<20} {'metric':<10} {'model':>7} {'popularity':>11}")
    for manifest in manifests:
        _print_version(manifest, manifest.version == champion)
    return 0


def _print_version(manifest: Manifest, is_champion: bool) -> None:
    head = f"{'*' if is_champion else ' '} {manifest.version:<24} {manifest.recipe:<20}"
    if not manifest.metrics:  # nothing was held out
        print(f"{head} {'-':<10} {'-':>7} {'-':>11}")
        return
    model, popularity = manifest.metrics["model"], manifest.metrics["popularity"]
    for row, name in enumerate(sorted(name for name in model if name.endswith("@10"))):
        print(f"{head if row == 0 else ' ' * 47} {name:<10} {model[name]:>7.4f} {popularity[name]:>11.4f}")


if __name__ == "__main__":
    raise SystemExit(main())
