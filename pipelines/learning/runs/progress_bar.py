"""The driver's view of a run in progress: how its tables lie, a bar that follows `live.json`, and a line an epoch."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from cluster.commands.console import progress
from cluster.storage import Folder
from pipelines.learning.runs.records import SPEED
from pipelines.learning.runs.run_folder import read_json

OnEpoch = Callable[[dict[str, float]], None]
_POLL_S = 0.5


@contextmanager
def following(run_uri: str, name: str, epochs: int, on_epoch: OnEpoch | None) -> Iterator[None]:
    """Show progress until the block ends."""
    stop = threading.Event()
    thread = threading.Thread(target=_follow, args=(run_uri, name, epochs, on_epoch, stop), daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def _follow(run_uri: str, name: str, epochs: int, on_epoch: OnEpoch | None, stop: threading.Event) -> None:
    shown, planned = 0, False
    with progress() as bar:
        task = bar.add_task(f"{name}: starting", total=None)
        while True:
            last = stop.wait(_POLL_S)
            if not planned and (plan := Folder(run_uri).read("sharding.txt")) is not None:
                planned = True
                bar.console.print(plan.decode(), highlight=False)
            for record in (read_json(run_uri, "metrics.json") or [])[shown:]:
                shown += 1
                bar.console.print(_line(name, epochs, record))
                if on_epoch is not None:
                    on_epoch(record)
            live = read_json(run_uri, "live.json")
            if live is not None:
                bar.update(
                    task, description=f"{name}: epoch {live['epoch']}", total=live["total"], completed=live["samples"]
                )
            if last:
                return


def _line(name: str, epochs: int, record: dict[str, float]) -> str:
    score = "  ".join(f"{key} {value:.4f}" for key, value in record.items() if key not in (*SPEED, "epoch", "loss"))
    loss = f"loss {record['loss']:.4f}  " if "loss" in record else ""
    return (
        f"{name} epoch {record['epoch']:.0f}/{epochs}  {loss}{score}  "
        f"{record['samples']:,.0f} samples, {record['samples_per_s']:,.0f}/s"
    )
