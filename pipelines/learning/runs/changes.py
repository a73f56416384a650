"""Settings that may change when a run is resumed, and the record of it."""

from __future__ import annotations

from typing import Any

from models.errors import ConfigError
from pipelines.learning.engine.checkpoint_folders import epochs_whole
from pipelines.learning.runs.run_folder import read_json, write_json


def change_settings(uri: str, config: dict[str, Any]) -> None:
    """Go on under other settings: `config.json` becomes `config`, and `changes.json` says what was changed when.

    `ConfigError` for anything but the optimizer's rates and how training runs: the rest decides what the weights mean.
    """
    before = read_json(uri, "config.json")
    other = [key for key in config if key not in ("optimizer", "training") and config[key] != before.get(key)]
    if config["optimizer"]["table_optimizer"] != before["optimizer"].get("table_optimizer", "rowwise_adagrad"):
        other.append("optimizer.table_optimizer")
    if other:
        raise ConfigError(
            f"--resume goes on by the run's own recipe; {', '.join(other)} cannot change. Set optimizer.* rates or "
            "training.*, or start a new run (--from takes over what fits)."
        )
    changed = {
        f"{part}.{name}": [before[part].get(name), value]
        for part in ("optimizer", "training")
        for name, value in config[part].items()
        if value != before[part].get(name)
    }
    entry = {"after_epoch": next(iter(epochs_whole(uri)), 0), "changed": changed}
    write_json(uri, "changes.json", [*(read_json(uri, "changes.json") or []), entry])
    write_json(uri, "config.json", config)
