"""What a sweep is: written once as `sweep.json`, so that `--resume` goes on with the same or not at all.

The folder of a sweep, `RUNS/sweeps/NAME/`:

sweep.json      the plan                         trials/         the journal, one file a trial
report.md       the trials, best first           parallel.svg    every trial as a line through its settings
trials.json     the same trials as data          best.json       the best trial's recipe
tune-*/         Ray Tune's own logs, one folder an attempt
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal, get_args

from cluster.storage import Folder, join
from models.errors import ConfigError, NotFoundError

Searcher = Literal["random", "optuna"]
Scheduler = Literal["asha", "none"]
_FILE = "sweep.json"


@dataclass(frozen=True, slots=True)
class Plan:
    """`recipe`: where every trial starts from; `domains`: what is searched, in words.

    `interactions_version` is the data: scores on other data do not compare.
    """

    name: str
    space: str
    recipe: dict[str, Any]
    metric: str
    searcher: str
    scheduler: str
    samples: int
    seed: int
    epochs: int
    lake: str
    interactions_version: int
    command: str
    domains: dict[str, str]

    def __post_init__(self) -> None:
        """`ConfigError` for a name, searcher, scheduler or number of samples that cannot be."""
        if not re.fullmatch(r"\w[\w.-]*", self.name, re.ASCII):
            raise ConfigError(f"--name {self.name!r} cannot name a folder. Use letters, digits, '.', '_' and '-'.")
        for option, value, known in (
            ("searcher", self.searcher, get_args(Searcher)),
            ("scheduler", self.scheduler, get_args(Scheduler)),
        ):
            if value not in known:
                raise ConfigError(f"--{option} {value!r} is unknown. Use one of: {', '.join(known)}.")
        if self.samples < 1:
            raise ConfigError(f"--samples {self.samples} is less than 1. Use at least 1.")


def sweep_folder(runs_uri: str, name: str) -> Folder:
    """Where a sweep's files lie."""
    return Folder(join(runs_uri, "sweeps", name))


def check_new(folder: Folder, name: str) -> None:
    """`ConfigError` when there is a sweep of this name."""
    if folder.read(_FILE) is not None:
        raise ConfigError(f"there is a sweep {name!r} already. Go on with it: --resume {name}; or use another --name.")


def write(folder: Folder, plan: Plan) -> None:
    """Keep the plan."""
    folder.write(_FILE, json.dumps(asdict(plan), indent=2, sort_keys=True).encode())


def read(folder: Folder, name: str) -> Plan:
    """The plan of a sweep that was begun; `NotFoundError` when there is none."""
    data = folder.read(_FILE)
    if data is None:
        raise NotFoundError(f"there is no sweep {name!r} in {folder.uri}. Start it: shoal sweep --name {name}")
    return Plan(**json.loads(data))


def resumed(plan: Plan, asked: Mapping[str, Any]) -> Plan:
    """The plan to go on by. `asked`: fields as they are now; only the number of samples may differ.

    `ConfigError` names all else that differs.
    """
    differs = [line for key in asked if key != "samples" for line in _differences(key, getattr(plan, key), asked[key])]
    if differs:
        raise ConfigError(
            f"sweep {plan.name!r} was begun otherwise: {'; '.join(differs)}. "
            "Resume it with these as they were, or start another sweep."
        )
    return replace(plan, samples=asked.get("samples", plan.samples))


def _differences(key: str, before: Any, now: Any) -> list[str]:
    if isinstance(before, dict) and isinstance(now, dict):
        names = sorted({*before, *now})
        return [line for name in names for line in _differences(f"{key}.{name}", before.get(name), now.get(name))]
    return [] if before == now else [f"{key} was {before}, is {now}"]
