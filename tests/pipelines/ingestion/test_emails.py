"""Addresses of a users file are sealed before they are written, and stand nowhere else."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cluster.delta.lake import Lake
from cluster.online.store import open_store
from cluster.privacy.emails import open_email
from cluster.privacy.keys import load_keys
from cluster.settings import Settings
from models.catalogue import USERS
from models.tables import Table
from pipelines.ingestion.emails import SEALED, bad_email, masked, with_email_named
from pipelines.ingestion.ingesting import ingest
from pipelines.ingestion.upserting import with_standing
from pipelines.online.warm import warm


def test_columns_of_addresses_become_one() -> None:
    frame = pl.DataFrame({"user_id": ["u"], "E-Mail": ["a@x.org"], "mail": ["b@x.org"]})
    assert with_email_named(frame).to_dicts() == [{"user_id": "u", "email": "a@x.org"}]
    assert with_email_named(pl.DataFrame({"user_id": ["u"]})).columns == ["user_id"]


def test_what_is_wrong_is_said_without_the_address() -> None:
    assert bad_email(pl.Series(["a@x.org", "secret", None])).to_list() == [None, "email: is no address", None]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("u1,ann.b+c@mail.x.org,NO", "u1,(e-mail),NO"),
        ('{"user_id": "u1", "email": "ann@x.org"}', '{"user_id": "u1", "email": "(e-mail)"}'),
        ("no address @ all", "no address @ all"),
    ],
)
def test_records_are_shown_without_addresses(text: str, shown: str) -> None:
    assert pl.DataFrame({"record": [text]}).select(masked("record")).item() == shown


def test_a_later_file_takes_back_no_refusal_and_no_address(tmp_path: Path) -> None:
    lake = Lake(str(tmp_path / "lake"))
    moment = datetime(2026, 1, 1, tzinfo=UTC)
    row = {"user_id": "ann", "personalization": False, "email_encrypted": "1.old", "updated_at": moment}
    rows = pl.DataFrame([{"user_id": name, "updated_at": moment} for name in ("bob", "ann")])
    silent = rows.with_columns(pl.lit(None, pl.Boolean).alias("personalization"), pl.lit(None, pl.String).alias(SEALED))
    silent = silent.with_columns(pl.lit(None, pl.Datetime("us", "UTC")).alias("deleted_at"))
    assert with_standing(silent, lake, Table.USERS).equals(silent)
    lake.append(Table.USERS, pa.Table.from_pylist([row], USERS))
    kept = with_standing(silent, lake, Table.USERS).select("user_id", "personalization", SEALED)
    assert kept.rows() == [("bob", None, None), ("ann", False, "1.old")]
    newer = silent.with_columns(pl.lit("1.new").alias(SEALED), pl.lit(True).alias("personalization"))
    assert with_standing(newer, lake, Table.USERS).equals(newer)


@pytest.mark.slow
@pytest.mark.usefixtures("ray_session")
def test_an_ingest_seals_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHOAL_HOME", str(tmp_path / "home"))
    folder = tmp_path / "source"
    folder.mkdir()
    lines = ["user_id,country,E-Mail,age", "ann,NO,ann@x.org,25", "bob,NO,,30", "cid,NO,nonsense,1", "dan@x.org,NO"]
    (folder / "users.csv").write_text("\n".join([*lines, f"{'x' * 200},NO,eve@x.org,9"]))
    lake, store, keys = Lake(str(tmp_path / "lake")), open_store(Settings().store_url), load_keys()
    ingest(str(folder), lake)
    version = lake.version(Table.USERS)
    ingest(str(folder), lake)  # the same again is no change
    assert lake.version(Table.USERS) == version
    rows = {row["user_id"]: row for row in lake.read(Table.USERS).to_pylist()}
    assert set(rows) == {"ann", "bob"}
    assert open_email(store, keys, "ann", rows["ann"]["email_encrypted"]) == "ann@x.org"
    assert rows["bob"]["email_encrypted"] is None
    assert json.loads(rows["ann"]["attributes"]) == {"age": "25"}
    reasons = lake.read(Table.QUARANTINE)["reason"].to_pylist()
    assert sorted(reason.partition(":")[0] for reason in reasons) == ["columns", "email", "user_id"]
    warm(lake, store)
    assert store.users(["ann"])[0].attributes == {"age": "25"}
    store.close()
    for path in (p for home in ("lake", "home") for p in (tmp_path / home).rglob("*") if p.is_file()):
        text = path.read_bytes()
        if path.suffix == ".parquet":
            text += repr(pq.read_table(path, partitioning=None).to_pylist()).encode()
        assert b"@x.org" not in text, path
