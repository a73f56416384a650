"""What cannot be decoded, and what the lake refuses, is kept with the reason; the good beside it goes through."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from deltalake import DeltaTable

from cluster.consuming.drain import drain
from cluster.consuming.replaying import Replayed, replay_all
from cluster.consuming.sink import sink
from cluster.delta.lake import Lake
from cluster.online.store import OnlineStore
from models.errors import LakeError
from models.tables import Table
from pipelines.dead_letters import main
from tests.cluster.online.store_suite import event, exposure, read_all
from tests.cluster.online.test_event_log import spoil

HALF_LIFE_S = 3_600.0


def ids(lake: Lake) -> Counter[str]:
    return Counter(lake.read(Table.INTERACTIONS)["interaction_id"].to_pylist())


def refuse_positions_above_3(lake: Lake) -> None:
    DeltaTable(lake.table_uri(Table.INTERACTIONS)).alter.add_constraint({"small": "position <= 3"})


def accept_all(lake: Lake) -> None:
    DeltaTable(lake.table_uri(Table.INTERACTIONS)).alter.drop_constraint("small")


def test_what_cannot_be_decoded_is_buried_and_comes_back_if_it_still_cannot(store: OnlineStore, lake: Lake) -> None:
    store.append([event(1)])
    offset = spoil(store, 2)
    store.append([event(3)])
    moved = drain(store, lake, HALF_LIFE_S)
    assert (moved.num_interactions, moved.num_buried) == (2, 1)
    assert ids(lake) == Counter(["event-1", "event-3"])
    [letter] = store.log.dead_letters(10)
    assert (letter.offset, letter.body, letter.refused_by_lake) == (offset, b"{", False)
    assert "JSONDecodeError" in letter.reason
    assert read_all(store) == []
    assert replay_all(store) == Replayed(1, 0)
    assert drain(store, lake, HALF_LIFE_S).num_buried == 1
    [again] = store.log.dead_letters(10)
    assert (again.body, again.offset > offset) == (b"{", True)
    assert store.item_counts(["item-1", "item-2", "item-3"]) == [{"click": 1}, {}, {"click": 1}]


def test_what_the_lake_refuses_is_buried_and_moved_once_after_the_fix(store: OnlineStore, lake: Lake) -> None:
    store.append([event("first", position=0)])
    drain(store, lake, HALF_LIFE_S)
    refuse_positions_above_3(lake)
    store.append([event(n, position=n % 6, user=f"user-{n}") for n in range(24)])
    store.append_exposures([exposure(1)])
    moved = drain(store, lake, HALF_LIFE_S)
    assert (moved.num_interactions, moved.num_exposures, moved.num_buried) == (16, 1, 8)
    assert read_all(store) == []
    letters = store.log.dead_letters(100)
    assert len(letters) == store.log.num_dead_letters() == 8
    assert all(x.refused_by_lake and "interactions: " in x.reason for x in letters)
    assert not any("user-" in x.reason for x in letters)

    assert replay_all(store) == Replayed(8, 0)
    assert drain(store, lake, HALF_LIFE_S).num_buried == 8
    accept_all(lake)
    assert replay_all(store) == Replayed(8, 0)
    assert drain(store, lake, HALF_LIFE_S).num_interactions == 8
    assert ids(lake) == Counter(["event-first", *(f"event-{n}" for n in range(24))])
    # Counted when they came, and not again when they came back.
    assert {counts["click"] for counts in store.item_counts([f"item-{n}" for n in range(24)])} == {1}


def test_a_crash_after_a_burial_loses_nothing(store: OnlineStore, lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    store.append([event("first", position=0)])
    drain(store, lake, HALF_LIFE_S)
    refuse_positions_above_3(lake)
    store.append([event(n, position=n) for n in (1, 5, 2)])

    def crash(partition: int, through: int) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(store.log, "advance", crash)
        with pytest.raises(KeyboardInterrupt):
            sink(store, lake)
    accept_all(lake)
    assert replay_all(store) == Replayed(0, 0)  # it would be read twice
    assert sink(store, lake).num_interactions == 0
    assert replay_all(store) == Replayed(1, 0)
    assert sink(store, lake).num_interactions == 1
    assert ids(lake) == Counter(["event-first", "event-1", "event-2", "event-5"])


def test_a_lake_that_cannot_be_reached_is_no_reason_to_bury(store: OnlineStore, tmp_path: Path) -> None:
    (tmp_path / "lake").write_text("a file is in the way")
    store.append([event(1)])
    with pytest.raises(LakeError, match="lake"):
        sink(store, Lake(str(tmp_path / "lake")))
    assert store.log.num_dead_letters() == 0
    assert len(read_all(store)) == 1


def test_the_command_lists_and_replays(
    lake: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from cluster.sqlite.store import SqliteStore

    path = str(tmp_path / "command.db")
    store = SqliteStore(path, num_partitions=3)
    spoil(store, 1)
    drain(store, lake, HALF_LIFE_S)
    monkeypatch.setenv("SHOAL_STORE", f"sqlite:///{path}")
    assert main(["list"]) == 0
    listed = capsys.readouterr().out
    assert "decoding: JSONDecodeError" in listed
    assert listed.endswith("1 dead letters\n")
    assert "ann" not in listed
    assert main(["replay"]) == 0
    assert capsys.readouterr().out == "put 1 entries back into the log; 0 dead letters are left\n"
