"""The `shoal` command: finds the module of a sub-command and hands it the rest of the line."""

from __future__ import annotations

import difflib
import importlib
import os
import sys
from collections.abc import Sequence
from pathlib import Path

COMMANDS = {
    "demo": ("pipelines.demo", "the whole path on this machine, from raw events to a changed row"),
    "world": ("pipelines.world", "make a synthetic world of users, items and events"),
    "ingest": ("pipelines.ingest", "take event logs, users and items into the lake"),
    "watch": ("pipelines.watch", "take log files into the lake as they come into a folder"),
    "stream": ("pipelines.stream", "take events from a Kafka topic into the event log"),
    "examples": ("pipelines.examples", "write the training examples of a recipe as Parquet"),
    "plan": ("pipelines.plan", "how tables of any size would lie on GPUs, without one"),
    "train": ("pipelines.train", "train a recipe on the lake"),
    "evaluate": ("pipelines.evaluate", "metrics of a run beside popularity and the champion"),
    "publish": ("pipelines.publish", "publish a run; it becomes the champion when it is better"),
    "models": ("pipelines.list_models", "list published versions with their metrics"),
    "promote": ("pipelines.promote", "make a published version the champion"),
    "rollback": ("pipelines.rollback", "go back to the champion before"),
    "retrain": ("pipelines.retrain", "the daily run: ingest, train, evaluate, publish if better"),
    "recommend": ("pipelines.recommend", "recommendations for many users into a Parquet file"),
    "embeddings": ("pipelines.embeddings", "the vectors of users and items into the lake"),
    "rank": ("pipelines.rank", "scores for given user-item pairs into a Parquet file"),
    "serve": ("serve_apps.serve", "answer over HTTP"),
    "keys": ("cluster.commands.keys", "make, list, revoke and rotate the API keys of the HTTP server"),
    "warm-store": ("pipelines.warm_store", "fill the online store from the lake"),
    "consume": ("pipelines.consume", "move the event log to the lake and count what is trending, all the time"),
    "event-sink": ("pipelines.event_sink", "move the event log into the lake once, exactly once"),
    "dead-letters": ("pipelines.dead_letters", "list or replay entries of the event log that could not be used"),
    "forget": ("pipelines.forget", "erase users everywhere, with a signed receipt"),
    "receipt": ("cluster.commands.receipt", "check the receipt of an erasure"),
    "export": ("pipelines.export", "everything that is held of a user, as a zip"),
    "consent": ("pipelines.consent", "personalization off or on for a user"),
    "items": ("cluster.commands.items", "read, put or delete items in the store, without a server"),
    "users": ("cluster.commands.users", "read, put or delete profiles in the store, without a server"),
    "catalogue-sink": ("pipelines.catalogue_sink", "move what was put or deleted into the lake"),
    "lake": ("pipelines.lake", "upkeep of the lake: compact, vacuum, retain, history"),
    "data": ("pipelines.data", "report: how sound the lake's events are, and how they drift"),
    "sweep": ("tune.sweep", "search for better settings of a recipe"),
    "settings": ("cluster.commands.settings", "show every setting and its value"),
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run one sub-command; returns its exit code."""
    name, *rest = list(sys.argv[1:] if argv is None else argv) or ["--help"]
    if name in ("-h", "--help"):
        print(_help())
        return 0
    if name not in COMMANDS:
        near = difflib.get_close_matches(name, COMMANDS, n=1, cutoff=0.0)
        print(f"error: there is no command {name!r}. The nearest is {near[0]!r}; see shoal --help", file=sys.stderr)
        return 2
    _find_code()
    return int(importlib.import_module(COMMANDS[name][0]).main(rest))


def _help() -> str:
    lines = [f"  {name:<15}{text}" for name, (_, text) in COMMANDS.items()]
    head = "usage: shoal COMMAND [options]     (shoal COMMAND --help for each)\n\ncommands:\n"
    return head + "\n".join(lines) + "\n\nexample:\n  shoal ingest logs/ && shoal train --recipe two_tower"


def _find_code() -> None:
    """Our packages lie beside this one in a checkout, under `app` in a wheel; Ray's workers need them too."""
    here = Path(__file__).resolve().parent
    root = str(here / "app" if (here / "app").is_dir() else here.parent)
    sys.path.insert(0, root)
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [root, os.environ.get("PYTHONPATH")]))
