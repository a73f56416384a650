"""The options of a command that takes logs: how their rows are written, and what their columns are called."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from models.errors import ConfigError
from models.events import EventType
from pipelines.ingestion.plan import IngestOptions
from pipelines.ingestion.sources import FORMATS
from pipelines.ingestion.timestamps import TIME_UNITS


def add_row_options(args_parser: argparse.ArgumentParser) -> None:
    """Those of any row, in a file or a message."""
    add = args_parser.add_argument
    add("--map", action="append", default=[], metavar="OURS=THEIRS", help="what a column of ours is called there")
    add("--event-type", type=EventType, choices=list(EventType), help="type of events that name none")
    add("--time-unit", choices=TIME_UNITS, help="unit of numeric times (default: decided by a sample)")


def add_file_options(args_parser: argparse.ArgumentParser) -> None:
    """Those of files."""
    add = args_parser.add_argument
    add("--format", choices=FORMATS, default="auto", help="how the files are written (default: auto)")
    add_row_options(args_parser)
    add("--untimed", action="store_true", help="take events without a time")


def file_options(args: argparse.Namespace) -> IngestOptions:
    """What `add_file_options` was given."""
    return IngestOptions(args.format, parse_mapping(args.map), args.untimed, args.event_type, args.time_unit)


def parse_mapping(pairs: Sequence[str]) -> dict[str, str]:
    """`["item_id=sku"]` → `{"item_id": "sku"}`."""
    for pair in pairs:
        if not all(pair.partition("=")):
            raise ConfigError(f"--map {pair!r} is not OURS=THEIRS. For example: --map item_id=sku")
    return dict(pair.split("=", 1) for pair in pairs)
