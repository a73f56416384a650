"""How far a folder of examples is: its plan, a record of each block that is whole, and at last the summary.

A file may be cut off at any moment, so its block has a record that is written after it; without one, the block is
written again.
"""

from __future__ import annotations

import json
from typing import Any

from cluster.storage import Folder
from models.errors import ConfigError

PLAN, BLOCKS, SUMMARY = "plan.json", "blocks", "examples.json"

Written = dict[int, dict[str, int]]
"""Rows of each part that has any, by the number of the block."""


def whole(folder: Folder, plan: dict[str, Any]) -> dict[str, Any] | None:
    """The summary of a folder that is whole, None for one that is new or was interrupted.

    `ConfigError` for a folder of anything but this plan: what is being written, from which versions of the lake.
    """
    begun = folder.read(PLAN)
    if begun is None:
        if folder.names():
            raise ConfigError(f"{folder.uri} is not empty, and holds no examples to go on with. Give a new folder.")
        return None
    before, now = json.loads(begun), json.loads(json.dumps(plan))
    if other := [name for name in now if before.get(name) != now[name]]:
        raise ConfigError(
            f"{folder.uri} holds examples of another plan: other {', '.join(other)} (see its {PLAN}). "
            "Give the same recipe and a lake as it was then, or a new folder."
        )
    summary = folder.read(SUMMARY)
    return None if summary is None else dict(json.loads(summary))


def begin(folder: Folder, plan: dict[str, Any]) -> None:
    """Say what the folder is going to hold."""
    folder.write(PLAN, json.dumps(plan, indent=2).encode())


def mark_written(folder: Folder, number: int, rows: dict[str, int]) -> None:
    """Say that all files of a block are whole."""
    folder.child(BLOCKS).write(f"{number:05}.json", json.dumps(rows).encode())


def read_written(folder: Folder) -> Written:
    """The blocks that are whole."""
    records = folder.child(BLOCKS)
    names = [name for name in records.names() if not name.startswith(".")]  # one that was being written
    return {int(name.partition(".")[0]): json.loads(records.read(name) or b"{}") for name in names}
