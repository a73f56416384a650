"""The folder of one training run.

config.json     the whole recipe                 data.json      the data it was trained on
origin.json     what a warm start began from     changes.json   settings changed when it was resumed
sharding.txt    how the tables were sharded      live.json      samples of the epoch in progress
metrics.json    one record an epoch              curves.svg     loss and validation score by epoch
tensorboard/    event files                      checkpoints/   written by the workers, one an epoch
export/         the files of a bundle            finished.json   written last of all
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
from datetime import UTC, datetime
from socket import gethostname
from typing import Any

from cluster.storage import Folder, join
from models.errors import ConfigError

FINISHED = "finished.json"


def stable_run_id(recipe: str, *parts: object) -> str:
    """`two_tower-0a1b2c3d4e5f`: the same for the same parts, so that a repeated attempt finds what was done."""
    body = json.dumps(parts, sort_keys=True).encode()
    return f"{recipe}-{hashlib.blake2b(body, digest_size=6).hexdigest()}"


def new_run_id(recipe: str) -> str:
    """`two_tower-20260131T120000-0a1b2c`."""
    return f"{recipe}-{datetime.now(UTC):%Y%m%dT%H%M%S}-{secrets.token_hex(3)}"


def run_uri(runs_uri: str, run: str) -> str:
    """Address of a run given by id or by address."""
    return run if "/" in run else join(runs_uri, run)


def write_json(uri: str, name: str, body: Any) -> None:
    """Write one JSON file of the run."""
    Folder(uri).write(name, json.dumps(body, indent=2, sort_keys=True).encode())


def read_json(uri: str, name: str) -> Any:
    """One JSON file of the run; None when it is not there (yet)."""
    data = Folder(uri).read(name)
    return None if data is None else json.loads(data)


def begin(uri: str, config: dict[str, Any], data: dict[str, Any]) -> None:
    """Write what the run depends on; `ConfigError` when it was begun with another recipe or on other data."""
    for name, body, what in (("config.json", config, "recipe"), ("data.json", data, "data")):
        begun = read_json(uri, name)
        if begun is not None and begun != body:
            changed = ", ".join(sorted(key for key in {*begun, *body} if begun.get(key) != body.get(key)))
            raise ConfigError(f"run {uri} was begun with other {what} (not the same: {changed}). Start a new run.")
        write_json(uri, name, body)


def write_live(uri: str, epoch: int, samples: int, total: int) -> None:
    """How far the epoch in progress has come, and in which process of which host."""
    body = {"epoch": epoch, "samples": min(samples, total), "total": total, "host": gethostname(), "pid": os.getpid()}
    write_json(uri, "live.json", body)
