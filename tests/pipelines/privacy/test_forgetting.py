"""An erased user is nowhere any more, everybody else is as before, and a receipt says so."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import torch

from cluster.consuming.sink import sink
from cluster.delta.lake import Lake
from cluster.privacy.emails import open_email
from cluster.privacy.erasure_jobs import hide, pending
from cluster.privacy.receipts import public_key, verify
from cluster.registry import Registry
from models.manifest import verify_files
from models.privacy import ERASED_ID
from models.recommender import Recommender
from models.tables import Table
from pipelines.learning.engine.checkpoint import Reader
from pipelines.privacy import forgetting
from pipelines.privacy.forgetting import finish_pending, forget
from tests.cluster.online.store_suite import event
from tests.pipelines.privacy.whole_world import EMAIL, GONE, TABLE, World, make, rows_of_others

pytestmark = pytest.mark.slow


@pytest.fixture
def world(tmp_path: Path) -> World:
    return make(tmp_path)


def test_no_byte_of_any_place_holds_the_user_and_others_are_as_before(world: World) -> None:
    places = world.places
    assert {path.split("/")[0] for path in world.hits(GONE)} == {"lake", "online.db-wal", "registry", "runs"}
    before, state = rows_of_others(places.lake), places.store.users(["ann", "bob", f"{GONE}x"])
    done = forget([GONE], places)
    # `gone-user-7f3ax` is somebody else, whose id begins alike: only hits that end there count.
    assert [hit for hit in world.hits(GONE) if hit not in world.hits(f"{GONE}x")] == []
    everything = b"".join(p.read_bytes() for p in world.folder.rglob("*") if p.is_file())
    assert everything.count(GONE.encode()) == everything.count(f"{GONE}x".encode())
    assert world.hits(EMAIL) == []
    assert rows_of_others(places.lake) == before
    assert places.store.users(["ann", "bob", f"{GONE}x"]) == state
    found = {name: place.rows for name, place in done.receipt.places.items() if place.rows}
    assert found.pop("lake/past versions (files)") > 0
    assert found == {
        "store/history": 7,
        "store/attributes": 1,
        "store/country": 1,
        "store/email": 1,
        "store/vector": 1,
        "store/event log": 4,
        "store/files (entries)": 7,
        "lake/interactions": 3,
        "lake/users": 1,
        "lake/user_embeddings": 1,
        "lake/quarantine": 2,
        "registry/vocabularies": 1,
        "registry/rows of user tables": 2,
        "runs/vocabularies": 2,
        "runs/rows of user tables": 4,
        "runs/examples": 2,
        "runs/checkpoints of unfinished runs (files)": 1,
    }


def test_the_bundle_still_loads_and_does_not_know_the_user(world: World) -> None:
    registry = world.places.registry
    old = Recommender.load(registry.fetch("v1"), "v1")
    assert old._users.row(GONE) == 1
    forget([GONE], world.places)
    manifest = registry.manifest("v1")
    folder = registry.fetch("v1")
    verify_files(folder, manifest.files)
    new = Recommender.load(folder, "v1", manifest.feature_digest)
    assert new._users.ids == ["ann", ERASED_ID]
    assert [noted["num_users"] for noted in manifest.erasures] == [1]
    assert registry.champion() == "v1"


def test_rows_of_checkpoints_are_zero_and_all_others_as_they_were(world: World) -> None:
    forget([GONE], world.places)
    run = Path(world.places.runs_uri) / "two_tower-1"
    tensors = Reader(run / "checkpoints/run/epoch-0001").tensors()
    expected = torch.ones(5, 4)
    expected[1] = 0
    assert torch.equal(tensors[f"net|{TABLE}"], expected)
    assert torch.equal(tensors[f"state|{TABLE}|user_table.momentum1"], expected[:, 0])
    assert torch.equal(tensors["net|tables.embedding_bags.item_table.weight"], torch.ones(5, 4))
    assert torch.equal(Reader(run / "warm_start").tensors()[f"net|{TABLE}"], expected)
    examples = pq.read_table(Path(world.places.runs_uri) / "examples/train/part-00000.parquet")
    assert examples.to_pydict() == {"user": [0, 0], "item": [1, 4]}


def test_asked_twice_it_finds_nothing(world: World) -> None:
    forget([GONE], world.places)
    again = forget([GONE], world.places)
    assert again.receipt.num_rows == 0
    assert len(again.receipt.places) == 24
    assert len(world.places.receipts.names()) == 2
    assert forget(["never there"], world.places).receipt.num_rows == 0


def test_the_receipt_is_genuine_and_names_nobody(world: World) -> None:
    done = forget([GONE], world.places)
    data = Path(done.uri).read_bytes()
    assert verify(data, public_key(world.places.keys)) == done.receipt
    assert GONE.encode() not in data
    assert done.receipt.subjects == (world.places.keys.subject(GONE).hex(),)
    assert not done.receipt.resumed


def test_who_comes_back_starts_from_nothing(world: World) -> None:
    store, lake = world.places.store, world.places.lake
    forget([GONE], world.places)
    store.append([event("back", user=GONE)])
    assert [e.item_id for e in store.users([GONE])[0].history] == ["item-back"]
    sink(store, lake)
    rows = lake.read(Table.INTERACTIONS)
    assert rows.filter([user == GONE for user in rows["user_id"].to_pylist()])["item_id"].to_pylist() == ["item-back"]


STOPS = [
    "erase_quarantined",
    "forget_past",
    "erase_from_registry",
    "erase_from_runs",
]


@pytest.mark.parametrize("stop", STOPS)
def test_an_interrupted_erasure_goes_on(world: World, stop: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The process dies after a step has worked and before it is noted."""
    real = getattr(forgetting, stop)

    def dies(*args: Any, **options: Any) -> None:
        real(*args, **options)
        raise KeyboardInterrupt

    before = rows_of_others(world.places.lake)
    with monkeypatch.context() as patch:
        patch.setattr(forgetting, stop, dies)
        with pytest.raises(KeyboardInterrupt):
            forget([GONE], world.places)
    assert world.places.store.users([GONE])[0].history == ()
    [done] = finish_pending(world.places)
    assert done.receipt.resumed
    assert done.receipt.places["lake/interactions"].rows == 3
    assert pending(world.places.store, world.places.keys) == []
    assert [hit for hit in world.hits(GONE) if hit not in world.hits(f"{GONE}x")] == []
    assert rows_of_others(world.places.lake) == before
    Recommender.load(world.places.registry.fetch("v1"), "v1")


def test_a_bundle_that_was_left_half_renewed_is_mended(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The manifest is new and the files are old: nobody loads that, and the next attempt ends it."""
    with monkeypatch.context() as patch:
        patch.setattr("cluster.privacy.vocabulary_erasure.blank", _dies)
        with pytest.raises(KeyboardInterrupt):
            forget([GONE], world.places)
    finish_pending(world.places)
    assert Recommender.load(world.places.registry.fetch("v1"), "v1")._users.row(GONE) is None


def _dies(*_: Any) -> None:
    raise KeyboardInterrupt


def test_a_reader_of_the_log_from_before_the_erasure_brings_nothing_back(world: World) -> None:
    """A sink read the log, the erasure came, and then the sink commits."""

    class Slow(Lake):
        erased = False

        def append(self, table: Table, *args: Any, **options: Any) -> bool:
            if not self.erased:
                self.erased = True
                forget([GONE], world.places)
            return super().append(table, *args, **options)

    places = world.places
    sink(places.store, Slow(places.lake.uri))
    assert GONE not in places.lake.read(Table.INTERACTIONS)["user_id"].to_pylist()
    places.store.append([event("next", user="ann")])
    assert sink(places.store, places.lake).num_interactions == 1


def test_many_users_are_one_pass_over_the_lake(world: World) -> None:
    places = world.places
    version = places.lake.version(Table.INTERACTIONS)
    done = forget([GONE, "bob", *(f"nobody-{n}" for n in range(2_500))], places)
    assert done.receipt.places["lake/interactions"].rows == 6
    assert len(done.receipt.subjects) == 2_502
    # One commit of the log's late entries, one that erases.
    assert places.lake.version(Table.INTERACTIONS) == version + 2
    assert set(places.lake.read(Table.INTERACTIONS)["user_id"].to_pylist()) == {"ann", f"{GONE}x", "zoe"}


def test_a_destroyed_key_makes_old_copies_unreadable(world: World) -> None:
    places = world.places
    rows = places.lake.read(Table.USERS).to_pylist()
    copy = next(row["email_encrypted"] for row in rows if row["user_id"] == GONE)
    assert open_email(places.store, places.keys, GONE, copy) == EMAIL
    forget([GONE], places)
    assert open_email(places.store, places.keys, GONE, copy) is None
    assert open_email(places.store, places.keys, "ann") == "ann@mail.example"


@pytest.mark.parametrize("user", ["o'hara", 'say "hi"', "naïve/ünïcode 🐟", "a\\b", "line\nbreak", "7"])
def test_ids_of_any_kind(tmp_path: Path, user: str) -> None:
    world = make(tmp_path, user=user)
    before = rows_of_others(world.places.lake, [user])
    done = forget([user], world.places)
    assert done.receipt.places["lake/interactions"].rows == 3
    assert done.receipt.places["lake/quarantine"].rows == 2
    assert rows_of_others(world.places.lake) == before


def test_the_same_on_s3(tmp_path: Path, s3_endpoint: str) -> None:
    world = make(tmp_path, f"s3://shoal-test/{tmp_path.name}")
    places = world.places
    other = Registry(places.registry.uri, tmp_path / "another")  # a replica of another machine
    assert Recommender.load(other.fetch("v1"), "v1")._users.row(GONE) == 1
    before = rows_of_others(places.lake)
    done = forget([GONE], places)
    assert done.receipt.places["registry/rows of user tables"].rows == 2
    assert done.receipt.places["runs/rows of user tables"].rows == 4
    assert rows_of_others(places.lake) == before
    assert Recommender.load(other.fetch("v1"), "v1")._users.row(GONE) is None
    assert len(list((tmp_path / "another").iterdir())) == 1
    assert forget([GONE], places).receipt.num_rows == 0


def test_jobs_are_sealed_in_the_store(world: World) -> None:
    job = hide(world.places.store, world.places.keys, [GONE])
    [body] = world.places.store.privacy.jobs().values()
    assert GONE.encode() not in body
    [found] = pending(world.places.store, world.places.keys)
    assert replace(found, places={}) == replace(job, places={})
    assert json.loads(json.dumps(found.user_ids)) == [GONE]
