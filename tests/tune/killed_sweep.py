"""A driver to be killed: `python -m tests.tune.killed_sweep FOLDER HELD_RUN`, on the Ray that RAY_ADDRESS names."""

from __future__ import annotations

import sys
from pathlib import Path

from cluster.ray_session import ray_session
from cluster.storage import Folder
from tests.tune.quadratic import SPACE, Quadratic, plan
from tune.engine import run_trials


def main(folder: str, held: str) -> None:
    """Three trials, one at a time; the held one never ends."""
    with ray_session():
        run_trials(Quadratic(Path(folder), held), SPACE, plan("sweep"), Folder(folder), 1, 0.1)


if __name__ == "__main__":
    main(*sys.argv[1:])
