"""`shoal forget`, `export` and `consent` as people type them."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from cluster.commands.receipt import main as receipt
from cluster.delta.lake import Lake
from cluster.online.store import open_store
from cluster.privacy.erasure_jobs import hide
from cluster.privacy.keys import load_keys
from cluster.settings import Settings
from models.tables import Table
from pipelines.consent import main as consent
from pipelines.export import main as export
from pipelines.forget import main as forget
from tests.cluster.online.privacy_suite import tombstones
from tests.pipelines.privacy.whole_world import EMAIL, GONE, World, make

pytestmark = pytest.mark.slow


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    monkeypatch.setenv("SHOAL_HOME", str(tmp_path))
    return make(tmp_path)


def test_export_then_forget_then_verify(world: World, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert export([GONE, "--out", str(tmp_path / "data.zip")]) == 0
    with zipfile.ZipFile(tmp_path / "data.zip") as archive:
        sizes = {name: len(archive.read(name).splitlines()) for name in archive.namelist()}
        assert EMAIL in archive.read("store/profile.jsonl").decode()
    assert sizes.pop("README.txt") > 3
    assert sizes == {
        "store/profile.jsonl": 1, "store/history.jsonl": 7, "store/event_log.jsonl": 7, "store/dead_letters.jsonl": 0,
        "store/counters.jsonl": 0, "store/vector.jsonl": 1, "lake/users.jsonl": 1,
        "lake/interactions.jsonl": 3, "lake/user_embeddings.jsonl": 1, "lake/exposures.jsonl": 0,
        "lake/quarantine.jsonl": 2, "registry.jsonl": 1, "runs.jsonl": 2,
    }  # fmt: skip
    (tmp_path / "data.zip").unlink()
    assert forget([GONE]) == 0
    said = capsys.readouterr()
    assert "erased 1 users" in said.out
    assert GONE not in said.out + said.err
    [file] = (tmp_path / "receipts").iterdir()
    assert receipt(["verify", str(file)]) == 0
    assert [hit for hit in world.hits(GONE) if hit not in world.hits(f"{GONE}x")] == []


def test_a_file_of_users_and_what_was_asked_over_http(world: World, tmp_path: Path) -> None:
    hide(world.places.store, world.places.keys, [GONE])
    (tmp_path / "ids.txt").write_text("bob\nzoe\n\n")
    assert forget(["--file", str(tmp_path / "ids.txt"), "--pending"]) == 0
    assert len(list((tmp_path / "receipts").iterdir())) == 2
    assert set(world.places.lake.read(Table.USERS)["user_id"].to_pylist()) == {"ann", f"{GONE}x"}
    assert forget(["--pending"]) == 0
    assert len(list((tmp_path / "receipts").iterdir())) == 2


@pytest.mark.parametrize(
    "line", [[], ["--file", "missing.txt"], [""], ["x" * 129]], ids=["nobody", "no file", "empty", "too long"]
)
def test_mistakes_erase_nothing(world: World, line: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert forget(line) == 2
    assert capsys.readouterr().err.startswith("error: ")
    assert tombstones(world.places.store) == {}


def test_consent_is_kept_in_the_store_and_in_the_lake(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    before = {row["user_id"]: row for row in world.places.lake.read(Table.USERS).to_pylist()}
    assert consent(["ann", "off"]) == 0
    assert consent(["new", "off"]) == 0
    assert consent(["ann", "off"]) == 0
    assert "as it was" in capsys.readouterr().out
    store = open_store(Settings().store_url)
    assert [user.personalization for user in store.users(["ann", "new", "bob"])] == [False, False, None]
    rows = {row["user_id"]: row for row in Lake(Settings().lake_uri).read(Table.USERS).to_pylist()}
    assert {user_id for user_id, row in rows.items() if row["personalization"] is False} == {"ann", "new"}
    for name in ("country", "attributes", "email_encrypted"):
        assert rows["ann"][name] == before["ann"][name]
    assert consent(["ann", "on"]) == 0
    assert store.users(["ann"])[0].personalization is True
    assert load_keys(Settings()).subject("ann") == world.places.keys.subject("ann")
