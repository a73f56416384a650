"""A small deployment with something of a user in every place: store, lake, registry, runs, examples."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import torch

from cluster.consuming.sink import sink
from cluster.delta.lake import Lake
from cluster.online.store import OnlineStore, OnlineUser
from cluster.online.vectors import VectorBatch
from cluster.privacy.emails import seal_emails
from cluster.privacy.keys import PrivacyKeys, load_keys
from cluster.registry import Registry
from cluster.sqlite.store import SqliteStore
from cluster.storage import Folder
from models.manifest import Manifest
from models.tables import TABLES, Table
from models.vocabulary import USERS_FILE
from pipelines.learning.engine.checkpoint import Progress, save_whole
from pipelines.privacy.forgetting import Places
from tests.cluster.online.store_suite import event, exposure
from tests.models.tiny_bundle import SPEC, USERS, write_bundle

GONE = "gone-user-7f3a"
EMAIL = "gone@mail.example"
NOW = datetime(2026, 1, 31, tzinfo=UTC)
TABLE = "tables.embedding_bags.user_table.weight"


@dataclass
class World:
    """Its places, and the folder that all of them lie in when they are local."""

    folder: Path
    places: Places

    def hits(self, *texts: str) -> list[str]:
        """Files with any of the texts in their bytes; Parquet is searched unpacked as well."""
        found = []
        for path in sorted(p for p in self.folder.rglob("*") if p.is_file()):
            data = path.read_bytes()
            if path.suffix == ".parquet":
                data += repr(pq.read_table(path, partitioning=None).to_pylist()).encode()
            if any(text.encode() in data for text in texts):
                found.append(str(path.relative_to(self.folder)))
        return found


def make(folder: Path, root: str = "", user: str = GONE, keys: PrivacyKeys | None = None) -> World:
    """Everything under `folder`, or lake, registry and runs under the address `root`."""
    root = root or str(folder)
    store, lake = SqliteStore(str(folder / "online.db")), Lake(f"{root}/lake")
    registry, runs = Registry(f"{root}/registry", folder / "cache"), f"{root}/runs"
    keys = keys or load_keys()
    fill_store_and_lake(store, lake, keys, user)
    publish(registry, folder / "made", "v1", user)
    write_run(Folder(f"{runs}/two_tower-1"), folder / "made", user)
    write_unfinished_run(Folder(f"{runs}/two_tower-2"))
    write_examples(Folder(f"{runs}/examples"), user)
    for path in (folder / "made").rglob("*"):
        if path.is_file():
            path.unlink()
    return World(folder, Places(store, lake, registry, runs, Folder(str(folder / "receipts")), keys))


def fill_store_and_lake(store: OnlineStore, lake: Lake, keys: PrivacyKeys, user: str) -> None:
    """Each user table, several commits, and a log that has not been moved yet."""
    others = ["ann", "bob", f"{user}x", "zoe"]
    for part in range(3):
        store.append([event(f"{part}-{n}", user=u, at_s=90_000 * n) for n, u in enumerate([user, *others])])
        store.append_exposures([exposure(part)])
        sink(store, lake)
    emails = seal_emails(store, keys, {user: EMAIL, "ann": "ann@mail.example"})
    profiles = {"user_id": [user, *others], "country": ["NO"] * 5, "attributes": ['{"age": "25"}'] * 5}
    profiles |= {"email_encrypted": [emails.get(u) for u in profiles["user_id"]], "updated_at": [NOW] * 5}
    _append(lake, Table.USERS, profiles)
    vectors = {"user_id": [user, "ann"], "vector": [[1.0], [2.0]], "model_version": ["v1"] * 2, "updated_at": [NOW] * 2}
    _append(lake, Table.USER_EMBEDDINGS, vectors)
    records = [json.dumps({"user_id": user, "item_id": ""}), json.dumps({"user_id": f"{user}x"}), f"{user},;cut of"]
    bad = {"quarantine_id": ["a", "b", "c"], "table": ["interactions"] * 3, "source_file": ["f"] * 3, "record": records}
    _append(lake, Table.QUARANTINE, {**bad, "reason": ["item_id: is missing"] * 3, "quarantined_at": [NOW] * 3})
    store.warm({user: OnlineUser(attributes={"age": "25"})})
    store.vectors.keep_users(VectorBatch([user, "ann"], np.eye(2, dtype=np.float32), "v1", NOW))
    store.append([event(f"late-{n}", user=user, at_s=n) for n in range(4)])


def publish(registry: Registry, made: Path, version: str, user: str) -> None:
    """A real bundle that knows the user at row 1."""
    folder = write_bundle(made / version, ranker_weight=0.5)
    pq.write_table(pa.table({"user_id": [USERS[0], user]}), folder / USERS_FILE)
    manifest = Manifest(
        version=version, created_at=NOW.isoformat(), recipe="two_tower+ranker", config={}, data={},
        feature_digest=SPEC.digest(), metrics={},
    )  # fmt: skip
    registry.publish(folder, manifest)
    registry.promote(version)


def write_run(run: Folder, made: Path, user: str) -> None:
    """A finished run: export, a checkpoint in shards of two workers, and what it began from."""
    run.write("config.json", b"{}")
    run.write("data.json", b"{}")
    run.write("finished.json", b"{}")
    export = write_bundle(made / "export")
    pq.write_table(pa.table({"user_id": [USERS[0], user, "zoe"]}), export / USERS_FILE)
    upload(export, run.child("export"))
    # Rows 0–1 are one worker's, rows 2–4 the other's; each has a state by row and a count of steps.
    shards = made / "shards"
    shards.mkdir()
    for rank, (first, rows) in enumerate([(0, 2), (2, 3)]):
        tensors = {
            f"net|{TABLE}|{first}": torch.ones(rows, 4),
            f"state|{TABLE}|user_table.momentum1|{first}": torch.ones(rows),
            f"state|{TABLE}|user_table.step|{first}": torch.ones(1),
            f"net|tables.embedding_bags.item_table.weight|{first}": torch.ones(rows, 4),
        }
        from safetensors.torch import save_file

        save_file(tensors, shards / f"rank-{rank}.safetensors")
    (shards / "progress.json").write_text(json.dumps({"num_files": 2, "epochs_done": 1, "best": 0, "best_epoch": 1}))
    upload(shards, run.child("checkpoints").child("run").child("epoch-0001"))
    warm = made / "warm"
    warm.mkdir()
    save_whole(warm, {f"net|{TABLE}": torch.ones(5, 4)}, Progress())
    upload(warm, run.child("warm_start"))


def write_unfinished_run(run: Folder) -> None:
    """One whose vocabulary nobody knows any more once the lake was erased."""
    run.write("config.json", b"{}")
    run.write("data.json", b"{}")
    run.child("checkpoints").child("run").child("epoch-0001").write("rank-0.safetensors", b"shards")


def write_examples(folder: Folder, user: str) -> None:
    """Rows of two users."""
    for name, table in (
        (USERS_FILE, pa.table({"user_id": ["ann", user]})),
        ("train/part-00000.parquet", pa.table({"user": [0, 1, 1, 0], "item": [1, 2, 3, 4]})),
    ):
        sink_ = pa.BufferOutputStream()
        pq.write_table(table, sink_)
        folder.write(name, sink_.getvalue().to_pybytes())
    folder.write("examples.json", b"{}")


def upload(source: Path, target: Folder) -> None:
    for path in sorted(p for p in source.rglob("*") if p.is_file()):
        target.write(path.relative_to(source).as_posix(), path.read_bytes())


def rows_of_others(lake: Lake, users: Sequence[str] = (GONE,)) -> dict[str, str]:
    """A checksum of the rows of everybody else, by table."""
    sums = {}
    for table in (Table.INTERACTIONS, Table.EXPOSURES, Table.USERS, Table.USER_EMBEDDINGS):
        frame = pl.DataFrame(lake.read(table)).filter(~pl.col("user_id").is_in(list(users)))
        texts = sorted(repr(row) for row in frame.iter_rows())
        sums[table.value] = f"{len(texts)} rows, {hash(tuple(texts))}"
    return sums


def _append(lake: Lake, table: Table, columns: dict[str, list[object]]) -> None:
    schema = TABLES[table].schema
    size = len(next(iter(columns.values())))
    lake.append(table, pa.table({n: columns.get(n, [None] * size) for n in schema.names}, schema=schema))
