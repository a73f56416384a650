"""The experiment that is under way, followed in its file: a change acts without a restart."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from pathlib import Path

from models.errors import ConfigError
from models.experiments import Experiment, load_experiment
from serve_apps.live.bundles import LiveBundles

_log = logging.getLogger(__name__)
LOOK_S = 1.0


class ExperimentFile:
    """Tells of every change of the file, in a thread of its own. A broken one is refused and logged, once."""

    def __init__(self, path: Path, tell: Callable[[Experiment], None]) -> None:
        self._path, self._tell = path, tell
        self._known: Experiment | str | None = None
        self._stop = threading.Event()
        self._look()
        threading.Thread(target=self._follow, name="follow-experiment", daemon=True).start()

    def close(self) -> None:
        """Stop following."""
        self._stop.set()

    def _follow(self) -> None:
        while not self._stop.wait(LOOK_S):
            try:
                self._look()
            except Exception:  # a thread that ended would never look again
                _log.exception("cannot follow the experiments file %s", self._path)

    def _look(self) -> None:
        try:
            found = load_experiment(self._path)
        except ConfigError as error:
            if str(error) != self._known:
                _log.error("the experiment stays as it is: %s", error)
                self._known = str(error)
            return
        if found != self._known:
            self._tell(found)
            self._known = found


class LiveExperiment:
    """`current` changes once what it needs is in memory here, and `settle_s` later, so that it is everywhere."""

    def __init__(
        self,
        experiment: Experiment,
        bundles: LiveBundles,
        path: Path | None = None,
        settle_s: float = 0.0,
    ) -> None:
        self.current = experiment
        self._bundles, self._settle_s = bundles, settle_s
        self._stop = threading.Event()
        self._file = ExperimentFile(path, self._change_to) if path is not None else None

    def close(self) -> None:
        """Stop following."""
        self._stop.set()
        if self._file is not None:
            self._file.close()

    def _change_to(self, experiment: Experiment) -> None:
        if experiment == self.current:
            return
        self._bundles.pin({*self.current.pinned, *experiment.pinned})
        self._stop.wait(self._settle_s)
        self.current = experiment
        self._bundles.pin(experiment.pinned)
        _log.info("the experiment has changed: %s", ", ".join(variant.name for variant in experiment.variants))


def follow_pins(path: Path | None, bundles: LiveBundles) -> ExperimentFile | None:
    """Have the versions that variants of the file name pinned; nothing without a file."""
    return None if path is None else ExperimentFile(path, lambda experiment: bundles.pin(experiment.pinned))
