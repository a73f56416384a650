"""A folder or S3 prefix of log files into the lake, as they come.

    look ─> new files ─> whole ones ─> fitted (columns named) ─> one ingest ─> remembered as taken
                                          └─> no rows of ours: quarantine ──┘

The ingest adds each event once and a file is remembered behind it, so a crash anywhere costs reading a file again.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from threading import Event

from cluster.delta.lake import Lake
from cluster.storage import is_local
from models.errors import NotFoundError, SchemaError
from models.tables import Table
from pipelines.ingestion.ingesting import ingest_plan
from pipelines.ingestion.layout import SourceFile
from pipelines.ingestion.plan import IngestOptions, check_mapping, fitted, plan_of
from pipelines.ingestion.sources import Source, find
from pipelines.ingestion.summary import IngestSummary
from pipelines.streams.refused import Refused, quarantine_rows
from pipelines.streams.settling import Settling
from pipelines.streams.taken import TakenFiles

_BATCH_FILES = 256
_BATCH_BYTES = 4 << 30


@dataclass(frozen=True, slots=True)
class Look:
    """What one look at the source brought. `summary`: None when there was nothing to ingest.

    `waiting`: files that are still being written. `refused`: whole files without the columns of events, and why.
    """

    num_taken: int
    summary: IngestSummary | None
    refused: tuple[Refused, ...]
    waiting: int


class Watch:
    """One source on its way into a lake. Needs a running Ray."""

    def __init__(self, source: str, lake: Lake, options: IngestOptions, settle_s: float) -> None:
        check_mapping(options.mapping)
        self._source, self._lake, self._options = source, lake, options
        self._taken, self._settling = TakenFiles(lake, source), Settling(settle_s)

    def look(self) -> Iterator[Look]:
        """Take what is new and whole now, a batch at a time."""
        found = self._find().files
        self._taken.forget_all_but({file.uri for file in found})
        new = [file for file in found if file not in self._taken]
        whole = self._settling.whole(new, time.time())
        for batch in _batches(whole):
            yield self._take(batch, len(new) - len(whole))

    def _find(self) -> Source:
        try:
            return find(self._source, self._options.format)
        except NotFoundError:
            if is_local(self._source):
                raise
            return Source((), ())  # a prefix is there from its first object on

    def _take(self, batch: Sequence[SourceFile], waiting: int) -> Look:
        good, refused = [], []
        for file in batch:
            try:
                good.append(fitted(file, self._options))
            except SchemaError as error:
                refused.append(Refused(file.table, file.uri, None, f"columns: {error}"))
        if refused:
            self._lake.upsert(Table.QUARANTINE, quarantine_rows(refused, datetime.now(UTC)))
        summary = ingest_plan(plan_of(good, (), self._options), self._lake) if good else None
        self._taken.add(batch)
        return Look(len(batch), summary, tuple(refused), waiting)


def watch(watched: Watch, every_s: float, stop: Event, on_look: Callable[[Look], None]) -> None:
    """Look every `every_s` until `stop` is set; a batch that was begun is finished."""
    while not stop.is_set():
        for look in watched.look():
            on_look(look)
            if stop.is_set():
                return
        stop.wait(every_s)


def _batches(files: Sequence[SourceFile]) -> Iterator[list[SourceFile]]:
    """Runs of files of one ingest each: what is taken is remembered before a large backlog is done."""
    batch: list[SourceFile] = []
    for file in files:
        if batch and (len(batch) == _BATCH_FILES or sum(f.num_bytes for f in batch) + file.num_bytes > _BATCH_BYTES):
            yield batch
            batch = []
        batch.append(file)
    if batch:
        yield batch
