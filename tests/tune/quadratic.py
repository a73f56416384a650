"""An objective whose best settings are known, for sweeps that train nothing: its score is highest at x = 0.3."""

from __future__ import annotations

import time
from collections.abc import Generator
from pathlib import Path
from typing import Any

from ray import tune as ray_tune

from models.errors import ShoalError
from tune.plan import Plan

SPACE = {"x": ray_tune.uniform(0.0, 1.0), "rate": ray_tune.loguniform(0.01, 1.0), "width": ray_tune.choice([8, 16])}


def plan(name: str, **changes: Any) -> Plan:
    """A plan of three random trials of three epochs."""
    values: dict[str, Any] = {
        "name": name, "space": "quadratic", "recipe": {}, "metric": "score", "searcher": "random",
        "scheduler": "none", "samples": 3, "seed": 7, "epochs": 3, "lake": "lake", "interactions_version": 0,
        "command": "shoal sweep", "domains": {},
    }  # fmt: skip
    return Plan(**{**values, **changes})


class Quadratic:
    """Tells three epochs, the second the best; every start adds a line to `starts`, every end one to `ends`,
    and every way out one to `left`.

    Before its second epoch a trial of `hold` (a run id) waits for the file `released`, and every trial waits until
    `meet` of them have started. A trial of `fail` fails then.
    """

    def __init__(self, folder: Path, hold: str = "", meet: int = 1, fail: str = "") -> None:
        self.folder, self.hold, self.meet, self.fail = folder, hold, meet, fail

    def __call__(self, settings: dict[str, Any], run: str) -> Generator[dict[str, Any]]:
        """Run one trial."""
        self._note("starts", run)
        try:
            for epoch, loss in ((1, 0.2), (2, 0.0), (3, 0.1)):
                if epoch == 2:
                    self._wait(run)
                    if run == self.fail:
                        raise ShoalError("a trial that fails")
                yield {"score": -loss - abs(settings["x"] - 0.3), "epoch": epoch}
            self._note("ends", run)
        finally:
            self._note("left", run)

    def _wait(self, run: str) -> None:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            released = run != self.hold or (self.folder / "released").exists()
            if released and len((self.folder / "starts").read_text().splitlines()) >= self.meet:
                break
            time.sleep(0.05)
        time.sleep(0.3)  # one too many would start now

    def _note(self, file: str, run: str) -> None:
        with (self.folder / file).open("a") as log:
            log.write(f"{run} {time.time()}\n")
