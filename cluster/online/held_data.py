"""Everything that is held of one user, as a zip of JSON Lines: one file a place, and a README that says what is what.

Places are read one after the other and written as they come, so that memory does not grow with what is held.
"""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import IO, Any

import orjson
import pyarrow.dataset as ds

from cluster.delta.erasure import USER_TABLES
from cluster.delta.lake import Lake
from cluster.online.codec import logged
from cluster.online.erased_entries import is_of
from cluster.online.event_log import Logged, Undecodable
from cluster.online.store import OnlineStore
from cluster.privacy.emails import open_email
from cluster.privacy.keys import PrivacyKeys
from cluster.privacy.vocabulary_erasure import rows_of
from cluster.registry import Registry
from cluster.storage import Folder
from models.catalogue_entries import Kind
from models.events import check_id
from models.naming import names_user
from models.tables import Table
from models.vocabulary import USERS_FILE

_LOG_ENTRIES = 10_000
Rows = Iterator[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Holders:
    """Everywhere that something of a user is kept."""

    store: OnlineStore
    lake: Lake
    registry: Registry
    runs_uri: str
    keys: PrivacyKeys


def write_held(user_id: str, holders: Holders, out: IO[bytes]) -> dict[str, int]:
    """Write the zip; rows by file. `InputError` for an id that is none."""
    check_id("user_id", user_id)
    counts: dict[str, int] = {}
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, (_, rows) in _FILES.items():
            counts[name] = 0
            with archive.open(name, "w", force_zip64=True) as file:
                for row in rows(user_id, holders):
                    file.write(orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE))
                    counts[name] += 1
        archive.writestr("README.txt", _readme(counts))
    return counts


def _profile(user_id: str, holders: Holders) -> Rows:
    [user] = holders.store.users([user_id])
    [document] = holders.store.catalogue.get(Kind.USER, [user_id])
    email = open_email(holders.store, holders.keys, user_id)
    profile = {"country": user.country, "attributes": dict(user.attributes), "email": email}
    body = document.body if document else None
    if any(profile.values()) or user.personalization is not None or body is not None:
        put = None if body is None else orjson.loads(body)
        yield {"user_id": user_id, **profile, "personalization": user.personalization, "profile_put": put}


def _counters(user_id: str, holders: Holders) -> Rows:
    [counts] = holders.store.user_counts([user_id])
    if counts:
        yield dict(counts)


def _vector(user_id: str, holders: Holders) -> Rows:
    [kept] = holders.store.user_vectors([user_id])
    if kept is not None:
        yield {"vector": kept.vector.tolist(), "model_version": kept.model_version, "updated_at": kept.updated_at}


def _history(user_id: str, holders: Holders) -> Rows:
    [user] = holders.store.users([user_id])
    for event in user.history:
        moment = datetime.fromtimestamp(event.timestamp_us / 1e6, UTC)
        yield {"item_id": event.item_id, "event_type": event.event_type, "timestamp": moment}


def _log(user_id: str, holders: Holders) -> Rows:
    log = holders.store.log
    for partition in range(log.num_partitions()):
        after = 0
        while entries := log.read(partition, after, _LOG_ENTRIES):
            yield from (_shown(entry) for entry in entries if is_of(entry, [user_id]))
            after = entries[-1].offset


def _dead_letters(user_id: str, holders: Holders) -> Rows:
    log = holders.store.log
    for letter in log.dead_letters(log.num_dead_letters()):
        entry = logged(letter.offset, letter.kind, letter.body)
        if is_of(entry, [user_id]):
            yield {**_shown(entry), "reason": letter.reason}


def _shown(entry: Logged) -> dict[str, Any]:
    if isinstance(entry.entry, Undecodable):
        return {"kind": "unreadable", "entry": entry.body.decode(errors="replace")}
    return {"kind": type(entry.entry).__name__.lower(), "entry": entry.entry}


def _table(table: Table) -> Callable[[str, Holders], Rows]:
    def rows(user_id: str, holders: Holders) -> Rows:
        for batch in holders.lake.filtered(table, ds.field("user_id") == user_id):
            for row in batch.to_pylist():
                yield {name: _plain(value) for name, value in row.items()}

    return rows


def _quarantine(user_id: str, holders: Holders) -> Rows:
    for batch in holders.lake.batches(Table.QUARANTINE, ("record", "reason", "table", "source_file", "source_row")):
        for row in batch.to_pylist():
            if names_user(f"{row['record'] or ''}\n{row['reason']}", [user_id]):
                yield row


def _registry(user_id: str, holders: Holders) -> Rows:
    for manifest in holders.registry.versions():
        row = rows_of(holders.registry.folder(manifest.version), [user_id]).get(user_id)
        if row is not None:
            yield {"version": manifest.version, "created_at": manifest.created_at, "row": row}


def _runs(user_id: str, holders: Holders) -> Rows:
    root = Folder(holders.runs_uri)
    for path in root.files():
        if path == USERS_FILE or path.endswith(f"/{USERS_FILE}"):
            folder = path.rpartition("/")[0]
            row = rows_of(root.child(folder) if folder else root, [user_id]).get(user_id)
            if row is not None:
                yield {"folder": folder, "row": row}


_FILES: dict[str, tuple[str, Callable[[str, Holders], Rows]]] = {
    "store/profile.jsonl": ("what is known of you: country, attributes, e-mail address, your consent", _profile),
    "store/history.jsonl": ("your newest actions, of which recommendations are made", _history),
    "store/event_log.jsonl": ("actions and shown recommendations that have yet to reach the lake", _log),
    "store/dead_letters.jsonl": ("actions that could not be used, and why", _dead_letters),
    "store/counters.jsonl": ("how often you did what, and were shown something", _counters),
    "store/vector.jsonl": ("the numbers that a model has put for you", _vector),
    **{f"lake/{table}.jsonl": (f"your rows of the table {table}", _table(table)) for table in USER_TABLES},
    "lake/quarantine.jsonl": ("records that could not be read and name you", _quarantine),
    "registry.jsonl": ("published models that know your id, and the row of numbers that stands for you", _registry),
    "runs.jsonl": ("training runs that know your id, and your row", _runs),
}


def _readme(counts: dict[str, int]) -> str:
    lines = [f"{name:<32}{counts[name]:>9,}  {what}" for name, (what, _) in _FILES.items()]
    head = "Everything that this Shoal holds of one user, as JSON Lines: one JSON object a line, times in UTC.\n\n"
    return head + "\n".join(lines) + f"\n\nWritten {datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}.\n"


def _plain(value: Any) -> Any:
    return value.isoformat() if isinstance(value, date) else value
