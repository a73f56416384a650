"""The demo from start to end: build, serve, show, and stay up until Ctrl-C."""

from __future__ import annotations

import os
import shutil
import signal
import threading
from collections.abc import Mapping
from pathlib import Path
from time import monotonic

from rich.console import Console

from cluster.settings import Settings
from models.errors import InputError
from pipelines.showcase.server import Client, free_port, serving
from pipelines.showcase.steps import Source, build, people, write_experiment
from pipelines.showcase.story import show_metrics, tell

_MARK = ".shoal-demo"


def run_demo(home: Path, source: Source, port: int, *, check: bool) -> int:
    """0 when every step worked and the row changed. With `check` it ends there; else it waits for Ctrl-C."""
    console = Console(highlight=False)
    started = monotonic()
    settings = fresh(home)
    published = build(console, settings, source)
    environment = {"SHOAL_HOME": str(settings.home), "SHOAL_EXPERIMENTS": str(write_experiment(settings))}
    console.rule("[bold]Serve", align="left")
    with serving(environment, free_port(port), settings.home / "server.log") as client:
        if published.metrics:
            show_metrics(console, published.metrics)
        changed = tell(console, client, people(settings))
        verdict = "Done" if changed else "FAILED: the row did not change"
        console.print(f"\n[bold]{verdict}[/bold] after {monotonic() - started:.0f} s")
        if not check:
            _stay(console, client, environment)
    return 0 if changed else 1


def fresh(home: Path) -> Settings:
    """Settings that keep everything under `home`, emptied if it is a demo's; any other folder is left alone."""
    home = home.absolute()
    if home.exists() and any(home.iterdir()) and not (home / _MARK).exists():
        raise InputError(f"{home} is not empty and not of a demo. Give another folder with --home.")
    shutil.rmtree(home, ignore_errors=True)
    home.mkdir(parents=True)
    (home / _MARK).touch()
    for name in [name for name in os.environ if name.startswith("SHOAL_") and name != "SHOAL_SEED"]:
        del os.environ[name]  # whatever else is set points at places that are not the demo's
    os.environ["SHOAL_HOME"] = str(home)
    return Settings()


def _stay(console: Console, client: Client, environment: Mapping[str, str]) -> None:
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    console.print(
        f"\n{client.url}/api/recommendations/home?user_id=…\n{client.url}/api/recommendations/similar?item_id=…\n"
        f"{client.url}/api/health\n{client.url}/openapi.json\n\n"
        f"Look around with: SHOAL_HOME={environment['SHOAL_HOME']} shoal models\nCtrl-C stops everything."
    )
    stop.wait()
    console.print("\nstopping")
