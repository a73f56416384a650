"""Dead letters of erased users do not come back by a replay, whenever it is run. On both back ends."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from cluster.consuming.counting import count
from cluster.consuming.replaying import Replayed, replay_all
from cluster.delta.lake import Lake
from cluster.online.codec import encode
from cluster.online.event_log import DeadLetter, partition_of
from cluster.online.store import OnlineStore
from cluster.privacy.erasure_jobs import hide
from cluster.privacy.keys import load_keys
from cluster.registry import Registry
from cluster.storage import Folder
from models.tables import Table
from pipelines.privacy.forgetting import Places, finish_pending, forget
from tests.cluster.online.store_suite import event, read_all

GONE = "gone-user-7f3a"


@pytest.fixture
def places(store: OnlineStore, tmp_path: Path) -> Places:
    lake, registry = Lake(f"{tmp_path}/lake"), Registry(f"{tmp_path}/registry")
    return Places(store, lake, registry, f"{tmp_path}/runs", Folder(f"{tmp_path}/receipts"), load_keys())


def bury(store: OnlineStore, user: str, number: int, kind: int | None = None) -> None:
    """A dead letter of an event that has yet to be counted; of another `kind`, it cannot be read."""
    known, body = encode(event(number, user=user))
    home = partition_of(user, store.log.num_partitions())
    store.log.bury([DeadLetter(home, number, kind or known, body, "unknown to an older Shoal", False)])
    store.log.advance(home, number)


@pytest.mark.parametrize("kind", [None, 9], ids=["readable", "unreadable"])
def test_a_replay_between_the_two_steps_of_an_erasure_leaves_no_counter(places: Places, kind: int | None) -> None:
    store = places.store
    bury(store, GONE, 1, kind)
    bury(store, "ann", 2)
    hide(store, places.keys, [GONE])
    assert replay_all(store) == Replayed(1, 0)
    count(store, 3_600, 5, lambda _: None)
    assert store.user_counts([GONE, "ann"]) == [{}, {"click": 1}]
    [done] = finish_pending(places)
    assert done.receipt.places["store/dead letters"].rows == 1
    assert store.log.num_dead_letters() == 0
    assert places.lake.read(Table.INTERACTIONS)["user_id"].to_pylist() == ["ann"]


def test_an_erasure_that_comes_while_letters_are_looked_through_stops_the_replay(
    places: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = places.store
    bury(store, GONE, 1)
    real = store.log.replay

    def late(letters: Sequence[DeadLetter], erased_through: Mapping[int, int]) -> int:
        hide(store, places.keys, [GONE])
        return real(letters, erased_through)

    with monkeypatch.context() as patch:
        patch.setattr(store.log, "replay", late)
        assert replay_all(store) == Replayed(0, 0)
    assert read_all(store) == []
    finish_pending(places)
    assert store.log.num_dead_letters() == 0


def test_a_letter_that_is_buried_after_the_erasure_has_ended_is_dropped(places: Places) -> None:
    """By a consumer that had read its entry long before."""
    forget([GONE], places)
    bury(places.store, GONE, 1)
    bury(places.store, "ann", 2)
    assert replay_all(places.store) == Replayed(1, 1)
    assert {e.entry.user_id for e in read_all(places.store)} == {"ann"}


def test_a_letter_of_somebody_new_under_the_id_goes_back_once_the_erasure_has_ended(places: Places) -> None:
    store = places.store
    job = hide(store, places.keys, [GONE])
    bury(store, GONE, job.through[GONE] + 1)
    assert replay_all(store) == Replayed(0, 0)
    finish_pending(places)
    assert replay_all(store) == Replayed(1, 0)
    count(store, 3_600, 5, lambda _: None)
    assert store.user_counts([GONE]) == [{"click": 1}]
