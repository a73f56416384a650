"""Upkeep of the lake: compact small files, vacuum past versions, drop old days, show the past of a table.

Every action may be interrupted and repeated, and may run while events are ingested. docs/lake.md says when to run what.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from cluster.commands.console import add_places, parser, progress, run, say
from cluster.delta.lake import Lake
from cluster.registry import Registry
from models.errors import ConfigError
from models.tables import Table
from pipelines.upkeep.compacting import compact_table
from pipelines.upkeep.named_versions import named_versions
from pipelines.upkeep.past import history_text
from pipelines.upkeep.retention import KEPT_BY_AGE, parse_windows, retain
from pipelines.upkeep.vacuuming import vacuum_tables
from pipelines.upkeep.volumes import Change, as_text, tables_of


def main(argv: Sequence[str] | None = None) -> int:
    """Run one action and print its summary."""
    args_parser = parser("lake", __doc__, "shoal lake compact && shoal lake vacuum --keep-days 7")
    actions = args_parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    for name, text, adds in _ACTIONS:
        action = actions.add_parser(name, help=text, description=text, allow_abbrev=False)
        adds(action)
        if name != "history":
            action.add_argument("--json", action="store_true", help="print the summary as JSON")
    return run(args_parser, _act, argv)


def _add_compact(action: argparse.ArgumentParser) -> None:
    _add_tables(action)
    action.add_argument("--target-mb", type=int, default=128, help="size of file aimed at (default: 128)")
    add_places(action, "lake")


def _add_vacuum(action: argparse.ArgumentParser) -> None:
    _add_tables(action)
    action.add_argument("--keep-days", type=float, default=7, help="versions newer than that stay (default: 7)")
    action.add_argument(
        "--safe-hours", type=float, default=24,
        help="files that no commit names stay so long: more than any ingest takes (default: 24)",
    )  # fmt: skip
    action.add_argument(
        "--break-named", action="store_true", help="also versions that bundles and runs need, as an erasure demands"
    )
    action.add_argument("--dry-run", action="store_true", help="say what would go, and remove nothing")
    add_places(action, "lake", "runs", "registry")


def _add_retain(action: argparse.ArgumentParser) -> None:
    action.add_argument(
        "--keep", action="append", default=[], metavar="TABLE=DAYS",
        help=f"how long rows of a table are kept; tables: {', '.join(KEPT_BY_AGE)} (repeatable)",
    )  # fmt: skip
    action.add_argument("--dry-run", action="store_true", help="say what would go, and drop nothing")
    add_places(action, "lake")


def _add_history(action: argparse.ArgumentParser) -> None:
    _add_tables(action)
    action.add_argument("--limit", type=int, default=20, help="newest commits of each table (default: 20)")
    add_places(action, "lake", "runs", "registry")


_ACTIONS = (
    ("compact", "make few large files of many small ones, day by day", _add_compact),
    ("vacuum", "remove files of past versions, and of crashed ingests", _add_vacuum),
    ("retain", "drop whole days past the window of their table", _add_retain),
    ("history", "commits of the tables, and which bundles and runs name them", _add_history),
)


def _add_tables(action: argparse.ArgumentParser) -> None:
    action.add_argument(
        "--table", type=Table, choices=list(Table), action="append", default=[], help="only this one (repeatable)"
    )


def _act(args: argparse.Namespace) -> int:
    lake = Lake(args.lake)
    return int(
        {"compact": _compact, "vacuum": _vacuum, "retain": _retain, "history": _history}[args.action](args, lake)
    )


def _compact(args: argparse.Namespace, lake: Lake) -> int:
    if args.target_mb < 1:
        raise ConfigError(f"--target-mb is 1 or more; got {args.target_mb}.")
    changes = []
    with progress() as bar:
        for table in tables_of(lake, args.table):
            task = bar.add_task(f"compact {table}", total=None)
            changes.append(
                compact_table(
                    lake, table, args.target_mb << 20,
                    lambda done, due, task=task: bar.update(task, completed=done, total=due),  # type: ignore[misc]
                )
            )  # fmt: skip
            bar.update(task, total=1, completed=1)
    return _print(args, changes)


def _vacuum(args: argparse.Namespace, lake: Lake) -> int:
    if args.keep_days < 0 or args.safe_hours < 0:
        raise ConfigError("--keep-days and --safe-hours are 0 or more.")
    named = named_versions(lake, Registry(args.registry), args.runs)
    with progress() as bar:
        tasks = {table: bar.add_task(f"vacuum {table}", total=None) for table in tables_of(lake, args.table)}
        done = vacuum_tables(
            lake, list(tasks), named,
            keep=timedelta(days=args.keep_days), safe_age=timedelta(hours=args.safe_hours),
            break_named=args.break_named, dry_run=args.dry_run,
            on_removed=lambda table, so_far, total: bar.update(tasks[table], completed=so_far, total=total),
        )  # fmt: skip
    for who in done.needed:
        say(f"kept for {who}")
    for who in done.broken:
        say(f"{who} names data that cannot be read again")
    details = {"kept_for": done.needed, "cannot_be_read_again": done.broken, "log_files_removed": done.num_log_files}
    return _print(args, done.changes, **details)


def _retain(args: argparse.Namespace, lake: Lake) -> int:
    return _print(args, retain(lake, parse_windows(args.keep), dry_run=args.dry_run))


def _history(args: argparse.Namespace, lake: Lake) -> int:
    named = named_versions(lake, Registry(args.registry), args.runs)
    print("\n\n".join(history_text(lake, table, named, args.limit) for table in tables_of(lake, args.table)))
    return 0


def _print(args: argparse.Namespace, changes: Sequence[Change], **details: Any) -> int:
    dry_run = bool(getattr(args, "dry_run", False))
    if args.json:
        print(json.dumps({"tables": [change.to_dict() for change in changes], "dry_run": dry_run, **details}))
    else:
        print(as_text(changes) + ("\nnothing was changed (--dry-run)" if dry_run else ""))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
