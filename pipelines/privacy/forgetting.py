"""Erasure for good: one place after the other, each noted when it is done, and a signed receipt at the end.

    hidden ─> event log drained into the lake without the users ─> dead letters ─> lake ─> registry ─> runs
           ─> the store's own files

The log goes first: its commit in the lake makes every older reader of the log fail, so that nothing of the users comes
back behind the erasure, and consumers may work on meanwhile. A job that is noted in the store is sealed, so the store's
files can go before it ends.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from cluster.consuming.sink import BATCH_SIZE, sink
from cluster.delta.erasure import USER_TABLES, erase_quarantined, forget_past
from cluster.delta.lake import Lake
from cluster.online.codec import logged
from cluster.online.erased_entries import erased
from cluster.online.event_log import Job as EventJob
from cluster.online.event_log import Logged
from cluster.online.store import OnlineStore
from cluster.privacy.erasure_jobs import Job, hide, hide_rest, note, pending
from cluster.privacy.keys import PrivacyKeys
from cluster.privacy.receipts import Receipt
from cluster.privacy.vocabulary_erasure import erase_from_registry, erase_from_runs
from cluster.registry import Registry
from cluster.storage import Folder, join
from models.tables import Table

OnPlace = Callable[[str, int], None]


@dataclass(frozen=True, slots=True)
class Places:
    """Everywhere that something of a user is kept, and where receipts go."""

    store: OnlineStore
    lake: Lake
    registry: Registry
    runs_uri: str
    receipts: Folder
    keys: PrivacyKeys


Search = Callable[["Job", "Places"], Sequence[int]]


@dataclass(frozen=True, slots=True)
class Erased:
    """A finished erasure and the address of its signed receipt."""

    receipt: Receipt
    uri: str


def forget(user_ids: Sequence[str], places: Places, on_place: OnPlace | None = None) -> Erased:
    """Erase users; the receipt names every place. Users who are not there give a receipt of zeros."""
    return finish(hide(places.store, places.keys, user_ids), places, on_place)


def finish_pending(places: Places, on_place: OnPlace | None = None) -> list[Erased]:
    """Finish what was asked for over HTTP, and what was interrupted."""
    return [finish(job, places, on_place) for job in pending(places.store, places.keys)]


def finish(job: Job, places: Places, on_place: OnPlace | None = None) -> Erased:
    """The second step of a job whose users are hidden already. What a former attempt finished is not done again."""
    job = replace(hide_rest(places.store, places.keys, job), attempts=job.attempts + 1)
    note(places.store, places.keys, job)
    for names, search in _STEPS:
        if all(name in job.places for name in names):
            continue
        found = dict(zip(names, search(job, places), strict=True))
        job = job.found(found)
        note(places.store, places.keys, job)
        for name, num_rows in found.items():
            if on_place is not None:
                on_place(name, num_rows)
    name = f"{job.job_id}.json"
    receipt = job.receipt(places.keys)
    places.receipts.write(name, receipt.signed(places.keys))
    places.store.privacy.end_job(job.job_id)
    return Erased(receipt, join(places.receipts.uri, name))


def _drain(job: Job, places: Places) -> Sequence[int]:
    num_late = sum(erased(entry, job.through) for entry in _log_until(places.store, max(job.through.values())))
    sink(places.store, places.lake)
    return [num_late]


def _log_until(store: OnlineStore, last: int) -> Iterator[Logged]:
    """What the lake does not have yet."""
    for partition in range(store.log.num_partitions()):
        after = store.log.position(EventJob.LAKE, partition)
        while after <= last and (entries := store.log.read(partition, after, BATCH_SIZE)):
            yield from entries
            after = entries[-1].offset


def _dead_letters(job: Job, places: Places) -> Sequence[int]:
    log = places.store.log
    letters = log.dead_letters(log.num_dead_letters())
    return [log.drop([x for x in letters if erased(logged(x.offset, x.kind, x.body), job.through)])]


def _rows_of(table: Table) -> Search:
    return lambda job, places: [places.lake.erase(table, "user_id", job.user_ids)]


def _quarantined(job: Job, places: Places) -> Sequence[int]:
    return [erase_quarantined(places.lake, job.user_ids)]


def _past(_: Job, places: Places) -> Sequence[int]:
    return [sum(forget_past(places.lake, table) for table in (*USER_TABLES, Table.QUARANTINE))]


def _registry(job: Job, places: Places) -> Sequence[int]:
    done = erase_from_registry(places.registry, job.user_ids)
    return [done.entries, done.rows, done.files]


def _runs(job: Job, places: Places) -> Sequence[int]:
    had_rows = any(job.places[f"lake/{table}"].rows for table in USER_TABLES)
    done = erase_from_runs(places.runs_uri, job.user_ids, unfinished=had_rows)
    return [done.entries, done.rows, done.examples, done.files]


def _files_of_the_store(job: Job, places: Places) -> Sequence[int]:
    [num_late] = _dead_letters(job, places)  # buried meanwhile by a consumer that had read them before
    return [num_late + places.store.privacy.purge(job.through)]


_STEPS: tuple[tuple[tuple[str, ...], Search], ...] = (
    (("store/event log",), _drain),
    (("store/dead letters",), _dead_letters),
    *(((f"lake/{table}",), _rows_of(table)) for table in USER_TABLES),
    ((f"lake/{Table.QUARANTINE}",), _quarantined),
    (("lake/past versions (files)",), _past),
    (("registry/vocabularies", "registry/rows of user tables", "registry/abandoned bundles"), _registry),
    (
        (
            "runs/vocabularies",
            "runs/rows of user tables",
            "runs/examples",
            "runs/checkpoints of unfinished runs (files)",
        ),
        _runs,
    ),
    (("store/files (entries)",), _files_of_the_store),
)
"""Names of places and what searches them, in this order."""
