"""Versions of the lake that somebody still needs, and those that are only named.

Needed: what the champion and the versions a rollback can reach were made of; what a run that has not finished began
on; what the newest finished run of each recipe was trained on, for `--since last`. Other bundles and finished runs name
their versions too, but nothing of theirs reads the lake again unless somebody evaluates or repeats them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cluster.delta.lake import Lake
from cluster.registry import Registry
from cluster.storage import Folder, join
from models.tables import Table
from pipelines.learning.refit import SELECTION
from pipelines.learning.runs.run_folder import FINISHED, read_json

_DATA = "data.json"


@dataclass(frozen=True, slots=True)
class Named:
    """Who names versions (by table), and whether they are needed."""

    who: str
    versions: Mapping[str, int]
    needed: bool


def named_versions(lake: Lake, registry: Registry, runs_uri: str) -> list[Named]:
    """Every bundle and run made of this lake."""
    return [*_bundles(lake, registry), *_runs(lake, runs_uri)]


def by_table(named: Sequence[Named], table: Table) -> set[int]:
    """The versions of one table that are named."""
    return {version for name in named if (version := name.versions.get(table.value, -1)) >= 0}


def _bundles(lake: Lake, registry: Registry) -> Iterator[Named]:
    alias = registry.alias()
    for manifest in registry.versions():
        if manifest.data.get("lake") == lake.uri:
            champion = manifest.version == alias.version
            who = f"bundle {manifest.version}{' (champion)' if champion else ''}"
            yield Named(who, manifest.data["versions"], champion or manifest.version in alias.previous)


def _runs(lake: Lake, runs_uri: str) -> Iterator[Named]:
    folder = Folder(runs_uri)
    files = set(folder.files())
    newest: dict[str, tuple[int, str]] = {}
    found: dict[str, tuple[dict[str, Any], bool]] = {}
    for file in sorted(file for file in files if file.endswith(f"/{_DATA}")):
        run = file.removesuffix(f"/{_DATA}")
        uri = join(runs_uri, run)
        data = read_json(uri, _DATA)
        if data is None or data.get("lake") != lake.uri:
            continue
        finished = _whole(run) in files
        found[run] = data["versions"], finished
        recipe = (read_json(uri, "config.json") or {}).get("name", "")
        if finished:
            newest[recipe] = max(newest.get(recipe, (-1, "")), (data["versions"][Table.INTERACTIONS.value], run))
    newest_runs = {run for _, run in newest.values()}
    for run, (versions, finished) in found.items():
        yield Named(f"run {run}{'' if finished else ' (unfinished)'}", versions, not finished or run in newest_runs)


def _whole(run: str) -> str:
    """The file that says a run is done: a selection is the first half of the run around it."""
    return f"{run.removesuffix(f'/{SELECTION}')}/{FINISHED}"
