"""All workers write one checkpoint: shards first, then, once every shard is there, the file that makes it whole."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from safetensors import SafetensorError

from cluster.storage import Folder, filesystem, is_local
from pipelines.learning.engine.agreement import Agreement, AllStop
from pipelines.learning.engine.checkpoint import Progress, save_progress, save_shards
from pipelines.learning.engine.checkpoint_folders import checkpoint_folder, remove
from pipelines.learning.engine.stopping import DiskFull, no_room
from pipelines.learning.runs.records import Record


def write_checkpoint(
    run_uri: str,
    rank: int,
    world_size: int,
    model: Any,
    optimizer: Any,
    progress: Progress,
    agreement: Agreement,
    record: Record | None = None,
) -> None:
    """Write the checkpoint of `progress.epochs_done`, whose metrics are `record`.

    A full disk stops all workers, and nothing of the checkpoint is left.
    """
    folder = checkpoint_folder(run_uri, progress.epochs_done)
    try:
        with _noting_no_room(agreement, progress.epochs_done, rank), _into(folder) as local:
            save_shards(local, rank, model, optimizer)
        agreement.anyone(False)
        if rank == 0:
            with _noting_no_room(agreement, progress.epochs_done, rank), _into(folder) as local:
                save_progress(local, world_size, progress, record)
        agreement.anyone(False)
    except AllStop:
        if rank == 0:
            remove(folder)
        raise


@contextmanager
def _noting_no_room(agreement: Agreement, epoch: int, rank: int) -> Iterator[None]:
    try:
        yield
    except (OSError, SafetensorError) as error:
        if not no_room(error):
            raise
        agreement.note(DiskFull(f"the checkpoint of epoch {epoch}", epoch, rank, str(error)))


@contextmanager
def _into(folder: Folder) -> Iterator[Path]:
    """A local folder whose files lie in `folder` when the block ends."""
    if is_local(folder.uri):
        path = Path(filesystem(folder.uri)[1])
        path.mkdir(parents=True, exist_ok=True)
        yield path
        return
    with tempfile.TemporaryDirectory() as scratch:
        yield Path(scratch)
        for path in Path(scratch).iterdir():
            folder.upload(path, path.name)
