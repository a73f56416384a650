"""Users out of vocabularies and the rows that stand for them: in published bundles, run folders and written examples.

A vocabulary's rows must not move, so `ERASED_ID` takes the id's place and the rows of the user tables become zero. The
vocabulary is written last: while an id stands in it, an erasure that was interrupted finds everything again.
"""

from __future__ import annotations

import hashlib
import io
import posixpath
import shutil
import time
from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from cluster.delta.vacuum import SAFE_AGE
from cluster.privacy.user_rows import Span, blank, entry_when_blank, is_blank, spans
from cluster.registry import Registry
from cluster.storage import Folder, filesystem, is_local, join
from models.manifest import FileEntry
from models.privacy import ERASED_ID
from models.vocabulary import USERS_FILE

_LEARNED = ("export", "checkpoints", "warm_start")
_WEIGHTS, _PARTS = ".safetensors", ("train", "validation", "test")


@dataclass(frozen=True, slots=True)
class Blanked:
    """Vocabulary entries that were taken, rows of tables that became zero, examples dropped, files removed."""

    entries: int = 0
    rows: int = 0
    examples: int = 0
    files: int = 0

    def __add__(self, other: Blanked) -> Blanked:
        return Blanked(
            self.entries + other.entries,
            self.rows + other.rows,
            self.examples + other.examples,
            self.files + other.files,
        )


def erase_from_registry(registry: Registry, user_ids: Collection[str]) -> Blanked:
    """Every published bundle. Its manifest says how many users were erased when, and has the new hashes: it loads as
    before. A manifest is written before its files, so that a bundle is never valid under an old manifest.
    """
    done = Blanked(files=_remove_abandoned(registry))
    for manifest in registry.versions():
        folder = registry.folder(manifest.version)
        table, rows = _find(folder, user_ids)
        if table is None or not rows:
            continue
        where = _places(folder, [name for name in manifest.files if name.endswith(_WEIGHTS)], rows)
        vocabulary = _without(table, rows)
        files = {**manifest.files, USERS_FILE: FileEntry(len(vocabulary), hashlib.sha256(vocabulary).hexdigest())}
        files |= {name: entry_when_blank(folder, name, at) for name, at in where.items()}
        noted = {"at": datetime.now(UTC).isoformat(timespec="seconds"), "num_users": len(rows)}
        registry.reseal(replace(manifest, files=files, erasures=[*manifest.erasures, noted]))
        done += _blank_all(folder, where)
        folder.write(USERS_FILE, vocabulary)
        done += Blanked(entries=len(rows))
    return done


def erase_from_runs(runs_uri: str, user_ids: Collection[str], *, unfinished: bool) -> Blanked:
    """Every run below the root, those of sweeps and sources among them, and examples that were written there.

    `unfinished`: also remove the checkpoints of runs that have no vocabulary yet. Nobody can tell whose rows they hold,
    and the version of the lake they would go on with is gone.
    """
    root = Folder(runs_uri)
    names = root.files()
    done = Blanked()
    for path in (name for name in names if posixpath.basename(name) == USERS_FILE):
        home = posixpath.dirname(path)
        done += _erase_below(_child(root, home), _governed(home, names), user_ids, root)
    if unfinished:
        done += Blanked(files=sum(_remove_checkpoints(root, names)))
    return done


def erased_meanwhile(copied: Folder, origin: Folder) -> list[str]:
    """Ids of a vocabulary that its origin has lost since it was copied."""
    tables = [folder.read(USERS_FILE) for folder in (copied, origin)]
    if tables[0] is None or tables[1] is None or tables[0] == tables[1]:
        return []
    before, now = (pq.read_table(io.BytesIO(data))["user_id"].to_pylist() for data in tables if data is not None)
    return [user_id for user_id, left in zip(before, now, strict=True) if left == ERASED_ID != user_id]


def drop_learned(run: Folder) -> None:
    """Remove what a run has learned: it began before an erasure and ended after."""
    fs, path = filesystem(run.uri)
    for name in _LEARNED:
        if fs.exists(f"{path.rstrip('/')}/{name}"):
            fs.rm(f"{path.rstrip('/')}/{name}", recursive=True)


def rows_of(folder: Folder, user_ids: Collection[str]) -> dict[str, int]:
    """The row of each of the users whom a vocabulary knows."""
    table, rows = _find(folder, user_ids)
    return {} if table is None else {str(table["user_id"][row].as_py()): row for row in rows}


def _erase_below(home: Folder, governed: Iterable[str], user_ids: Collection[str], root: Folder) -> Blanked:
    table, rows = _find(home, user_ids)
    if table is None or not rows:
        return Blanked()
    files = list(governed)
    done = _blank_all(root, _places(root, [name for name in files if name.endswith(_WEIGHTS)], rows))
    done += Blanked(examples=sum(_drop_examples(root, name, rows) for name in files if _is_examples(name)))
    home.write(USERS_FILE, _without(table, rows))
    return done + Blanked(entries=len(rows))


def _governed(home: str, names: Iterable[str]) -> list[str]:
    """Files whose user rows are those of the vocabulary in `home`: beside it, below it, and for an export the run's."""
    roots = [home]
    if posixpath.basename(home) == "export":
        run = posixpath.dirname(home)
        roots += [posixpath.join(run, "checkpoints"), posixpath.join(run, "warm_start")]
    return [name for name in names if any(not root or name.startswith(f"{root}/") for root in roots)]


def _find(folder: Folder, user_ids: Collection[str]) -> tuple[pa.Table | None, list[int]]:
    """The vocabulary and the rows of the users in it."""
    data = folder.read(USERS_FILE)
    if data is None:
        return None, []
    table = pq.read_table(io.BytesIO(data))
    known = pc.is_in(table["user_id"], value_set=pa.array(sorted(user_ids), pa.string()))
    return table, np.flatnonzero(known.to_numpy()).tolist()


def _without(table: pa.Table, rows: Collection[int]) -> bytes:
    """The vocabulary with `ERASED_ID` in those rows, as a file."""
    mask = np.zeros(len(table), np.bool_)
    mask[list(rows)] = True
    ids = pc.if_else(pa.array(mask), ERASED_ID, table["user_id"].combine_chunks())
    sink = pa.BufferOutputStream()
    pq.write_table(table.set_column(table.schema.get_field_index("user_id"), "user_id", ids), sink)
    return bytes(sink.getvalue().to_pybytes())


def _places(folder: Folder, names: Iterable[str], rows: Collection[int]) -> dict[str, list[Span]]:
    found = {name: spans(folder, name, rows) for name in names}
    return {name: at for name, at in found.items() if at}


def _blank_all(folder: Folder, where: dict[str, list[Span]]) -> Blanked:
    num_rows = 0
    for name, at in where.items():
        if not is_blank(folder, name, at):
            blank(folder, name, at)
            num_rows += len(at)
    return Blanked(rows=num_rows)


def _is_examples(name: str) -> bool:
    return name.endswith(".parquet") and posixpath.basename(posixpath.dirname(name)) in _PARTS


def _drop_examples(root: Folder, name: str, rows: Collection[int]) -> int:
    """Examples of the users out of one file; their number."""
    data = root.read(name)
    table = pq.read_table(io.BytesIO(data)) if data is not None else None
    if table is None or "user" not in table.schema.names:
        return 0
    others = table.filter(pc.invert(pc.is_in(table["user"], value_set=pa.array(sorted(rows), table["user"].type))))
    if len(others) == len(table):
        return 0
    sink = pa.BufferOutputStream()
    pq.write_table(others, sink, compression="zstd")
    root.write(name, sink.getvalue().to_pybytes())
    return len(table) - len(others)


def _remove_checkpoints(root: Folder, names: Collection[str]) -> Iterable[int]:
    """What workers wrote of runs without a vocabulary; 1 for each file that was removed."""
    fs, path = filesystem(root.uri)
    everything = set(names)
    known = {posixpath.dirname(posixpath.dirname(n)) for n in names if n.endswith(f"export/{USERS_FILE}")}
    for name in names:
        for part in ("/checkpoints/", "/warm_start/"):
            run = name.partition(part)[0]
            if part in name and run not in known and f"{run}/config.json" in everything:
                fs.rm(join(path, name))
                yield 1


def _remove_abandoned(registry: Registry) -> int:
    """Bundles that were being written when their writer died; only old ones."""
    if not is_local(registry.uri):
        return 0
    removed = 0
    for folder in (Path(filesystem(registry.uri)[1]) / "bundles").glob(".*"):
        if folder.is_dir() and folder.stat().st_mtime < time.time() - SAFE_AGE.total_seconds():
            shutil.rmtree(folder)
            removed += 1
    return removed


def _child(root: Folder, path: str) -> Folder:
    return root.child(path) if path else root
