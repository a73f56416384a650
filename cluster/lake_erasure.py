"""Users out of the lake for good: their rows, every file that ever held them, and what Delta's log says of them.

`erase` deletes in one commit a table. Then `forget_past` removes the files that no version needs any more, and takes
from the log what may name a user: the least and greatest ids of files, and the predicate of the deletion itself. (The
checkpoint that it writes has those values for the files there are now, so no reader loses them.)
"""

from __future__ import annotations

import json
import time
from collections.abc import Collection
from datetime import timedelta
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
from deltalake import DeltaTable
from deltalake.exceptions import CommitFailedError

from cluster.lake import Lake
from cluster.storage import Folder, filesystem, join
from models.errors import ShoalError
from models.tables import TABLES, Table

USER_TABLES = tuple(table for table in Table if "user_id" in TABLES[table].schema.names)
"""Tables whose rows say whose they are; `quarantine` holds records as they were read, and is searched for ids."""

SAFE_AGE = timedelta(days=1)
"""Files that no commit names are removed when they are older: a running ingest has yet to commit its own."""

_ATTEMPTS = 10
_PAUSE_S = 0.5


def erase(lake: Lake, table: Table, column: str, values: Collection[str]) -> int:
    """Delete the rows whose `column` is one of `values`; their number. One pass over the table, one commit."""
    if not values or not lake.exists(table):
        return 0
    listed = ", ".join(_quoted(value) for value in sorted(values))
    for attempt in range(_ATTEMPTS):
        delta = _delta(lake, table)
        if column not in {field.name for field in delta.schema().fields}:
            return 0
        try:
            return int(delta.delete(f"{column} IN ({listed})")["num_deleted_rows"])
        except CommitFailedError:  # somebody rewrote the same files meanwhile
            time.sleep(_PAUSE_S * (attempt + 1))
    raise ShoalError(f"table {table} is being rewritten by others all the time. End compaction, and run this again.")


def erase_quarantined(lake: Lake, user_ids: Collection[str]) -> int:
    """Delete quarantined records that name a user; their number."""
    if not user_ids or not lake.exists(Table.QUARANTINE):
        return 0
    forms = [form for user_id in user_ids for form in _forms(user_id)]
    found: list[str] = []
    for batch in lake.batches(Table.QUARANTINE, ("quarantine_id", "record", "reason")):
        texts = pc.binary_join_element_wise(
            pc.fill_null(batch.column("record"), ""), batch.column("reason"), "\n"
        ).to_pylist()
        ids = batch.column("quarantine_id").to_pylist()
        # One search for all ids at once; the few texts that have one are looked at closely.
        maybe = pl.Series(texts, dtype=pl.String).str.contains_any(forms).to_list()
        found += [id_ for id_, text, has in zip(ids, texts, maybe, strict=True) if has and names_user(text, user_ids)]
    return erase(lake, Table.QUARANTINE, "quarantine_id", found)


def names_user(text: str, user_ids: Collection[str]) -> bool:
    """True when one of the ids stands in the text with nothing like an id before or behind it.

    A record may be half a line of any format, so this errs on the side of erasing: a bad record has no other use than
    to be mended and sent again.
    """
    for user_id in user_ids:
        for form in _forms(user_id):
            start = text.find(form)
            while start >= 0:
                end = start + len(form)
                if not _goes_on(text[start - 1 : start]) and not _goes_on(text[end : end + 1]):
                    return True
                start = text.find(form, start + 1)
    return False


def was_erased(pinned: Lake) -> bool:
    """True when files of the version that a lake is pinned to are gone: what was read of it may hold erased users."""
    for table in USER_TABLES:
        fs, root = filesystem(pinned.table_uri(table))
        named = {part.path for part in pinned.parts(table)}
        if named and not named <= {str(path)[len(root.rstrip("/")) + 1 :] for path in fs.find(root)}:
            return True
    return False


def forget_past(lake: Lake, table: Table) -> int:
    """Remove every past version of the table; the number of files removed. Again removes none."""
    if not lake.exists(table):
        return 0
    removed = _remove_files(lake, table)
    _clean_log(lake, table)
    return removed


def _remove_files(lake: Lake, table: Table) -> int:
    """Files of past versions, and those that no commit names where they are old: a writer that died left them."""
    fs, root = filesystem(lake.table_uri(table))
    delta = _delta(lake, table)
    replaced = set(delta.vacuum(retention_hours=0, dry_run=True, enforce_retention_duration=False))
    live = set(pa.table(delta.get_add_actions(flatten=True))["path"].to_pylist())
    oldest = time.time() - SAFE_AGE.total_seconds()
    removed = 0
    for path, info in fs.find(root, detail=True).items():
        name = str(path)[len(root.rstrip("/")) + 1 :]
        if name in live or name.startswith("_delta_log/"):
            continue
        if name in replaced or _modified(info) < oldest:
            fs.rm(path)
            removed += 1
    return removed


def _clean_log(lake: Lake, table: Table) -> None:
    """A checkpoint of now, older checkpoints away, and commits without what may name a user.

    Commits stay in place: a writer that read an older version still needs to see what happened since.
    """
    delta = _delta(lake, table)
    delta.create_checkpoint()
    newest = delta.version()
    folder = Folder(join(lake.table_uri(table), "_delta_log"))
    fs, root = filesystem(folder.uri)
    for name in folder.names():
        version = name.partition(".")[0]
        if not version.isdigit():
            continue
        if name.endswith(".json") and len(name) == len("00000000000000000000.json"):
            before = folder.read(name) or b""
            after = b"\n".join(_redacted(line) for line in before.splitlines())
            if after != before.rstrip(b"\n"):
                folder.write(name, after)
        elif ".checkpoint" in name and int(version) < newest:
            fs.rm(f"{root.rstrip('/')}/{name}")


def _redacted(line: bytes) -> bytes:
    """One action of a commit without the least and greatest values of files and without predicates."""
    action: dict[str, Any] = json.loads(line)
    touched = False
    for kind in ("add", "remove"):
        stats = json.loads((action.get(kind) or {}).get("stats") or "{}")
        kept = {name: value for name, value in stats.items() if name not in ("minValues", "maxValues")}
        if kept != stats:
            action[kind]["stats"], touched = json.dumps(kept), True
    parameters = (action.get("commitInfo") or {}).get("operationParameters") or {}
    touched |= parameters.pop("predicate", None) is not None
    return json.dumps(action, separators=(",", ":")).encode() if touched else line


def _delta(lake: Lake, table: Table) -> DeltaTable:
    return DeltaTable(lake.table_uri(table), storage_options=lake.storage_options)


def _forms(user_id: str) -> set[str]:
    """An id as it is, and as it stands in JSON."""
    return {user_id, json.dumps(user_id)[1:-1], json.dumps(user_id, ensure_ascii=False)[1:-1]}


def _quoted(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


def _goes_on(letter: str) -> bool:
    return bool(letter) and (letter.isalnum() or letter in "_-")


def _modified(info: dict[str, Any]) -> float:
    """Seconds since 1970 of a file system's entry."""
    for name in ("mtime", "LastModified", "created"):
        if (value := info.get(name)) is not None:
            return float(value.timestamp() if hasattr(value, "timestamp") else value)
    return time.time()
