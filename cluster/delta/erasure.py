"""Users out of the lake for good: their rows, every file that ever held them, and what Delta's log says of them.

`Lake.erase` deletes in one commit a table. Then `forget_past` removes the files of past versions (`Lake.vacuum`), and
takes from the log what may name a user: the least and greatest ids of files, which tables of an older Shoal have, and
the predicate of the deletion itself. (The checkpoint that it writes has those values for the files there are now.)
"""

from __future__ import annotations

import json
from collections.abc import Collection
from datetime import timedelta
from typing import Any

import polars as pl
import pyarrow.compute as pc
from deltalake import DeltaTable

from cluster.delta.lake import Lake
from cluster.storage import Folder, filesystem, join
from models.naming import forms, names_user
from models.tables import TABLES, Table

USER_TABLES = tuple(table for table in Table if "user_id" in TABLES[table].schema.names)
"""Tables whose rows say whose they are; `quarantine` holds records as they were read, and is searched for ids."""


def erase_quarantined(lake: Lake, user_ids: Collection[str]) -> int:
    """Delete quarantined records that name a user; their number."""
    if not user_ids or not lake.exists(Table.QUARANTINE):
        return 0
    wanted = [form for user_id in user_ids for form in forms(user_id)]
    found: list[str] = []
    for batch in lake.batches(Table.QUARANTINE, ("quarantine_id", "record", "reason")):
        texts = pc.binary_join_element_wise(
            pc.fill_null(batch.column("record"), ""), batch.column("reason"), "\n"
        ).to_pylist()
        ids = batch.column("quarantine_id").to_pylist()
        # One search for all ids at once; the few texts that have one are looked at closely.
        maybe = pl.Series(texts, dtype=pl.String).str.contains_any(wanted).to_list()
        found += [id_ for id_, text, has in zip(ids, texts, maybe, strict=True) if has and names_user(text, user_ids)]
    return lake.erase(Table.QUARANTINE, "quarantine_id", found)


def was_erased(pinned: Lake) -> bool:
    """True when files of the version that a lake is pinned to are gone: what was read of it may hold erased users."""
    versions = {table: pinned.versions.get(table.value, -1) for table in USER_TABLES}
    return any(pinned.broken(table, [version]) for table, version in versions.items() if version >= 0)


def forget_past(lake: Lake, table: Table) -> int:
    """Remove every past version of the table; the number of files removed. Again removes none."""
    if not lake.exists(table):
        return 0
    done = lake.vacuum(table, keep=timedelta(0))
    _clean_log(lake, table)
    return done.before.num_files - done.after.num_files


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
