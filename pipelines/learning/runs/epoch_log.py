"""What a run says of its epochs, written as they end: `metrics.json`, TensorBoard's files and the curves."""

from __future__ import annotations

from typing import Any

from ray.train import UserCallback

from cluster.storage import Folder
from pipelines.learning.engine.checkpoint import PROGRESS
from pipelines.learning.engine.checkpoint_folders import checkpoint_folder, epochs_whole
from pipelines.learning.runs.curves import FILE as CURVES
from pipelines.learning.runs.curves import curves
from pipelines.learning.runs.records import Record
from pipelines.learning.runs.run_folder import read_json, write_json
from pipelines.learning.runs.tensorboard_log import log_epoch


class EpochLog(UserCallback):
    """Adds each epoch as it is reported. Runs in Ray Train's controller."""

    def __init__(self, run_uri: str) -> None:
        self._uri = run_uri

    def after_report(self, run_context: Any, metrics: list[dict[str, Any]], checkpoint: Any) -> None:
        """Replace the record of an epoch that was done again after a failure."""
        complete_records(self._uri)
        record = metrics[0]
        earlier = [r for r in read_json(self._uri, "metrics.json") or [] if r["epoch"] < record["epoch"]]
        _write(self._uri, [*earlier, record], [record])


def complete_records(run_uri: str) -> None:
    """Add the epochs that have a checkpoint and no record: the run may have died, or found no room, between the two."""
    written = {int(record["epoch"]): record for record in read_json(run_uri, "metrics.json") or []}
    missing = [epoch for epoch in epochs_whole(run_uri) if epoch not in written]
    known = {epoch: read_json(checkpoint_folder(run_uri, epoch).uri, PROGRESS) for epoch in missing}
    lost = {epoch: body["record"] for epoch, body in known.items() if body.get("record")}
    if lost:
        _write(run_uri, [record for _, record in sorted({**written, **lost}.items())], list(lost.values()))


def _write(run_uri: str, records: list[Record], new: list[Record]) -> None:
    write_json(run_uri, "metrics.json", records)
    for record in new:
        log_epoch(run_uri, record)
    Folder(run_uri).write(CURVES, curves(records))
