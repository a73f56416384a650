"""A run's epochs as TensorBoard event files, one file an epoch: `tensorboard --logdir RUNS` follows a run."""

from __future__ import annotations

import tempfile
from pathlib import Path

from cluster.storage import Folder
from pipelines.learning.runs.records import SPEED, Record, score_name


def log_epoch(run_uri: str, record: Record) -> None:
    """Write the event file of one epoch to `tensorboard/` of the run, over that of the same epoch before a failure.

    The files lie in the order of their names, which is how TensorBoard goes through them; none is added to later, since
    an object store could not.
    """
    from tensorboardX import SummaryWriter  # half a second, and only the process that logs needs it

    score = score_name(record)
    with tempfile.TemporaryDirectory() as scratch:
        writer = SummaryWriter(logdir=scratch, write_to_disk=True)
        for name, value in record.items():
            if name != "epoch":
                group = "speed" if name in SPEED else "validation" if name == score else "train"
                tag = name.replace("@", "_at_")  # which TensorBoard does not take
                writer.add_scalar(f"{group}/{tag}", value, global_step=int(record["epoch"]))
        writer.close()
        (written,) = Path(scratch).iterdir()
        folder = Folder(run_uri).child("tensorboard")
        folder.write(f"events.out.tfevents.{int(record['epoch']):010d}.shoal", written.read_bytes())
